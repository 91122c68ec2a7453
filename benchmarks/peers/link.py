"""A peer's process talks to the benchmark in JSON lines: it asks for replies and hands in candidates."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any


class Link:
    """One request at a time, each with its answer."""

    def __init__(self) -> None:
        # What a peer prints must not get between the lines.
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self.order: dict[str, Any] = self._read()

    def ask(self, messages: list[dict[str, str]]) -> str:
        """The target's reply."""
        return self._request({"ask": messages})["reply"]

    def advise(self, prompt: str, count: int = 1) -> list[str]:
        """The meta model's replies."""
        return self._request({"advise": prompt, "count": count})["replies"]

    def holds(self, system: str, turns: list[tuple[str, str]] | None = None) -> None:
        """The best candidate so far."""
        self._request({"holds": {"system": system, "turns": turns or []}})

    def judge(self, question: str, reply: str) -> bool:
        """Whether a reply is right."""
        return self._request({"judge": question, "reply": reply})["passed"]

    def done(self) -> None:
        """Nothing more to come."""
        self._write({"done": True})

    def _request(self, message: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._write(message)
            answer = self._read()
        if answer.get("stopped"):
            # No call is left. A peer's own `except Exception`, threads and clean-up must not go on from here.
            os._exit(0)
        return answer

    def _write(self, message: dict[str, Any]) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    @staticmethod
    def _read() -> dict[str, Any]:
        return json.loads(sys.stdin.readline())
