"""A project in a folder of its own, run by pytest for real, against a scripted server over real sockets."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import settings

from pytest_metaprompt.reports.json_report import report_schema_text
from pytest_metaprompt.testing import ScriptedServer

# How fast an example runs is the machine's affair.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

# Loaded here once: pytester forgets what its runs import, and compiled parts must not be loaded twice. pygal loads a
# backport that takes the place of Python's own finder of installed plugins.
for _name in ("deepdiff", "httpcore2", "jsonschema", "openai", "pygal", "yaml"):
    importlib.import_module(_name)

# What is started in the background ignores interrupts, and so would everything that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Body = dict[str, Any]
RULE = "Answer with the number only."


@dataclass(frozen=True)
class After:
    """What a run left behind."""

    result: pytest.RunResult
    text: str
    files: Mapping[str, bytes]
    report: Any

    @property
    def code(self) -> int:
        return int(self.result.ret)


class Project:
    """Files, a scripted target, a scripted meta model, and runs of pytest over them."""

    def __init__(self, pytester: pytest.Pytester, server: ScriptedServer) -> None:
        self.pytester = pytester
        self.server = server
        self.path = pytester.path
        self.target: Callable[[Body], Any] = lambda body: "no target was scripted"
        self.meta: Callable[[Body], Any] = lambda body: "no meta model was scripted"

    def write(self, **files: str) -> None:
        """Files by name; `__` stands for a slash, and `_dot_` for a dot."""
        for name, text in files.items():
            self.write_bytes(name.replace("__", "/").replace("_dot_", "."), text.encode())

    def write_bytes(self, name: str, content: bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def suite(self, text: str, *, name: str = "orders") -> Path:
        return self.write_bytes(f"{name}.metaprompt.yaml", text.replace("BASE", self.server.base_url).encode())

    def reads_numbers(self, suite: str) -> Project:
        """Itself with a routine and a suite, and a target that answers with the number in the user's message."""
        self.write(routine_dot_md="You read numbers.\n")
        self.suite(suite)
        self.target = number_of
        return self

    def run(
        self, *args: str, env: Mapping[str, str] | None = None, own_process: bool = False, keep_cache: bool = False
    ) -> After:
        """Run pytest with a JSON report and an empty cache, in this process unless it needs one of its own."""
        if not keep_cache:
            self.forget_replies()
        with pytest.MonkeyPatch.context() as patch:
            for name in ("CI", "OPENAI_API_KEY", "OPENAI_BASE_URL", "PYTEST_ADDOPTS"):
                patch.delenv(name, raising=False)
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            run = (
                partial(self.pytester.runpytest_subprocess, timeout=240)
                if own_process
                else self.pytester.runpytest_inprocess
            )
            result = run("--metaprompt-report=report.json", "-p", "no:hypothesispytest", *args)
        report = self.path / "report.json"
        found = json.loads(report.read_text(encoding="utf-8")) if report.exists() else None
        if found is not None:
            jsonschema.Draft202012Validator(json.loads(report_schema_text())).validate(found)
        report.unlink(missing_ok=True)
        return After(result, result.stdout.str() + result.stderr.str(), self.files(), found)

    def forget_replies(self) -> None:
        """Empty the cache, so that the next run asks anew."""
        for path in (self.path / ".metaprompt").glob("cache.db*"):
            path.unlink()

    def files(self) -> dict[str, bytes]:
        """Every file that belongs to the user."""
        return {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in sorted(self.path.rglob("*"))
            if path.is_file()
            and not re.search(r"(^|/)(\.|__pycache__|stdout$|stderr$)", path.relative_to(self.path).as_posix())
        }

    def asked(self, model: str) -> list[Body]:
        """The bodies of the requests that a model got."""
        return [request.body for request in self.server.requests if request.body["model"] == model]


@pytest.fixture
def project(pytester: pytest.Pytester) -> Iterator[Project]:
    holder: list[Project] = []

    def script(body: Body) -> Any:
        return holder[0].meta(body) if body["model"] == "big" else holder[0].target(body)

    with ScriptedServer(script) as server:
        holder.append(Project(pytester, server))
        yield holder[0]


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder of somebody whom the rights of files bind, who we are for as long as the test runs, whoever we were."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as name:
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        if is_root:
            os.chown(name, nobody, -1)
            os.seteuid(nobody)
        try:
            yield Path(name)
        finally:
            if is_root:
                os.seteuid(0)
            for path in Path(name).rglob("*"):
                path.chmod(0o700)
            Path(name).chmod(0o700)


def system_of(body: Body) -> str:
    """The system prompt of a request."""
    return "\n".join(message["content"] for message in body["messages"] if message["role"] == "system")


def user_of(body: Body) -> str:
    """The last user message of a request."""
    return str([message["content"] for message in body["messages"] if message["role"] == "user"][-1])


def number_of(body: Body) -> str:
    """The first number of the last user message."""
    return re.findall(r"\d+", user_of(body))[0]


def obeys_the_rule(body: Body) -> str:
    """A target that answers with the bare number only if the routine says so."""
    number = number_of(body)
    return number if RULE in system_of(body) else f"The number is {number}, thanks for asking!"


def envelope(*proposals: Mapping[str, Any], verdict: str = "repair", reason: str = "") -> str:
    return json.dumps({"verdict": verdict, "reason": reason, "proposals": list(proposals)})


def append(text: str, *, hypothesis: str = "the rule is missing") -> dict[str, Any]:
    return {"hypothesis": hypothesis, "edits": [{"message": 0, "op": "append", "text": text}]}
