"""What differs between two JSON values, path by path.

`json_values.same` decides, and deepdiff finds the places. On its own deepdiff takes True for 1, skips keys that begin
with `__`, rounds numbers to 12 digits and cannot combine a tolerance with lists in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from pytest_metaprompt.scorers.excerpts import excerpt_json
from pytest_metaprompt.scorers.json_paths import Step, show_path
from pytest_metaprompt.scorers.json_values import STRICT, Plain, Rules, partners, same

if TYPE_CHECKING:
    from deepdiff.model import DiffLevel


class Absence(Enum):
    """Stands where the other side has a value and this one has none."""

    ABSENT = "absent"


ABSENT = Absence.ABSENT


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the values differ; a side without a value there is ABSENT."""

    path: tuple[Step, ...]
    expected: object
    actual: object

    def __str__(self) -> str:
        lead = f"{show_path(self.path)}: " if self.path else ""
        if self.actual is ABSENT:
            return f"{lead}missing"
        if self.expected is ABSENT:
            return f"{lead}not expected"
        return f"{lead}expected {excerpt_json(self.expected)}, got {excerpt_json(self.actual)}"


def differences(expected: Plain, actual: Plain, rules: Rules = STRICT) -> tuple[Difference, ...]:
    """The places where the values differ, in the order of their paths; empty exactly if they are the same."""
    if same(expected, actual, rules):
        return ()
    from deepdiff import DeepDiff

    tree = DeepDiff(
        expected,
        _in_order_of(expected, actual, rules),
        view="tree",
        zip_ordered_iterables=True,
        ignore_private_variables=False,
        threshold_to_diff_deeper=0,
        custom_operators=[_SkipWhatIsTheSame(rules)],
    )
    found = [_difference(level) for levels in tree.values() for level in levels]
    return tuple(sorted(found, key=lambda difference: [_order(step) for step in difference.path]))


@dataclass(frozen=True, slots=True)
class _SkipWhatIsTheSame:
    """Tells deepdiff what counts as the same. Lists are in order by then."""

    rules: Rules

    def match(self, level: DiffLevel) -> bool:
        return True

    def give_up_diffing(self, level: DiffLevel, diff_instance: object) -> bool:
        scalars = not isinstance(level.t1, dict | list)
        return scalars and level.t2 is not ABSENT and same(level.t1, level.t2, self.rules)


def _in_order_of(expected: Plain, actual: Plain, rules: Rules) -> object:
    """`actual` with the items of lists beside their partners in `expected`; ABSENT stands beside one that has none."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {
            key: _in_order_of(expected[key], item, rules) if key in expected else item for key, item in actual.items()
        }
    if not isinstance(expected, list) or not isinstance(actual, list):
        return actual
    partner = partners(expected, actual, rules)
    spare = [place for place in range(len(actual)) if place not in set(partner.values())]
    for place in range(len(expected)):
        if place not in partner and spare:
            partner[place] = spare.pop(0)
    beside = [
        _in_order_of(item, actual[partner[place]], rules) if place in partner else ABSENT
        for place, item in enumerate(expected)
    ]
    return [*beside, *(actual[place] for place in spare)]


def _difference(level: DiffLevel) -> Difference:
    from deepdiff.helper import notpresent

    expected = ABSENT if level.t1 is notpresent else level.t1
    actual = ABSENT if level.t2 is notpresent else level.t2
    return Difference(_path(level), expected, actual)


def _path(level: DiffLevel) -> tuple[Step, ...]:
    # Not level.path(): it escapes line breaks and backslashes in keys.
    steps: list[Step] = []
    above = level.up
    while above is not None:
        link = above.t1_child_rel or above.t2_child_rel
        steps.extend(() if link is None or link.param is None else (link.param,))
        above = above.up
    return tuple(reversed(steps))


def _order(step: Step) -> tuple[bool, int, str]:
    return (False, step, "") if isinstance(step, int) else (True, 0, step)
