"""The plugin's options: one table for the command line and for the ini file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import pytest

from pytest_metaprompt.errors import did_you_mean
from pytest_metaprompt.plugin.kinds import COLLECTABLE

Mode = Literal["apply", "diff", "review", "patch"]
MODES: tuple[Mode, ...] = ("apply", "diff", "review", "patch")
DEFAULT_PATCH = "metaprompt.patch"
REPORTS = (".json", ".html", ".md")
RecordMode = Literal["none", "once", "new_episodes", "rewrite"]
RECORD_MODES: tuple[RecordMode, ...] = ("none", "once", "new_episodes", "rewrite")
DEFAULT_CACHE_DAYS = 14
DEFAULT_CACHE_MB = 256
IniType = Literal["args", "bool", "float", "int", "string"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for, checked."""

    fix: bool = False
    mutate: bool = False
    mode: Mode = "apply"
    patch: Path = Path(DEFAULT_PATCH)
    fix_note: str | None = None
    target: str | None = None
    meta: str | None = None
    concurrency: int = 16
    repeat: int | None = None
    cache: bool = True
    max_calls: int | None = None
    max_tokens: int | None = None
    timeout_s: float | None = None
    max_cost_usd: float | None = None
    min_accuracy: float | None = None
    reports: tuple[Path, ...] = ()
    seed: int = 0
    allow_dirty: bool = False
    exit_non_zero_on_fix: bool = False
    collect: tuple[str, ...] = ()
    judge: str | None = None
    cache_days: int = DEFAULT_CACHE_DAYS
    cache_mb: int = DEFAULT_CACHE_MB
    record: RecordMode | None = None
    in_ci: bool = False
    baseline: Path | None = None
    history: Path | None = None
    save_baseline: Path | None = None
    changed: str | None = None
    generate: bool = False
    journal: bool = False
    revert: bool = False
    trace: bool = False
    batch: bool = False
    batch_poll_s: float | None = None


def _whole_number(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.strip().lstrip("-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of {least} or more, is {text!r}")
        return int(text)

    return read


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, is {text!r}")
    return value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, is {text!r}")
    return value


def _pause(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds, is {text!r}")
    return value


def _mode(text: str) -> str:
    if text not in MODES:
        raise argparse.ArgumentTypeError(f"unknown mode {text!r} ({did_you_mean(text, MODES)})")
    return text


def _kind(text: str) -> str:
    if text not in COLLECTABLE:
        raise argparse.ArgumentTypeError(f"unknown kind of file {text!r} ({did_you_mean(text, COLLECTABLE)})")
    return text


def _record_mode(text: str) -> str:
    if text not in RECORD_MODES:
        raise argparse.ArgumentTypeError(f"unknown mode {text!r} ({did_you_mean(text, RECORD_MODES)})")
    return text


def _dollars(text: str) -> float:
    try:
        value = float(text.strip().removeprefix("$"))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of dollars, 0 or more, is {text!r}")
    return value


def _report(text: str) -> str:
    if Path(text).suffix.lower() not in REPORTS:
        raise argparse.ArgumentTypeError(f"{text!r} must end in {' or '.join(REPORTS)}")
    return text


def _flag(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.strip().lower() not in known:
        raise argparse.ArgumentTypeError(f"must be true or false, is {text!r}")
    return known[text.strip().lower()]


@dataclass(frozen=True, slots=True)
class _Option:
    """A row of the table. `metavar` None means a flag; `bare` is the value of the option given without one."""

    name: str
    read: Callable[[str], object]
    help: str
    metavar: str | None = None
    repeatable: bool = False
    bare: str | None = None

    @property
    def key(self) -> str:
        return f"metaprompt_{self.name.replace('-', '_')}"


_TABLE = (
    _Option("mutate", _flag, "remove sentences of the routines one at a time, and list those that no case guards"),
    _Option("fix", _flag, "repair failing routines, prove the repair, and write it back"),
    _Option(
        "fix-mode",
        _mode,
        "what to do with a proved repair: apply (default), diff (print it), review (ask for each), patch (a file)",
        "MODE",
    ),
    _Option("patch", str, f"the file of mode patch ({DEFAULT_PATCH}); .md gives GitHub suggestions", "FILE"),
    _Option("generate", _flag, "write missing routines from their suite's source and objective, then evaluate"),
    _Option("target", str, "ask this model (provider:name) in place of every suite's target", "MODEL"),
    _Option("meta", str, "ask this model for repairs in place of every suite's meta", "MODEL"),
    _Option("judge", str, "ask this model for verdicts in place of every suite's judge", "MODEL"),
    _Option("concurrency", _whole_number(1), "calls under way at once, at most (default 16)", "N"),
    _Option("trace", _flag, "send OpenTelemetry spans of cases, repairs and calls, as OTEL_TRACES_EXPORTER says"),
    _Option("batch", _flag, "ask the targets through the provider's Batch API: half the price, up to a day"),
    _Option("batch-poll", _pause, "seconds between looks at a batch (default: from 5 to 60, growing)", "X"),
    _Option("repeat", _whole_number(1), "attempts per case in every suite", "N"),
    _Option("no-cache", _flag, "ask the models anew: neither use the cache nor write to it"),
    _Option("cache-days", _whole_number(1), "forget cached replies after so many days (default 14)", "N"),
    _Option("cache-mb", _whole_number(1), "let the cache grow to so many megabytes (default 256)", "N"),
    _Option(
        "record",
        _record_mode,
        "record calls in cassettes, or replay them: none (only replay), once, new_episodes or rewrite",
        "MODE",
    ),
    _Option("max-calls", _whole_number(0), "make at most so many model calls", "N"),
    _Option("max-tokens", _whole_number(0), "make no model call that could go beyond so many tokens", "N"),
    _Option("max-cost", _dollars, "make no model call that could go beyond so many dollars", "USD"),
    _Option("timeout", _seconds, "end the run of the cases after so long: what has no answer is an error", "SECONDS"),
    _Option("min-accuracy", _share, "a gate for every suite that has none", "X"),
    _Option("changed", str, "run only the suites that have changes against this revision (HEAD)", "BASE", bare="HEAD"),
    _Option("baseline", str, "compare each case with this committed baseline, beyond chance", "FILE"),
    _Option("save-baseline", str, "write what is true of every case now as a baseline", "FILE"),
    _Option(
        "report",
        _report,
        "write a report of the run (.json, .html or .md); may be given several times",
        "FILE",
        repeatable=True,
    ),
    _Option("history", str, "keep the counts of each suite in this file, in CI, too (.metaprompt/history.db)", "FILE"),
    _Option("seed", _whole_number(0), "seed of every random choice of a repair (default 0)", "N"),
    _Option("journal", _flag, "tell in words what past repairs tried, decided and wrote; runs no test"),
    _Option("revert", _flag, "take back the last repair that was written; runs no test"),
    _Option("allow-dirty", _flag, "overwrite a routine that has uncommitted changes in git"),
    _Option("exit-non-zero-on-fix", _flag, "exit with 1 after a repair was applied, even if all passes now"),
    _Option(
        "collect", _kind, "collect files of this kind wherever they stand; may be repeated", "KIND", repeatable=True
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Register every option and its ini key."""
    group = parser.getgroup("metaprompt", "prompt regression testing and repair")
    for option in _TABLE:
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
        parser.addini(option.key, help=option.help, type=_ini_type(option), default=None)


def _ini_type(option: _Option) -> IniType:
    """How pytest reads the ini key; before 8.4 it knew no numbers, and gave texts."""
    if option.repeatable or option.metavar is None:
        return "args" if option.repeatable else "bool"
    numbers: dict[str, IniType] = {"N": "int", "X": "float"} if pytest.version_tuple >= (8, 4) else {}
    return numbers.get(option.metavar, "string")


def read_options(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Options:
    """The options as given on the command line, else in the ini file.

    Raises:
        pytest.UsageError: An ini value cannot be read.
    """
    given = {option.name: _given(config, option) for option in _TABLE}
    ini = {option.name: _from_ini(config, option) for option in _TABLE}
    chosen = {name: ini[name] if given[name] is None else given[name] for name in given}
    fix, note = _wants_fix(given, ini, in_ci=bool(environ.get("CI")))
    folder = config.invocation_params.dir
    reports = cast("list[str]", chosen["report"] or [])
    return Options(
        fix=fix,
        mutate=bool(chosen["mutate"]),
        mode=_chosen_mode(given, chosen) if note is None else "diff",
        patch=_file(folder, chosen["patch"] or DEFAULT_PATCH),
        fix_note=note,
        target=cast("str | None", chosen["target"]),
        meta=cast("str | None", chosen["meta"]),
        concurrency=cast("int", chosen["concurrency"] or 16),
        repeat=cast("int | None", chosen["repeat"]),
        cache=not chosen["no-cache"],
        max_calls=cast("int | None", chosen["max-calls"]),
        max_tokens=cast("int | None", chosen["max-tokens"]),
        timeout_s=cast("float | None", chosen["timeout"]),
        max_cost_usd=cast("float | None", chosen["max-cost"]),
        min_accuracy=cast("float | None", chosen["min-accuracy"]),
        reports=tuple(dict.fromkeys(_file(folder, report) for report in reports)),
        history=_path(folder, chosen["history"]),
        seed=cast("int", chosen["seed"] or 0),
        allow_dirty=bool(chosen["allow-dirty"]),
        exit_non_zero_on_fix=bool(chosen["exit-non-zero-on-fix"]),
        collect=tuple(cast("list[str]", chosen["collect"] or [])),
        judge=cast("str | None", chosen["judge"]),
        cache_days=cast("int", chosen["cache-days"] or DEFAULT_CACHE_DAYS),
        cache_mb=cast("int", chosen["cache-mb"] or DEFAULT_CACHE_MB),
        record=cast("RecordMode | None", chosen["record"]),
        in_ci=bool(environ.get("CI")),
        baseline=_path(folder, chosen["baseline"]),
        save_baseline=_path(folder, chosen["save-baseline"]),
        changed=cast("str | None", chosen["changed"]),
        # As with repairs: in CI nothing is written unless the command line says so.
        generate=bool(given["generate"] or (ini["generate"] and not environ.get("CI"))),
        journal=bool(given["journal"]),
        revert=bool(given["revert"]),
        trace=bool(chosen["trace"]),
        batch=bool(chosen["batch"]),
        batch_poll_s=cast("float | None", chosen["batch-poll"]),
    )


def _path(folder: Path, given: object) -> Path | None:
    return _file(folder, given) if given else None


def _file(folder: Path, given: object) -> Path:
    """A file as pytest reads its own options for files: `~` and variables are known to no shell after `=`."""
    return folder / Path(os.path.expandvars(str(given))).expanduser()


def refuse_xdist(config: pytest.Config, options: Options) -> None:
    """Refuse what only a session without worker processes can do.

    Raises:
        pytest.UsageError: A batch is asked for under pytest-xdist.
    """
    if config.getoption("numprocesses", None) and options.batch:
        raise pytest.UsageError(
            "--metaprompt-batch does not work under pytest-xdist: add -n 0 (a batch needs no workers)"
        )


def _chosen_mode(given: Mapping[str, object], chosen: Mapping[str, object]) -> Mode:
    """The mode; a patch file that is named without a mode says which one is meant."""
    if given["patch"] and not given["fix-mode"]:
        return "patch"
    return cast("Mode", chosen["fix-mode"] or "apply")


def _wants_fix(given: Mapping[str, object], ini: Mapping[str, object], *, in_ci: bool) -> tuple[bool, str | None]:
    """Whether to repair, and why only to show it. In CI nothing is written unless the command line says so."""
    if given["fix"]:
        return True, None
    wanted = bool(ini["fix"]) or given["fix-mode"] is not None or given["patch"] is not None
    writes = (given["fix-mode"] or ("patch" if given["patch"] else None) or ini["fix-mode"] or "apply") == "apply"
    if wanted and in_ci and writes:
        return True, "CI is set and --metaprompt-fix is not on the command line, so repairs are shown and not written"
    return wanted, None


def _given(config: pytest.Config, option: _Option) -> object:
    """The command line's value; None where it says nothing."""
    value: object = config.getoption(option.key)
    return value or None if option.metavar is None or option.repeatable else value


def _from_ini(config: pytest.Config, option: _Option) -> object:
    value: object = config.getini(option.key)
    texts = value if isinstance(value, list) else [value]
    try:
        read = [option.read(str(text)) for text in texts if text not in (None, "")]
    except argparse.ArgumentTypeError as error:
        raise pytest.UsageError(f"{config.inipath}: {option.key}: {error}") from None
    return read if option.repeatable else (read[0] if read else None)
