"""A test on top of what holds for all tests: `defaultTest`, and the rows of a scenario."""

from __future__ import annotations

from dataclasses import replace

from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.promptfoo.document import Fields

_FALL_BACK = ("threshold", "prompts", "provider", "providers", "providerOutput", "assertScoringFunction")
_MERGED = ("vars", "options", "metadata")


def merged(base: Fields, test: Fields) -> Fields:
    """The test with the base's assertions before its own, its mappings over the base's, and the rest as it says.

    With `options.disableDefaultAsserts` the base's assertions stay away.
    """
    entries = {key: base.entries[key] for key in _FALL_BACK if key in base.entries} | dict(test.entries)
    for key in _MERGED:
        lower, upper = base.entries.get(key), test.entries.get(key)
        if lower is not None and upper is not None:
            entries[key] = _over(lower, upper)
        elif lower is not None:
            entries[key] = lower
    if not test.fields("options").flag("disableDefaultAsserts"):
        checks = (*base.nodes("assert"), *test.nodes("assert"))
        if checks:
            entries["assert"] = Marked(checks, test.where.line or 1)
    return replace(test, entries=entries)


def _over(lower: Marked, upper: Marked) -> Marked:
    if not isinstance(lower.value, dict) or not isinstance(upper.value, dict):
        return upper
    return Marked(lower.value | upper.value, upper.line)
