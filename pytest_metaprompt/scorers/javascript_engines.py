"""Engines that run JavaScript: one that is installed beside us, else Node.js; with limits in any case."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec

from pytest_metaprompt.errors import SkippedError
from pytest_metaprompt.scorers.code import CodeError

Engine = Callable[[str], str]
"""Runs a program whose value is a text, or a promise of one, and gives the text; `CodeError` if it cannot."""

SECONDS = 5.0
MEMORY = 64_000_000
"""The most that one run may take, in bytes."""

_INSTALL = 'pip install "pytest-metaprompt[js]"'


def find_engine() -> Engine:
    """The first engine there is: mini-racer, quickjs-ng, Node.js.

    Raises:
        SkippedError: There is none.
    """
    if find_spec("py_mini_racer"):
        return run_in_mini_racer
    if find_spec("quickjs"):
        return run_in_quickjs
    if shutil.which("node"):
        return run_in_node
    raise SkippedError("it needs a JavaScript engine", hint=_INSTALL)


def find_node(reason: str) -> Engine:
    """Node.js, for code that an engine alone cannot run.

    Raises:
        SkippedError: It is not installed.
    """
    if shutil.which("node"):
        return run_in_node
    raise SkippedError(f"it needs Node.js: {reason}", hint="install Node.js, so that `node` is on the PATH")


def run_in_mini_racer(program: str) -> str:
    """Runs the program in V8, without files or network, in another process: V8 may end the one that it is in."""
    from pytest_metaprompt.scorers.javascript_process import POOL, EngineDiedError

    try:
        answer = POOL.run(program, seconds=SECONDS, memory=MEMORY)
    except EngineDiedError as error:
        raise CodeError(_too_much() if "out of memory" in str(error) else "the JavaScript engine crashed") from None
    if "stopped" in answer:
        raise CodeError(_too_long() if answer["stopped"] == "time" else _too_much())
    if "error" in answer:
        raise CodeError(answer["error"])
    return answer["value"]


def run_in_quickjs(program: str) -> str:
    """Runs the program in QuickJS, in this process, without files or network."""
    import quickjs

    engine = quickjs.Context()
    engine.set_time_limit(SECONDS)
    engine.set_memory_limit(MEMORY)
    try:
        engine.eval(f"let told; Promise.resolve({program.strip()}).then((text) => {{ told = text; }}); 0")
        while engine.execute_pending_job():
            pass
        return str(engine.eval("told"))
    except quickjs.JSException as error:
        if "interrupted" in str(error):
            raise CodeError(_too_long()) from None
        raise CodeError(_too_much() if "out of memory" in str(error) else str(error)) from None


def run_in_node(program: str) -> str:
    """Runs the program in a process of Node.js, which may read files and reach the network."""
    script = f"Promise.resolve({program.strip()}).then((told) => process.stdout.write('\\n' + told))"
    limit = f"--max-old-space-size={MEMORY // 1_000_000}"
    try:
        # The program goes through a pipe: a command line has a limit.
        done = subprocess.run(
            ["node", limit, "--input-type=commonjs", "-"], input=script, capture_output=True, text=True,
            encoding="utf-8", timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CodeError(_too_long()) from None
    if done.returncode != 0:
        raise CodeError(_too_much() if "heap" in done.stderr else done.stderr.strip()[-500:])
    # The user's own console.log comes before it.
    return done.stdout.rsplit("\n", 1)[-1]


def _too_long() -> str:
    return f"it ran for more than {SECONDS:g} seconds"


def _too_much() -> str:
    return f"it used more than {MEMORY // 1_000_000} MB of memory"
