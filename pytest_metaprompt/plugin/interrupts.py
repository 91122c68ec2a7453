"""Ctrl-C while the last things are done, such as writing the reports: they are done all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Held:
    """Whether there was an interrupt."""

    came: bool = False


@contextmanager
def interrupts_held() -> Iterator[Held]:
    """Notes the first interrupt, and lets the work inside go on; the second one ends the work, without a traceback."""
    held = Held()

    def note(number: int, frame: FrameType | None) -> None:
        if held.came:
            raise KeyboardInterrupt
        held.came = True

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # Ignored, or somebody else's.
        yield held
        return
    try:
        signal.signal(signal.SIGINT, note)
    except ValueError:  # Only the main thread may do this, and only that one is interrupted.
        yield held
        return
    try:
        yield held
    except KeyboardInterrupt:
        held.came = True
    finally:
        signal.signal(signal.SIGINT, before)
