"""A search for a pattern that comes to an end: one that may backtrack for ever is made in a process of its own.

Python's `re` cannot be interrupted and holds the interpreter's lock, so a search here would stop the whole run. How
long one may take is estimated by the number of repetitions in the pattern and the length of the text.
"""

from __future__ import annotations

import atexit
import json
import math
import re
import subprocess
import sys
import threading
from functools import lru_cache

SECONDS = 5.0
_MOST_STEPS = 10**8
_LONGEST_NESTED = 20
_LONGEST_MATCH = 1000

_PIECE = re.compile(
    r"\\. | \[\^?\]?(?:\\.|[^\]\\])*\] | (?P<open>\((?:\?(?:P?<\w+>|P=\w+|<?[=!]|[aiLmsux-]*[:>]?))?)"
    r"| (?P<close>\)) | (?P<either>\|)"
    r"| (?P<repeat>[*+]|\{\d+,\d*\}) | (?P<maybe>\?) | .",
    re.VERBOSE | re.DOTALL,
)
_PROGRAM = f"""\
import json, re, sys
for line in sys.stdin:
    pattern, flags, text = json.loads(line)
    found = re.search(pattern, text, flags)
    print(json.dumps(found and found[0][:{_LONGEST_MATCH}]), flush=True)
"""


class EndlessSearchError(Exception):
    """The search did not end in time."""


def may_take_long(pattern: str, text: str) -> bool:
    """Whether a search may take more than a moment, at worst."""
    repeats, nested = _shape(pattern)
    if nested and len(text) > _LONGEST_NESTED:
        return True
    return math.comb(len(text) + repeats, repeats + 1) > _MOST_STEPS


def search_apart(pattern: re.Pattern[str], text: str) -> str | None:
    """What the pattern matches first, searched for in the other process.

    Raises:
        EndlessSearchError: It took more than `SECONDS`.
    """
    return _SEARCHER.search(pattern, text)


@lru_cache(maxsize=1024)
def _shape(pattern: str) -> tuple[int, bool]:
    """How many repetitions of varying length a pattern has, and whether one of them repeats what varies itself."""
    repeats, nested = 0, False
    varies, closed = [False], False
    for piece in _PIECE.finditer(pattern):
        if piece["open"]:
            varies.append(False)
        elif piece["close"] and len(varies) > 1:
            closed = varies.pop()
            varies[-1] = varies[-1] or closed
            continue
        elif piece["repeat"]:
            repeats, nested = repeats + 1, nested or closed
            varies[-1] = True
        elif piece["either"] or piece["maybe"]:
            varies[-1] = True
        closed = False
    return repeats, nested


class _Searcher:
    """A process that searches, begun when it is first needed, and again after it was stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def search(self, pattern: re.Pattern[str], text: str) -> str | None:
        question = json.dumps([pattern.pattern, pattern.flags, text])
        with self._lock:
            answer = self._ask(self._running(), question)
        found: str | None = json.loads(answer)
        return found

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            command = [sys.executable, "-I", "-c", _PROGRAM]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
            atexit.register(self.close)
        return self._process

    def _ask(self, process: subprocess.Popen[str], question: str) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        stop = threading.Timer(SECONDS, process.kill)
        stop.start()
        try:
            process.stdin.write(f"{question}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        finally:
            stop.cancel()
        if not answer:
            self.close()
            raise EndlessSearchError
        return answer


_SEARCHER = _Searcher()
