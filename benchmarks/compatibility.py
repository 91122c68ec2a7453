"""How far promptfoo's configs give the same results here as there: a table, and every difference with its reason.

    python benchmarks/compatibility.py [DATA]

DATA holds configs (`cases/NAME/`), what promptfoo reported of them (`oracle/NAME.json`) and the server that they ask
(`mock_openai.py`). The configs run through pytest, on a copy in which the server has a free port.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.formats.promptfoo.cases import ColumnCase, read_cases
from pytest_metaprompt.formats.promptfoo.config import read_config
from pytest_metaprompt.formats.promptfoo.document import env_texts, read_document
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.js_values import js_json, js_value
from pytest_metaprompt.scorers import GRADED

DATA = Path(__file__).parents[2] / "shared" / "data" / "promptfoo"
PORT = "8960"
JUDGED = {kind for kind in GRADED if not kind.startswith("similar")}
"""The types whose verdicts hang on the words of the judge's prompt."""

ENVIRONMENT = {"NO_COLOR": "1", "PROMPTFOO_DISABLE_TELEMETRY": "1", "OPENAI_API_KEY": "x"}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why results differ: those of a config whose title and difference hold the pattern."""

    config: str
    pattern: str
    why: str


REASONS = (
    Reason("p-asserts", r"is-sql|contains-sql", "there is no parser of SQL here: an error, never a pass"),
    Reason("p-asserts", r"guardrails", "no provider says which guardrails it applied: an error, never a pass"),
    Reason("p-asserts", r"contains-all \[\]", "an empty list would hold for every reply: an error"),
    Reason("p-asserts", r"regex", "a pattern that is none is an error under both signs, not a wrong answer"),
    Reason("p-asserts", r"finish-reason", "without a reason from the provider nothing can be said: an error"),
    Reason("p-asserts", r"python", "code that breaks or judges nothing is an error under both signs"),
    Reason("p-judge|p-csv|p-errors", r"judged, so not compared", "judged with prompts of our own, so not compared"),
    Reason("p-errors", r"score 0 there, 1", "an empty reply that counts as a refusal passes with its full score"),
    Reason("p-files|p-vars-file-.", r"fromfile", "vars that name a file with file:// are read, and not ignored"),
    Reason("p-path-14", r"", "a prompt `*` does not load the config itself"),
    Reason("p-prompt-templating|p-templating", r"unexpected char", "a stray backslash is an error, and not swallowed"),
    Reason("p-resolve", r"\[\$&\]", "`$` in a value means nothing: it is put in as it is"),
    Reason("p-yaml", r"object Object", "a date is the text that is written, not `[object Object]`"),
)  # fmt: skip
"""Every difference has one. Most are errors here that pass or fail there by accident."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A result that is not promptfoo's. `what` compares the two."""

    config: str
    test: int
    column: int
    title: str
    what: str

    @property
    def reason(self) -> str | None:
        """Why it differs, if that is known."""
        told = f"{self.title} {self.what}"
        fitting = (one for one in REASONS if re.fullmatch(one.config, self.config) and re.search(one.pattern, told))
        return next((one.why for one in fitting), None)


@dataclass(frozen=True, slots=True)
class Compared:
    """A config: how many results promptfoo gave, how many agree, and in how many of these nothing was judged."""

    name: str
    results: int
    agreeing: int
    unjudged: int
    differences: tuple[Difference, ...]
    note: str = ""


def compare_all(data: Path, folder: Path) -> list[Compared]:
    """Every config of DATA, run in a folder of its own."""
    os.environ.update(ENVIRONMENT)  # the configs look at it, here as in the run
    with _server(data / "mock_openai.py") as port:
        cases = folder / "cases"
        shutil.copytree(data / "cases", cases)
        for path in cases.rglob("*"):
            if path.suffix in (".yaml", ".json"):
                path.write_bytes(path.read_bytes().replace(PORT.encode(), str(port).encode()))
        report = _run(cases, port)
    return [_compare(path.name, cases, report, _oracle(data, path.name)) for path in sorted(_configs(cases))]


def _configs(cases: Path) -> list[Path]:
    return sorted(path for path in cases.iterdir() if path.is_dir() and not path.name.startswith("."))


def _oracle(data: Path, name: str) -> Any:
    return json.loads((data / "oracle" / f"{name}.json").read_text(encoding="utf-8"))


def _run(cases: Path, port: int) -> dict[str, Any]:
    """The suites of the report of one pytest run of all configs that can be read, by name."""
    configs = [path / "promptfooconfig.yaml" for path in _configs(cases)]
    readable = [str(path) for path in configs if not isinstance(_read(path, cases), str)]
    url = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(cases)]
    command += ["--metaprompt-report=report.json", "--metaprompt-judge=openai:mock-judge", *readable]
    done = subprocess.run(command, cwd=cases, env={**os.environ, **url}, capture_output=True, text=True, check=False)
    path = cases / "report.json"
    if not path.is_file():
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
    suites = json.loads(path.read_text(encoding="utf-8"))["suites"]
    path.unlink()
    return {suite["path"]: suite for suite in suites}


def _read(path: Path, root: Path) -> Any:
    """The suites of a config, or why there are none."""
    try:
        return read_config(path, root=root)
    except MetapromptError as error:
        return str(error)


def _compare(name: str, cases: Path, report: dict[str, Any], oracle: Any) -> Compared:
    path = cases / name / "promptfooconfig.yaml"
    suites = _read(path, cases)
    if oracle["results"] is None:
        note = "both refuse it" if isinstance(suites, str) else "promptfoo aborts, here it runs"
        return Compared(name, 0, 0, 0, (), note)
    if isinstance(suites, str):
        return Compared(name, len(oracle["results"]), 0, 0, (), f"refused: {suites.partition(': ')[2]}")
    expected = {(result["test_index"], result["prompt_index"]): result for result in oracle["results"]}
    found = dict(_results(path, cases, suites, report))
    agreeing, unjudged, differences = 0, 0, []
    for key in sorted(expected.keys() | found.keys()):
        what = _difference(expected.get(key), found.get(key))
        if what is None:
            agreeing += 1
            unjudged += found[key]["outcome"] == "skipped"
        else:
            title = (expected.get(key) or {}).get("description") or ""
            differences.append(Difference(name, *key, title, what))
    return Compared(name, len(expected), agreeing, unjudged, tuple(differences))


def _results(path: Path, cases: Path, suites: Any, report: dict[str, Any]) -> Iterator[tuple[tuple[int, int], Any]]:
    """Our results under promptfoo's numbers: of the expanded test, and of the column."""
    top = read_document(path, root=cases)
    numbers = _numbers(read_cases(top, Folder(path, cases), env_texts(top.entries.get("env"))), suites[0].repeat)
    for column, suite in enumerate(suites):
        name = f"{path.parent.name}/{path.name}" + (f"::{suite.part}" if suite.part else "")
        for case in report.get(name, {"cases": []})["cases"]:
            for number, attempt in zip(numbers[case["id"]], case["attempts"], strict=True):
                yield (number, column), {**case, "attempt": attempt}


def _numbers(cases: tuple[ColumnCase, ...], repeat: int) -> dict[str, list[int]]:
    """The numbers of each case's repetitions: a test, its repetitions, in each of them its combinations of vars."""
    numbers: dict[str, list[int]] = {}
    start = 0
    for _, group in groupby(cases, key=lambda one: one.origin):
        combinations = list(group)
        for at, one in enumerate(combinations):
            numbers[one.case.id] = [start + again * len(combinations) + at for again in range(repeat)]
        start += repeat * len(combinations)
    return numbers


def _difference(theirs: Any, ours: Any) -> str | None:
    """How a result of ours differs from promptfoo's: in what became of it, its score, its output or an assertion."""
    if theirs is None or ours is None:
        return "there is no such result " + ("there" if theirs is None else "here")
    if any(one["type"].removeprefix("not-") in JUDGED for one in theirs["asserts"] or ()):
        return "judged, so not compared"
    attempt = ours["attempt"]
    wanted = "error" if theirs["failure_reason"] == "error" else "passed" if theirs["pass"] else "failed"
    if ours["outcome"] == "skipped" and wanted == "passed" and not theirs["asserts"]:
        return _outputs(theirs, attempt)
    if ours["outcome"] != wanted:
        return f"{wanted} there, {ours['outcome']} here: {attempt['error'] or attempt['skipped'] or _told(attempt)}"
    if wanted == "error":
        return None
    score = _score(attempt["verdicts"])
    if abs(score - theirs["score"]) > 1e-9:
        return f"score {theirs['score']} there, {score} here"
    return _assertions(theirs["asserts"], attempt["verdicts"]) or _outputs(theirs, attempt)


def _told(attempt: Any) -> str:
    return "; ".join(f"{one['type']}: {one['reason']}" for one in attempt["verdicts"] if not one["passed"])


def _score(verdicts: Any) -> float:
    """The weighted mean of the verdicts' scores."""
    weight = sum(one["weight"] for one in verdicts)
    return sum(one["score"] * one["weight"] for one in verdicts) / weight if weight else 0.0


def _outputs(theirs: Any, attempt: Any) -> str | None:
    wanted = theirs["output"]
    text = wanted if isinstance(wanted, str) else js_json(js_value(wanted))
    if text == attempt["text"] or (not attempt["text"] and attempt["tool_calls"]):
        return None
    return f"output {text!r} there, {attempt['text']!r} here"


def _assertions(theirs: Any, ours: Any) -> str | None:
    flat = [one for verdict in ours for one in (verdict, *verdict.get("children", []))]
    for wanted, found in zip(theirs, flat, strict=False):
        if wanted.get("weight") == 0:
            continue  # they call it passed whatever it says
        if wanted["pass"] != found["passed"] or abs((wanted["score"] or 0) - found["score"]) > 1e-9:
            seen = f"{found['passed']} {found['score']} here"
            return f"{wanted['type']}: {wanted['pass']} {wanted['score']} there, {seen}"
    return None if len(theirs) == len(flat) else f"{len(theirs)} assertions there, {len(flat)} here"


@contextmanager
def _server(script: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with subprocess.Popen([sys.executable, str(script), "--port", str(port)], stdout=subprocess.DEVNULL) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/v1/models")
            yield port
        finally:
            server.terminate()


def _wait_for(url: str) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def table(compared: list[Compared]) -> str:
    """The table, in Markdown."""
    lines = ["| config | results | agreeing | differing, and why |", "|---|---|---|---|"]
    for one in compared:
        lines.append(f"| `{one.name}` | {one.results} | {one.agreeing} | {_why(one)} |")
    results, agreeing = sum(one.results for one in compared), sum(one.agreeing for one in compared)
    lines.append(f"| all | {results} | {agreeing} | {results - agreeing} |")
    return "\n".join(lines)


def _why(compared: Compared) -> str:
    reasons = Counter(difference.reason or "unexplained" for difference in compared.differences)
    return "; ".join(
        [f"{number}: {reason}" for reason, number in reasons.items()] + [compared.note] * bool(compared.note)
    )


def main() -> None:
    """Print the table and every difference."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    with tempfile.TemporaryDirectory() as folder:
        compared = compare_all(data, Path(folder))
    print(table(compared))
    for one in compared:
        for difference in one.differences:
            if difference.reason is None or "-v" in sys.argv:
                print(f"{one.name} {difference.test}/{difference.column} {difference.title!r}: {difference.what}")


if __name__ == "__main__":
    main()
