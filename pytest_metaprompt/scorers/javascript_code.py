"""The user's JavaScript: an expression, the body of a function, or a function in a file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.scorers.code import CodeError, CodeSource
from pytest_metaprompt.scorers.excerpts import excerpt
from pytest_metaprompt.scorers.javascript_engines import Engine, find_engine, find_node
from pytest_metaprompt.scorers.json_values import Plain
from pytest_metaprompt.scorers.outputs import Context
from pytest_metaprompt.scorers.value_files import names_file

_FILE = re.compile(r"(?P<path>.+\.(?:js|cjs|mjs))(?::(?P<name>[\w$]+))?")
_NEEDS_NODE = re.compile(r"\brequire\s*\(|\bprocess\.|\bimport\b|^\s*export\b", re.MULTILINE)
_DECLARATION = re.compile(r"(?:const|let|var)\s")

# `make` gives the user's function. Whatever becomes of it, the program's value is one JSON text.
_PROGRAM = """\
(() => {
  const failed = (error) => {
    if (error instanceof Error && error.name === "InternalError") throw error;  // a limit that the engine keeps
    return JSON.stringify({error: error instanceof Error ? String(error) : `threw ${error}`});
  };
  const told = (value) => {
    if (value === undefined) return JSON.stringify({missing: true});
    if (typeof value === "number" && !Number.isFinite(value)) return JSON.stringify({error: `the result is ${value}`});
    return JSON.stringify({value});
  };
  try {
    const make = () => {%MAKE%};
    const result = make()(%OUTPUT%, %CONTEXT%);
    return result && typeof result.then === "function" ? result.then(told).catch(failed) : told(result);
  } catch (error) {
    return failed(error);
  }
})()
"""

_FROM_TEXT = "return new Function('output', 'context', %BODY%)"

_PICK = """
  const name = %NAME%, found = name ? (exported[name] ?? exported.default?.[name]) : (exported.default ?? exported);
  if (typeof found !== "function") throw new Error(`no function ${name ?? ""} is exported`);
  return found;
"""

_FROM_MODULE = (
    """
  const module = {exports: {}};
  new Function("module", "exports", %TEXT%)(module, module.exports);
  const exported = module.exports;
"""
    + _PICK
)

_FROM_NODE = """
  return (output, context) => import(%URL%).then((exported) => {%PICK%}).then((found) => found(output, context));
"""


@dataclass(frozen=True, slots=True)
class JavaScriptCode:
    """A JavaScript function of `output` and `context`, run in an engine of its own each time. `make` returns it."""

    make: str
    label: str
    engine: Engine

    def run(self, output: Plain, context: Context) -> object:
        """What the function returns, as JSON has it; a promise is awaited.

        Raises:
            CodeError: It threw, ran too long, used too much memory, or returned nothing.
        """
        parts = {"%MAKE%": self.make, "%OUTPUT%": json.dumps(output), "%CONTEXT%": json.dumps(context)}
        answer: dict[str, object] = json.loads(self.engine(_filled(_PROGRAM, parts)))
        if "error" in answer:
            raise CodeError(str(answer["error"]))
        return answer.get("value")


def is_javascript_file(text: str) -> bool:
    """Whether the text names a JavaScript file, and perhaps a function in it."""
    return names_file(text) and _FILE.fullmatch(text.removeprefix(FILE_PREFIX)) is not None


def open_javascript_code(source: CodeSource) -> JavaScriptCode:
    """The code, ready to run. It is compiled when it runs, so a slip in it is an error of the check.

    Raises:
        CodeError: The text does not name a JavaScript file.
        MetapromptError: The file cannot be read.
        SkippedError: There is no engine on this machine that can run it.
    """
    if names_file(source.text):
        return _from_file(source)
    code = source.text.rstrip()
    label = "the code returned" if "\n" in code else f"{excerpt(code.strip())} is"
    return JavaScriptCode(_filled(_FROM_TEXT, {"%BODY%": json.dumps(_body(code))}), label, find_engine())


def _body(code: str) -> str:
    if "\n" in code:
        return code
    expression = code.strip().rstrip("; ")
    if _DECLARATION.match(expression):
        # What eval gives is the value of the last statement, as in  const s = JSON.parse(output); s.ok
        return f"return eval({json.dumps(expression)})"
    return f"return {expression}"


def _from_file(source: CodeSource) -> JavaScriptCode:
    match = _FILE.fullmatch(source.text.removeprefix(FILE_PREFIX))
    if match is None:
        raise CodeError(f"{source.text!r} does not name a JavaScript file (write  file://check.js)")
    path = source.base / match["path"]
    text = source.read(path)
    label = f"{path.name}{':' + match['name'] if match['name'] else ''} returned"
    name = json.dumps(match["name"])
    if path.suffix == ".mjs" or _NEEDS_NODE.search(text):
        return JavaScriptCode(_node_module(path, name), label, find_node(f"{path.name} uses modules"))
    make = _filled(_FROM_MODULE, {"%TEXT%": json.dumps(text), "%NAME%": name})
    return JavaScriptCode(make, label, find_engine())


def _node_module(path: Path, name: str) -> str:
    pick = _filled(_PICK, {"%NAME%": name})
    return _filled(_FROM_NODE, {"%URL%": json.dumps(path.absolute().as_uri()), "%PICK%": pick})


def _filled(template: str, parts: dict[str, str]) -> str:
    """The template with its parts, put in at once, so that no part is looked into for others."""
    return re.sub("|".join(parts), lambda match: parts[match[0]], template)
