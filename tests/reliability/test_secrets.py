"""Keys and passwords: whatever a server says back, they show in no line and stand in no file."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

import pytest

from pytest_metaprompt.testing import Fault, ScriptedServer
from tests.conftest import RULE, append, envelope, number_of, obeys_the_rule

KEY = "sk-secret-0123456789abcdef"
PASSWORD = "pass/word-987"
TOKEN = "tok+en-5555"
LOGIN = b64encode(f"ada:{PASSWORD}".encode()).decode()

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: "BASE", max_retries: 0}
meta: {model: openai:big, base_url: "BASE", max_retries: 0}
judge: {model: openai:big, base_url: "BASE", max_retries: 0}
cases:
  - {id: number, input: "take 12", expect: "12"}
  - {id: other, input: "take 13", expect: "13"}
  - {id: judged, input: "take 15", assert: [{type: llm-rubric, value: "a number"}]}
  - {id: refused, input: "take 400", expect: "400"}
  - {id: called, input: "take 77", assert: [{type: tool-call, value: {name: look}}]}
"""

PYTHON = """
import os
import pytest

TARGET = {"model": "openai:small", "base_url": os.environ["BASE"], "max_retries": 0}

@pytest.mark.metaprompt("routine.md", target=TARGET)
def test_it(routine):
    assert routine.run(input="take 12").text == "12"
"""


class Talkative:
    """A server that repeats in every answer how it was asked."""

    def __init__(self):
        self.heard = ""

    def script(self, body):
        heard = " ".join(f"{name}: {value}" for name, value in self.served.requests[-1].headers.items())
        heard += f" {self.served.requests[-1].path} {KEY} {PASSWORD} {TOKEN}"
        if body["model"] == "big":
            if "a number" in str(body["messages"]) and "proposals" not in str(body):
                return f'{{"pass": true, "score": 1, "reason": "{heard}"}}'
            return envelope(append(RULE, hypothesis=f"because {heard}"), reason=heard)
        if number_of(body) == "400":
            return Fault.status(400, f'{{"error": {{"message": "bad request: {heard}"}}}}')
        return f"{obeys_the_rule(body)}{'' if RULE in str(body) else heard}"


@pytest.mark.parametrize("way", ["key", "login", "query"])
def test_a_server_that_repeats_everything_gives_nothing_away(project, way):
    talkative = Talkative()
    with ScriptedServer(talkative.script) as server:
        talkative.served = server
        base = server.base_url
        if way == "login":
            base = base.replace("://", f"://ada:{quote(PASSWORD, safe='')}@")
        if way == "query":
            base += f"?api-key={quote(TOKEN, safe='')}&api-version=2024-02-01"
        project.write(routine_dot_md="You read numbers.\n")
        project.write_bytes("s.metaprompt.yaml", SUITE.replace("BASE", base).encode())
        project.write_bytes("test_it.py", PYTHON.encode())
        written = {path.name for path in project.path.rglob("*") if path.is_file()}
        after = project.run(
            "-vv",
            *("--metaprompt-fix", "--metaprompt-record=once", "--metaprompt-save-baseline=base.json"),
            *("--metaprompt-report=r.html", "--metaprompt-report=r.md", "--junitxml=junit.xml", "--metaprompt-trace"),
            env={
                "BASE": base,
                "OPENAI_API_KEY": KEY,
                "OTEL_TRACES_EXPORTER": "console",
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true",
            },
            own_process=True,
        )
        sent = server.requests[0]
    assert sent.headers["authorization"] == (f"Basic {LOGIN}" if way == "login" else f"Bearer {KEY}")
    assert len({served.body["model"] for served in server.requests}) == 2
    kinds = {path.name: path.read_bytes() for path in project.path.rglob("*") if path.is_file()}
    assert {"cache.db", "journal.jsonl", "r.html", "r.md", "junit.xml", "base.json", "s.jsonl"} <= set(kinds)
    kinds |= {"output": after.text.encode(), "report": str(after.report).encode()}
    leaks = [
        (name, secret)
        for name, content in kinds.items()
        for secret in hidden(way)
        if name not in written and secret.encode() in content
    ]
    assert leaks == []
    assert "***" in after.text


def hidden(way):
    """What is secret of this way of asking."""
    return {
        "key": [KEY],
        "login": [KEY, PASSWORD, quote(PASSWORD, safe=""), LOGIN],
        "query": [KEY, TOKEN, quote(TOKEN, safe="")],
    }[way]


def test_a_base_url_without_a_scheme_is_told_without_its_login(project):
    project.write(routine_dot_md="You read numbers.\n")
    project.write_bytes("s.metaprompt.yaml", SUITE.replace("BASE", f"ada:{KEY}@here/v1?api-key={TOKEN}").encode())
    after = project.run("-vv")
    assert "the base URL 'here/v1' does not start with http" in after.text
    assert KEY not in after.text
    assert TOKEN not in after.text
