"""What the user asked for, from the command line and the ini file."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_metaprompt.plugin.option_table import (
    DEFAULT_CACHE_DAYS,
    DEFAULT_CACHE_MB,
    DEFAULT_PATCH,
    TABLE,
    WITH_A_MEANING,
    Mode,
    Option,
    file_named,
)

if TYPE_CHECKING:
    from pytest_metaprompt.clients.cassette import RecordMode


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


def read_options(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Options:
    """The options as given on the command line, else in the ini file.

    Raises:
        pytest.UsageError: An ini value cannot be read.
    """
    given = {option.name: _given(config, option) for option in TABLE}
    ini = {option.name: _from_ini(config, option) for option in TABLE}
    chosen = {name: ini[name] if given[name] is None else given[name] for name in given}
    of_addopts = [name for name in ("fix", "generate") if given[name] and not _was_typed(config, name, environ)]
    given |= dict.fromkeys(of_addopts)
    ini |= dict.fromkeys(of_addopts, True)
    folder = config.invocation_params.dir
    in_ci = bool(environ.get("CI"))
    fix, note = _wants_fix(given, ini, in_ci=in_ci)
    plain: dict[str, Any] = {
        option.field or option.name.replace("-", "_"): value
        for option in TABLE
        if option.name not in WITH_A_MEANING and (value := option.value(chosen[option.name], folder)) is not None
    }
    return Options(
        **plain,
        fix=fix,
        fix_note=note,
        mode=_chosen_mode(given, chosen) if note is None else "diff",
        patch=file_named(chosen["patch"] or DEFAULT_PATCH, folder),
        cache=not chosen["no-cache"],
        in_ci=in_ci,
        # As with repairs: in CI nothing is written unless the command line says so.
        generate=bool(given["generate"] or (ini["generate"] and not in_ci)),
        journal=bool(given["journal"]),
        revert=bool(given["revert"]),
    )


def refuse_xdist(config: pytest.Config, options: Options) -> None:
    """Refuse what only a session without worker processes can do.

    Raises:
        pytest.UsageError: A batch is asked for under pytest-xdist.
    """
    distributed = config.getoption("dist", "no") != "no" and config.getoption("tx", None)
    if distributed and options.batch:
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
    mode = given["fix-mode"] or ("patch" if given["patch"] else None) or ini["fix-mode"] or "apply"
    if wanted and in_ci and mode in ("apply", "review"):
        return True, "CI is set and --metaprompt-fix is not on the command line, so repairs are shown and not written"
    return wanted, None


def _was_typed(config: pytest.Config, name: str, environ: Mapping[str, str]) -> bool:
    """Whether a flag stands on the command line, or in what the shell adds to it, and not in an ini file's addopts."""
    typed = [*config.invocation_params.args, *shlex.split(environ.get("PYTEST_ADDOPTS", ""))]
    return f"--metaprompt-{name}" in typed


def _given(config: pytest.Config, option: Option) -> object:
    """The command line's value; None where it says nothing."""
    value: object = config.getoption(option.key)
    return value or None if option.metavar is None or option.repeatable else value


def _from_ini(config: pytest.Config, option: Option) -> object:
    value = _ini_value(config, option)
    texts = value if isinstance(value, list) else [value]
    try:
        read = [option.read(str(text)) for text in texts if text not in (None, "")]
    except argparse.ArgumentTypeError as error:
        raise pytest.UsageError(f"{config.inipath}: {option.key}: {error}") from None
    if option.metavar == "FILE":  # A file's paths start at the file, wherever pytest is called.
        read = [str(config.rootpath / str(path)) for path in read]
    return read if option.repeatable else (read[0] if read else None)


def _ini_value(config: pytest.Config, option: Option) -> object:
    try:
        value: object = config.getini(option.key)
    except (pytest.UsageError, TypeError, ValueError) as error:  # before pytest 9.1 as Python raises it
        if option.key in str(error):
            raise pytest.UsageError(str(error)) from None
        must = f"{option.key} must be {option.ini_words}"
        raise pytest.UsageError(f"{config.inipath}: {must} ({error})") from None
    return value
