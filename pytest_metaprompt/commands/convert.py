"""`convert`: another tool's file becomes a suite with its routine, and a list of what could not come along."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from pytest_metaprompt.clients.models import parse_model
from pytest_metaprompt.converting import KINDS, convert_file
from pytest_metaprompt.converting.drafts import Draft
from pytest_metaprompt.converting.writing import routine_text, suite_text
from pytest_metaprompt.errors import FileAccessError, SuiteFileError
from pytest_metaprompt.files import write_new
from pytest_metaprompt.formats.native import read_suite
from pytest_metaprompt.scorers import KNOWN, check
from pytest_metaprompt.suites import Suite

_ENDING = ".metaprompt.yaml"
_FOREIGN_ENDINGS = (".prompt.yml", ".prompt.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `convert` takes."""
    parser.add_argument("file", type=Path, help="the file to convert; it is left as it is")
    parser.add_argument("-o", "--out", type=Path, help=f"the suite to write, NAME{_ENDING} (default: beside the file)")
    parser.add_argument("--from", dest="kind", choices=KINDS, help="the tool that the file is of (default: it is told)")
    parser.add_argument("--name", help="which eval, where the file holds several")
    parser.add_argument("--target", help="the model under test, such as openai:<model>, in place of the file's own")
    parser.add_argument("--force", action="store_true", help="overwrite files that are there already")


def run(arguments: argparse.Namespace) -> int:
    """Convert, write, and read back what was written; 1 if that finds something to be put right."""
    out: Path = arguments.out or _beside(arguments.file)
    stem = out.name.removesuffix(_ENDING) if out.name.endswith(_ENDING) else out.name.removesuffix(out.suffix)
    if out.name == stem or not out.name.endswith((_ENDING, ".metaprompt.yml")):
        raise FileAccessError(f"a suite is called NAME{_ENDING}, not {out.name!r}", hint=f"-o {stem}{_ENDING}")
    stem = stem.removesuffix(".metaprompt")
    draft = convert_file(
        arguments.file, kind=arguments.kind, known=KNOWN, folder=out.parent.resolve(), name=arguments.name
    )
    if arguments.target is not None:
        draft.target = str(parse_model(arguments.target))
    routine = out.with_name(f"{stem}.prompty")
    texts = {
        routine: routine_text(draft.prompt, name=stem),
        out: suite_text(draft, routine=routine.name),
    }
    if not arguments.force:
        _refuse_to_overwrite(list(texts))
    _write(texts)
    return _report(draft, out, routine)


def _beside(file: Path) -> Path:
    ending = next((ending for ending in _FOREIGN_ENDINGS if file.name.endswith(ending)), file.suffix)
    return file.with_name(file.name.removesuffix(ending) + _ENDING)


def _refuse_to_overwrite(paths: list[Path]) -> None:
    if there := [str(path) for path in paths if path.exists()]:
        raise FileAccessError(
            f"{' and '.join(there)} would be overwritten", hint="name another with -o, or add --force"
        )


def _write(texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_new(path, text)
        except OSError as error:
            raise FileAccessError.writing(path, error) from None


def _report(draft: Draft, out: Path, routine: Path) -> int:
    problem, suite = _read_back(out)
    cases = f" with {len(suite.cases)} cases" if suite else ""
    print(f"wrote {out}{cases} and its routine {routine}")
    if draft.left_out:
        print("left out or changed:")
    for left in draft.left_out:
        print(f"  {left.what}: {left.why}")
    if suite and suite.target is None:
        print("the suite names no target yet: add  target: openai:<model>  to it, or pass --metaprompt-target")
    if problem:
        print("to be put right by hand:")
        print("".join(f"  {line}\n" for line in str(problem).splitlines()), end="")
    return 1 if problem else 0


def _read_back(out: Path) -> tuple[SuiteFileError | None, Suite | None]:
    path = out.resolve()
    try:
        suite = read_suite(path, root=path.parent, parse_model=parse_model, check_assertion=check)
    except SuiteFileError as error:
        return error, None
    return None, suite
