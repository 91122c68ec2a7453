"""From a suite file to a suite that can run: read, overridden by options, its routine opened, every case rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pytest_metaprompt.clients.models import EMBEDDERS, EMBEDDERS_HINT, parse_model
from pytest_metaprompt.conversations import check_simulation
from pytest_metaprompt.errors import MetapromptError, Place, SkippedError, SuiteFileError
from pytest_metaprompt.formats.native import read_suite
from pytest_metaprompt.formats.problems import shown_path
from pytest_metaprompt.plugin.grading import graders_of
from pytest_metaprompt.plugin.kinds import Kind
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.plugin.session import LoadedSuite
from pytest_metaprompt.protocols import Graders
from pytest_metaprompt.routines import Routine, open_routine, render
from pytest_metaprompt.scorers import check, open_scorer
from pytest_metaprompt.suites import Case, GateSettings, ModelSpec, Suite


def load_suites(path: Path, kind: Kind, *, root: Path, options: Options) -> tuple[LoadedSuite, ...]:
    """The suites in a file, ready to run.

    Raises:
        SuiteFileError: With everything that is wrong in the file, its routines or its cases.
    """
    suites = _READERS[kind](path, root)
    return tuple(_ready(overridden(suite, options), root=root) for suite in suites)


def _read_native(path: Path, root: Path) -> tuple[Suite, ...]:
    return (read_suite(path, root=root, parse_model=parse_model, check_assertion=check),)


def _read_github(path: Path, root: Path) -> tuple[Suite, ...]:
    from pytest_metaprompt.formats.github import read_github

    return (read_github(path, root=root, parse_model=parse_model, check_assertion=check),)


def _read_promptfoo(path: Path, root: Path) -> tuple[Suite, ...]:
    from pytest_metaprompt.formats.promptfoo.config import read_config

    return read_config(path, root=root)


_READERS: Mapping[Kind, Callable[[Path, Path], tuple[Suite, ...]]] = {
    "native": _read_native,
    "github": _read_github,
    "promptfoo": _read_promptfoo,
}


def _ready(suite: Suite, *, root: Path) -> LoadedSuite:
    name = shown_path(suite.path, root)
    name = f"{name}::{suite.part}" if suite.part else name
    routine = open_routine(suite.routine, root=root)
    problems = [*_model_problems(suite, name), *_case_problems(suite, routine)]
    if problems:
        raise SuiteFileError(problems)
    return LoadedSuite(name, suite, routine)


def overridden(suite: Suite, options: Options) -> Suite:
    """The suite as the options want it. A model from an option takes over the suite's parameters for that role."""
    gate = suite.gate
    if gate is None and options.min_accuracy is not None:
        gate = GateSettings(min_accuracy=options.min_accuracy)
    target = _model(options.target, suite.target)
    return replace(
        suite,
        gate=gate,
        repeat=options.repeat or suite.repeat,
        target=target,
        replaced=None if target == suite.target else suite.target,
        meta=_model(options.meta, suite.meta),
        judge=_model(options.judge, suite.judge),
    )


def _model(override: str | None, old: ModelSpec | None) -> ModelSpec | None:
    if override is None:
        return old
    new = parse_model(override)
    if old is None:
        return new
    same_server = old.provider == new.provider
    return replace(
        new,
        params=old.params,
        base_url=old.base_url if same_server else None,
        api_key_env=old.api_key_env if same_server else None,
    )


def _model_problems(suite: Suite, name: str) -> Iterator[MetapromptError]:
    if suite.target is None:
        yield MetapromptError(
            "the suite names no target", where=Place(name, 1), hint="add target: to it, or pass --metaprompt-target"
        )
    if suite.embedding is not None and suite.embedding.provider not in EMBEDDERS:
        yield MetapromptError(f"{suite.embedding} gives no embeddings", where=Place(name, 1), hint=EMBEDDERS_HINT)


def _case_problems(suite: Suite, routine: Routine) -> Iterator[MetapromptError]:
    if suite.column is not None:
        return  # What cannot work in a test of promptfoo is an error of that test, as it is there.
    graders = graders_of(suite)
    for case in suite.cases:
        try:
            _try_case(suite, case, routine, graders)
        except MetapromptError as error:
            yield error


def _try_case(suite: Suite, case: Case, routine: Routine, graders: Graders) -> None:
    render(routine, case)
    if case.simulation is not None:
        check_simulation(case.simulation, suite.target)
    for assertion in case.assertions:
        with suppress(SkippedError):  # the case says so when its turn comes
            open_scorer(assertion, base=suite.path.parent, graders=graders)
