"""The assertions of a test for one reply: their templates rendered with the test's vars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.nunjucks import NunjucksError, render_nunjucks
from pytest_metaprompt.suites import Assertion, Json


def rendered_check(assertion: Assertion, values: Mapping[str, Json]) -> Assertion:
    """The assertion with texts rendered: its value, the texts in a list, its metric. An unchanged one is the same.

    Raises:
        NunjucksError: A text is no template.
    """
    value = _value(assertion.value, values)
    metric = _metric(assertion.metric, values)
    children = tuple(rendered_check(child, values) for child in assertion.children)
    same = value == assertion.value and metric == assertion.metric
    if same and all(new is old for new, old in zip(children, assertion.children, strict=True)):
        return assertion
    return replace(assertion, value=value, metric=metric, children=children)


def _value(value: Json, values: Mapping[str, Json]) -> Json:
    if isinstance(value, str):
        return value if value.startswith(FILE_PREFIX) else render_nunjucks(value, values)
    if isinstance(value, list):
        return [_value(item, values) if isinstance(item, str) else item for item in value]
    return value


def _metric(metric: str | None, values: Mapping[str, Json]) -> str | None:
    if not metric:
        return None
    try:
        return render_nunjucks(metric, values)
    except NunjucksError:
        return metric
