"""The table of the options: how each is called, read and told of, on the command line and in the ini file.

A new option is a row of the table, and a field of `Options` with the same name.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from pytest_metaprompt.errors import did_you_mean
from pytest_metaprompt.plugin.kinds import COLLECTABLE

if TYPE_CHECKING:
    from pytest_metaprompt.clients.cassette import RecordMode

Mode = Literal["apply", "diff", "review", "patch"]
MODES: tuple[Mode, ...] = ("apply", "diff", "review", "patch")
DEFAULT_PATCH = "metaprompt.patch"
REPORTS = (".json", ".html", ".md")
RECORD_MODES: tuple[RecordMode, ...] = ("none", "once", "new_episodes", "rewrite")
DEFAULT_CACHE_DAYS = 14
DEFAULT_CACHE_MB = 256
IniType = Literal["args", "bool", "float", "int", "string"]
_NUMBERS: Mapping[str, IniType] = {"N": "int", "X": "float", "USD": "float", "SECONDS": "float"}
_WORDS: Mapping[IniType, str] = {"bool": "true or false", "int": "a whole number", "float": "a number"}


def _whole_number(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.strip().lstrip("-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of {least} or more, is {text!r}")
        return int(text)

    return read


def _number(what: str, fits: Callable[[float], bool], *, sign: str = "") -> Callable[[str], float]:
    """Reads a finite number that `fits`, perhaps behind a sign; `what` says in an error what it must be."""

    def read(text: str) -> float:
        try:
            value = float(text.strip().removeprefix(sign))
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and fits(value)):
            raise argparse.ArgumentTypeError(f"must be {what}, is {text!r}")
        return value

    return read


_seconds = _number("a number of seconds above 0", lambda value: value > 0)
_pause = _number("a number of seconds", lambda value: value >= 0)
_share = _number("a number from 0 to 1", lambda value: 0 <= value <= 1)
_dollars = _number("a number of dollars, 0 or more", lambda value: value >= 0, sign="$")


def _one_of(what: str, known: Collection[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"unknown {what} {text!r} ({did_you_mean(text, known)})")
        return text

    return read


def _report(text: str) -> str:
    if Path(text).suffix.lower() not in REPORTS:
        raise argparse.ArgumentTypeError(f"{text!r} must end in {' or '.join(REPORTS)}")
    return text


def _flag(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.strip().lower() not in known:
        raise argparse.ArgumentTypeError(f"must be true or false, is {text!r}")
    return known[text.strip().lower()]


def file_named(chosen: object, folder: Path) -> Path:
    """A file as pytest reads its own options for files: `~` and variables are known to no shell after `=`."""
    return folder / Path(os.path.expandvars(str(chosen))).expanduser()


@dataclass(frozen=True, slots=True)
class Option:
    """A row of the table. `metavar` None means a flag, `FILE` a path from where pytest was called; `bare` is the value
    of the option given without one. `field` is where `Options` keeps it, if that is not called as the option is."""

    name: str
    read: Callable[[str], object]
    help: str
    metavar: str | None = None
    repeatable: bool = False
    bare: str | None = None
    field: str = ""

    @property
    def key(self) -> str:
        """The name in the ini file, and in pytest's own store of options."""
        return f"metaprompt_{self.name.replace('-', '_')}"

    @property
    def ini_type(self) -> IniType:
        """How pytest reads the ini key; before 8.4 it knew no numbers, and gave texts."""
        if self.repeatable or self.metavar is None:
            return "args" if self.repeatable else "bool"
        numbers = _NUMBERS if pytest.version_tuple >= (8, 4) else {}
        return numbers.get(self.metavar, "string")

    @property
    def ini_words(self) -> str:
        """What the value of the ini key must be."""
        return _WORDS.get(self.ini_type, "a text")

    def value(self, chosen: object, folder: Path) -> object:
        """What was chosen, as `Options` keeps it; None for nothing."""
        if isinstance(chosen, list):
            return tuple(dict.fromkeys(self.value(one, folder) for one in chosen))
        if self.metavar == "FILE":
            return file_named(chosen, folder) if chosen else None
        return chosen


TABLE = (
    Option("mutate", _flag, "remove sentences of the routines one at a time, and list those that no case guards"),
    Option("fix", _flag, "repair failing routines, prove the repair, and write it back"),
    Option(
        "fix-mode",
        _one_of("mode", MODES),
        "what to do with a proved repair: apply (default), diff (print it), review (ask for each), patch (a file)",
        "MODE",
    ),
    Option("patch", str, f"the file of mode patch ({DEFAULT_PATCH}); .md gives GitHub suggestions", "FILE"),
    Option("generate", _flag, "write missing routines from their suite's source and objective, then evaluate"),
    Option("target", str, "ask this model (provider:name) in place of every suite's target", "MODEL"),
    Option("meta", str, "ask this model for repairs in place of every suite's meta", "MODEL"),
    Option("judge", str, "ask this model for verdicts in place of every suite's judge", "MODEL"),
    Option("concurrency", _whole_number(1), "calls under way at once, at most (default 16)", "N"),
    Option("trace", _flag, "send OpenTelemetry spans of cases, repairs and calls, as OTEL_TRACES_EXPORTER says"),
    Option("batch", _flag, "ask the targets through the provider's Batch API: half the price, up to a day"),
    Option(
        "batch-poll",
        _pause,
        "seconds between looks at a batch (default: from 5 to 60, growing)",
        "X",
        field="batch_poll_s",
    ),
    Option("repeat", _whole_number(1), "attempts per case in every suite", "N"),
    Option("no-cache", _flag, "ask the models anew: neither use the cache nor write to it"),
    Option("cache-days", _whole_number(1), "forget cached replies after so many days (default 14)", "N"),
    Option("cache-mb", _whole_number(1), "let the cache grow to so many megabytes (default 256)", "N"),
    Option(
        "record",
        _one_of("mode", RECORD_MODES),
        "record calls in cassettes, or replay them: none (only replay), once, new_episodes or rewrite",
        "MODE",
    ),
    Option("max-calls", _whole_number(0), "make at most so many model calls", "N"),
    Option("max-tokens", _whole_number(0), "make no model call that could go beyond so many tokens", "N"),
    Option(
        "max-cost", _dollars, "make no model call that could go beyond so many dollars", "USD", field="max_cost_usd"
    ),
    Option(
        "timeout",
        _seconds,
        "end the run of the cases after so long: what has no answer is an error",
        "SECONDS",
        field="timeout_s",
    ),
    Option("min-accuracy", _share, "a gate for every suite that has none", "X"),
    Option("changed", str, "run only the suites that have changes against this revision (HEAD)", "BASE", bare="HEAD"),
    Option("baseline", str, "compare each case with this committed baseline, beyond chance", "FILE"),
    Option("save-baseline", str, "write what is true of every case now as a baseline", "FILE"),
    Option(
        "report",
        _report,
        "write a report of the run (.json, .html or .md); may be given several times",
        "FILE",
        repeatable=True,
        field="reports",
    ),
    Option("history", str, "keep the counts of each suite in this file, in CI, too (.metaprompt/history.db)", "FILE"),
    Option("seed", _whole_number(0), "seed of every random choice of a repair (default 0)", "N"),
    Option("journal", _flag, "tell in words what past repairs tried, decided and wrote; runs no test"),
    Option("revert", _flag, "take back the last repair that was written; runs no test"),
    Option("allow-dirty", _flag, "overwrite a routine that has uncommitted changes in git"),
    Option("exit-non-zero-on-fix", _flag, "exit with 1 after a repair was applied, even if all passes now"),
    Option(
        "collect",
        _one_of("kind of file", COLLECTABLE),
        "collect files of this kind wherever they stand; may be repeated",
        "KIND",
        repeatable=True,
    ),
)


WITH_A_MEANING = frozenset({"fix", "fix-mode", "patch", "no-cache", "generate", "journal", "revert"})
"""The options that `Options` does not simply keep: what they mean depends on others, or on where they are given."""


def add_options(parser: pytest.Parser) -> None:
    """Register every option and its ini key."""
    group = parser.getgroup("metaprompt", "prompt regression testing and repair")
    for option in TABLE:
        if option.metavar is None:
            group.addoption(f"--metaprompt-{option.name}", dest=option.key, action="store_true", help=option.help)
        else:
            action = "append" if option.repeatable else "store"
            group.addoption(
                f"--metaprompt-{option.name}",
                dest=option.key,
                action=action,
                type=option.read,
                metavar=option.metavar,
                help=option.help,
                **({} if option.bare is None else {"nargs": "?", "const": option.bare}),
            )
        parser.addini(option.key, help=option.help, type=option.ini_type, default=None)
