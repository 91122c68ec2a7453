"""V8 in processes of its own, each used again and again: whatever becomes of one, pytest goes on."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO

CHILD = Path(__file__).with_name("javascript_child.py")
START_S = 60.0
"""How long a process may take until it is ready."""

GRACE_S = 5.0
"""How much longer than its program a process may take to say so."""

_MOST = max(2, min(8, os.cpu_count() or 2))


class EngineDiedError(Exception):
    """The process ended before it answered; the message is what it said."""


class EngineProcess:
    """One process that runs one program after the other."""

    def __init__(self, command: list[str]) -> None:
        """Starts it, and waits until it is ready.

        Raises:
            EngineDiedError: It did not become ready.
        """
        # In a session of its own Ctrl-C does not reach it: it ends when nobody can ask it any more.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
        self._answer("", within_s=START_S)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def run(self, program: str, *, seconds: float, memory: int) -> Mapping[str, str]:
        """What became of the program: its `value`, an `error`, or what it was `stopped` for: `time` or `memory`.

        Raises:
            EngineDiedError: The process ended before it told.
        """
        asked = json.dumps({"program": program, "seconds": seconds, "memory": memory})
        return self._answer(asked + "\n", within_s=seconds + GRACE_S)

    def close(self) -> None:
        """Ends it now."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            _close(pipe)
        self._process.wait()

    def _answer(self, asked: str, *, within_s: float) -> Mapping[str, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watchdog = threading.Timer(within_s, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        said = []
        try:
            self._process.stdin.write(asked)
            self._process.stdin.flush()
            for line in self._process.stdout:
                answer = _read(line)
                if answer is not None:
                    return answer
                said.append(line)
        except OSError:
            pass  # It is gone.
        finally:
            watchdog.cancel()
        self.close()
        raise EngineDiedError("".join(said))


class EnginePool:
    """A few processes, started when they are needed."""

    def __init__(self) -> None:
        self._idle: list[EngineProcess] = []
        self._room = threading.BoundedSemaphore(_MOST)

    def run(self, program: str, *, seconds: float, memory: int) -> Mapping[str, str]:
        """What became of the program; see `EngineProcess.run`. A process that ends is replaced once: it may have been
        for want of memory on a busy machine, and no fault of the program's.

        Raises:
            EngineDiedError: Two processes ended before they told.
        """
        with self._room:
            try:
                return self._run_once(program, seconds, memory)
            except EngineDiedError:
                return self._run_once(program, seconds, memory)

    def close(self) -> None:
        """Ends those that are idle."""
        while self._idle:
            self._idle.pop().close()

    def _run_once(self, program: str, seconds: float, memory: int) -> Mapping[str, str]:
        process = self._idle.pop() if self._idle else EngineProcess(_command())
        answer = process.run(program, seconds=seconds, memory=memory)
        if "stopped" in answer:
            process.close()
        else:
            self._idle.append(process)
        return answer


def _command() -> list[str]:
    found = find_spec("py_mini_racer")
    origin = found.origin if found is not None else None
    # Isolated, so that no module of the user's takes the place of Python's own.
    return [sys.executable, "-I", str(CHILD), str(Path(origin or "").parents[1])]


def _read(line: str) -> Mapping[str, str] | None:
    """An answer; None where it is something else that was printed, such as V8's last words."""
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _close(pipe: IO[str] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except OSError:
        pass  # What was written last finds no reader any more.


POOL = EnginePool()
atexit.register(POOL.close)
