"""How each tool is installed in a throw-away environment, and given the same cases."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: `packages` for pip, `write` puts its suite into a folder, `command` runs it there.

    One that `asks_before` is run once more before the run that is measured, in the same folder.
    """

    name: str
    packages: tuple[str, ...]
    write: Callable[[Path, int, int], None]
    command: Callable[[Path, int], list[str]]
    environ: dict[str, str]
    asks: bool = True
    asks_before: bool = False


class NotInstalledError(Exception):
    """The tool could not be installed; the message says why."""


def install(tool: Tool, folder: Path) -> Path:
    """The folder of the programs of a fresh environment with the tool; one that is there already is used again."""
    if tool.name.startswith("promptfoo"):
        return _install_promptfoo(folder)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    done = folder / "installed.txt"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        command = [str(programs / "python"), "-m", "pip", "install", "--quiet", *tool.packages]
        installed = subprocess.run(command, capture_output=True, text=True, check=False)
        if installed.returncode:
            raise NotInstalledError(installed.stderr.strip()[-500:])
        done.write_text(" ".join(tool.packages))
    elif str(ROOT) in tool.packages:  # The others stay as they are; ours is what the working tree holds now.
        command = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall"]
        subprocess.run([*command, str(ROOT)], check=True)
    return programs


def _install_promptfoo(folder: Path) -> Path:
    if shutil.which("npm") is None:
        raise NotInstalledError("npm is not there")
    program = folder / "node_modules" / ".bin" / "promptfoo"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "promptfoo"]
        installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if installed.returncode or not program.exists():
            raise NotInstalledError((installed.stderr or installed.stdout).strip()[-500:])
    return program.parent


def _ours(folder: Path, cases: int, at_once: int) -> None:
    lines = ['routine: {inline: "Answer with the number only."}']
    lines += ['target: {model: "openai:benchmark", base_url: "@BASE_URL@", temperature: 0}', "cases:"]
    for n in range(cases):
        lines += [f"  - id: case-{n}", f'    input: "case number {n}"', f'    expect: "{n}"']
    (folder / "benchmark.metaprompt.yaml").write_text("\n".join(lines) + "\n")


def _promptfoo(folder: Path, cases: int, at_once: int) -> None:
    provider = {
        "id": "openai:chat:benchmark",
        "config": {"apiBaseUrl": "@BASE_URL@", "apiKey": "unused", "temperature": 0},
    }
    tests = [{"vars": {"n": str(n)}, "assert": [{"type": "equals", "value": str(n)}]} for n in range(cases)]
    config = {"prompts": ["Answer with the number only. case number {{n}}"], "providers": [provider], "tests": tests}
    (folder / "promptfooconfig.json").write_text(json.dumps(config))


_PYDANTIC = """
import asyncio, sys
from openai import AsyncOpenAI
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import EqualsExpected

client = AsyncOpenAI(base_url="@BASE_URL@", api_key="unused")

async def answer(question: str) -> str:
    messages = [{"role": "system", "content": "Answer with the number only."}, {"role": "user", "content": question}]
    reply = await client.chat.completions.create(model="benchmark", messages=messages, temperature=0)
    return reply.choices[0].message.content

cases = [Case(name=f"case-{n}", inputs=f"case number {n}", expected_output=str(n)) for n in range(CASES)]
report = Dataset(name="benchmark", cases=cases, evaluators=[EqualsExpected()]).evaluate_sync(
    answer, max_concurrency=AT_ONCE, progress=False)
passed = sum(all(a.value for a in case.assertions.values()) for case in report.cases)
print(passed, "passed")
sys.exit(passed != CASES)
"""


def _pydantic_evals(folder: Path, cases: int, at_once: int) -> None:
    text = _PYDANTIC.replace("CASES", str(cases)).replace("AT_ONCE", str(at_once))
    (folder / "run.py").write_text(text)


_INSPECT = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import exact
from inspect_ai.solver import generate, system_message

@task
def benchmark():
    samples = [Sample(input=f"case number {n}", target=str(n)) for n in range(CASES)]
    return Task(dataset=samples, solver=[system_message("Answer with the number only."), generate()], scorer=exact())
"""


def _inspect(folder: Path, cases: int, at_once: int) -> None:
    (folder / "run.py").write_text(_INSPECT.replace("CASES", str(cases)))


_PLAIN = """
import pytest
from openai import OpenAI

client = OpenAI(base_url="@BASE_URL@", api_key="unused")

@pytest.mark.parametrize("n", range(CASES))
def test_case(n):
    messages = [{"role": "system", "content": "Answer with the number only."},
                {"role": "user", "content": f"case number {n}"}]
    reply = client.chat.completions.create(model="benchmark", messages=messages, temperature=0)
    assert reply.choices[0].message.content == str(n)
"""


def _plain(folder: Path, cases: int, at_once: int) -> None:
    (folder / "test_plain.py").write_text(_PLAIN.replace("CASES", str(cases)))


_YAML_ITEMS = """
import pytest, yaml

def pytest_collect_file(file_path, parent):
    return Cases.from_parent(parent, path=file_path) if file_path.suffix == ".yaml" else None

class Cases(pytest.File):
    def collect(self):
        for case in yaml.load(self.path.read_bytes(), yaml.CSafeLoader)["cases"]:
            yield Case.from_parent(self, name=case["id"], case=case)

class Case(pytest.Item):
    def __init__(self, *, case, **keywords):
        super().__init__(**keywords)
        self.case = case

    def runtest(self):
        assert self.case["input"].endswith(self.case["expect"])
"""


def _floor(folder: Path, cases: int, at_once: int) -> None:
    _ours(folder, cases, at_once)
    (folder / "conftest.py").write_text(_YAML_ITEMS)


_QUIET = ["-q", "-p", "no:cacheprovider"]


def _without_cache(programs: Path, at_once: int) -> list[str]:
    return [str(programs / "pytest"), *_QUIET, "--metaprompt-no-cache", f"--metaprompt-concurrency={at_once}"]


OURS = Tool("pytest-metaprompt", (str(ROOT),), _ours, _without_cache, {})

OURS_IN_WORKERS = Tool(
    "pytest-metaprompt, -n 2",
    (str(ROOT), "pytest-xdist"),
    _ours,
    lambda programs, at_once: [*_without_cache(programs, at_once), "-n", "2"],
    {},
)

# The same files twice: the first run asks, and the second one, which counts, finds every reply in the cache.
OURS_CACHED = Tool(
    "pytest-metaprompt, all cached",
    (str(ROOT),),
    _ours,
    lambda programs, at_once: [str(programs / "pytest"), *_QUIET, f"--metaprompt-concurrency={at_once}"],
    {},
    asks_before=True,
)

# What pytest itself takes for as many items from the same YAML file, each with one comparison; it asks nothing.
FLOOR = Tool(
    "pytest's floor, trivial YAML items",
    ("pytest", "pyyaml"),
    _floor,
    lambda programs, _: [str(programs / "pytest"), *_QUIET],
    {},
    asks=False,
)

PEERS = (
    Tool(
        "promptfoo",
        (),
        _promptfoo,
        lambda programs, at_once: [
            str(programs / "promptfoo"), "eval", "--no-cache", "--no-write", "--no-progress-bar", "--no-table",
            "-j", str(at_once),
        ],
        dict.fromkeys(("PROMPTFOO_DISABLE_TELEMETRY", "PROMPTFOO_DISABLE_UPDATE"), "1"),
    ),
    Tool("pydantic-evals", ("pydantic-evals", "openai"), _pydantic_evals, lambda programs, _: [
        str(programs / "python"), "run.py"
    ], {}),
    Tool(
        "Inspect AI",
        ("inspect-ai", "openai"),
        _inspect,
        lambda programs, at_once: [
            str(programs / "inspect"), "eval", "run.py", "--model", "openai/benchmark", "--temperature", "0",
            "-M", "responses_api=false", "--max-connections", str(at_once), "--max-samples", str(at_once),
            "--display", "none", "--log-dir", "logs",
        ],
        {"OPENAI_BASE_URL": "BASE_URL", "OPENAI_API_KEY": "unused"},
    ),
    Tool(
        "plain pytest + openai SDK, -n 8",
        ("pytest", "pytest-xdist", "openai"),
        _plain,
        lambda programs, _: [str(programs / "pytest"), *_QUIET, "-n", "8"],
        {},
    ),
)  # fmt: skip
