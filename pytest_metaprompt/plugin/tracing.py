"""Spans of cases, repairs and calls, for those who look at their runs in a tracing backend."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Attempt
from pytest_metaprompt.suites import Case, ModelSpec, Suite

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from pytest_metaprompt.repair.outcome import Found

CONTENTS = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
EXPORTERS = "OTEL_TRACES_EXPORTER"
_WITH_CONTENTS = ("true", "1", "span_only", "span_and_event")


class Tracing:
    """The spans of a session. `close` sends what is still to be sent."""

    def __init__(self, tracer: Tracer, *, contents: bool, close: Callable[[], object] = lambda: None) -> None:
        self.close = close
        self._tracer = tracer
        self._contents = contents

    def client(self, inner: Client, *, embeds: bool) -> Client:
        """The client with a span for each call."""
        from pytest_metaprompt.clients.traced import TracedClient

        operation = "embeddings" if embeds else "chat"
        return TracedClient(inner, self._tracer, find_url=_server_url, contents=self._contents, operation=operation)

    @contextmanager
    def attempt(self, suite: Suite, case: Case, sample: int) -> Generator[Callable[[Attempt], None]]:
        """A span for one attempt at a case; calls made inside are its children."""
        attributes: dict[str, str | int] = {
            "test.suite.name": suite.path.name,
            "test.case.name": case.id,
            "metaprompt.suite": str(suite.path),
            "metaprompt.attempt": sample + 1,
        }
        with self._root(f"case {case.id}", attributes) as span:
            yield lambda attempt: self._tell(span, attempt)

    async def repair(self, routine: str, work: Coroutine[object, object, Found]) -> Found:
        """What the work gives; all that it does is in one span."""
        with self._root(f"repair {routine}", {"metaprompt.routine": routine}) as span:
            found = await work
            outcome = found.outcome
            span.set_attributes(
                {
                    "metaprompt.status": outcome.status,
                    "metaprompt.fixed": len(outcome.fixed),
                    "metaprompt.broken": len(outcome.broken),
                    "metaprompt.proposals": len(outcome.proposals),
                }
            )
            return found

    @contextmanager
    def _root(self, name: str, attributes: Mapping[str, str | int]) -> Generator[Span]:
        """A span of its own inside of a repair's, else without a parent: what runs here belongs to no single test."""
        from opentelemetry.context import Context
        from opentelemetry.trace import Status, StatusCode, get_current_span

        inside = getattr(get_current_span(), "name", "").startswith("repair ")
        with self._tracer.start_as_current_span(
            name, context=None if inside else Context(), attributes=attributes, record_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def _tell(self, span: Span, attempt: Attempt) -> None:
        from opentelemetry.trace import Status, StatusCode

        outcome = _outcome(attempt)
        span.set_attribute("metaprompt.outcome", outcome)
        if outcome in ("passed", "failed"):
            span.set_attribute("test.case.result.status", "pass" if outcome == "passed" else "fail")
        if outcome == "error":
            span.set_attribute("error.type", "error")
            span.set_status(Status(StatusCode.ERROR))
        for verdict in attempt.verdicts:
            told: dict[str, str | float] = {
                "gen_ai.evaluation.name": verdict.type,
                "gen_ai.evaluation.score.value": verdict.score,
                "gen_ai.evaluation.score.label": "pass" if verdict.passed else "fail",
            }
            if self._contents:
                told["gen_ai.evaluation.explanation"] = verdict.reason
            span.add_event("gen_ai.evaluation.result", told)


def _outcome(attempt: Attempt) -> str:
    if attempt.skipped is not None:
        return "skipped"
    if attempt.error is not None:
        return "error"
    return "passed" if attempt.passed else "failed"


def refuse_without_package(environ: Mapping[str, str] = os.environ) -> None:
    """Say what to install where spans are asked for and cannot be made.

    Raises:
        pytest.UsageError: OpenTelemetry, or an exporter, is missing.
    """
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise pytest.UsageError('--metaprompt-trace needs OpenTelemetry: pip install "pytest-metaprompt[otel]"')
    for name in _exporter_names(environ):
        _find_exporter(name)


def open_tracing(options: Options, environ: Mapping[str, str] = os.environ) -> Tracing | None:
    """The spans of a session: with a tracer provider that the project has set up, or, if they are asked for, with the
    exporters that `OTEL_TRACES_EXPORTER` names (`otlp`). None where neither is so; nothing is imported then.
    """
    contents = environ.get(CONTENTS, "").strip().lower() in _WITH_CONTENTS
    if _is_set_up():
        from opentelemetry.trace import get_tracer

        return Tracing(get_tracer("pytest_metaprompt"), contents=contents)
    return _own(environ, contents) if options.trace else None


def _is_set_up() -> bool:
    """Whether the project has set a tracer provider; one that makes no spans is none."""
    module = sys.modules.get("opentelemetry.trace")
    if module is None:
        return False
    provider = module.get_tracer_provider()
    return not isinstance(provider, module.ProxyTracerProvider | module.NoOpTracerProvider)


def _own(environ: Mapping[str, str], contents: bool) -> Tracing:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    for name in _exporter_names(environ):
        provider.add_span_processor(BatchSpanProcessor(_find_exporter(name).load()()))
    return Tracing(provider.get_tracer("pytest_metaprompt"), contents=contents, close=provider.shutdown)


def _exporter_names(environ: Mapping[str, str]) -> list[str]:
    names = [name.strip() for name in (environ.get(EXPORTERS) or "otlp").split(",")]
    return [name for name in names if name not in ("", "none")]


def _find_exporter(name: str) -> EntryPoint:
    found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not found:
        known = ", ".join(sorted(entry.name for entry in entry_points(group="opentelemetry_traces_exporter")))
        hint = "pip install opentelemetry-exporter-otlp" if name == "otlp" else f"installed: {known}"
        raise pytest.UsageError(f"--metaprompt-trace: no exporter {name!r} is installed ({hint}; {EXPORTERS} names it)")
    return found[0]


def _server_url(spec: ModelSpec) -> str | None:
    from pytest_metaprompt.clients.address import SERVED, server_url

    return server_url(spec, os.environ) if spec.provider in SERVED else None
