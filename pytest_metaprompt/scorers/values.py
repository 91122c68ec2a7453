"""An assertion's `value` and settings, read narrowly: the right type, or an error that says what to write."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace

from pytest_metaprompt.errors import MetapromptError, did_you_mean
from pytest_metaprompt.js_values import number_text
from pytest_metaprompt.suites import Assertion, Json

_VACUOUS = "every reply would reach it"


def problem(assertion: Assertion, message: str, *, hint: str | None = None) -> MetapromptError:
    """The error for an assertion that cannot work, with its place and type."""
    return MetapromptError(f"{assertion.type}: {message}", where=assertion.where, hint=hint)


def read_text_value(assertion: Assertion) -> str:
    """The value as a text that is not empty; a number stands for its digits.

    Raises:
        MetapromptError: The value is missing, empty, or neither a text nor a number.
    """
    value = assertion.value
    if value is None:
        raise problem(assertion, "value is missing", hint="add  value: ...")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise problem(assertion, f"value must be a text, not {kind_of(value)}", hint=_text_hint(value))
    text = as_javascript(value)
    if not text:
        raise problem(assertion, "value is empty, so it would hold for every reply", hint="write the text to look for")
    return text


def refuse_value(assertion: Assertion) -> None:
    """Returns if there is no value; promptfoo ignores one, so its dialect does."""
    if assertion.value is not None and assertion.dialect == "native":
        raise problem(assertion, "it takes no value", hint="leave value out")


def read_one_or_more(assertion: Assertion) -> tuple[str, ...]:
    """The value as texts, none of them blank: one, or a list of them.

    Raises:
        MetapromptError: The value is missing, or not that.
    """
    value = assertion.value
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (read_text_value(assertion),)
    texts = tuple(item for item in value if isinstance(item, str) and item.strip())
    if not texts or len(texts) != len(value):
        raise problem(assertion, "value must be a text or a list of texts, none of them empty")
    return texts


def read_text_values(assertion: Assertion) -> tuple[str, ...]:
    """The value as texts, none of them empty: a list, or one text with commas between, as a line of a CSV file is.

    Raises:
        MetapromptError: The value is missing, or not that, or holds no text at all.
    """
    value = assertion.value
    if isinstance(value, str):
        # One line of CSV: quotes hold a comma in, and the space after a comma does not count.
        value = [cell.strip() for row in csv.reader([value], skipinitialspace=True) for cell in row]
    if not isinstance(value, Sequence):
        raise problem(assertion, "value must be a list of texts, or one text with commas", hint="write  value: [a, b]")
    if not value:
        raise problem(assertion, "value is empty", hint="write the texts to look for")
    return tuple(read_text_value(replace(assertion, value=item)) for item in value)


def read_threshold(assertion: Assertion, *, default: float | None, least: float = 0.0) -> float:
    """The threshold, finite and not negative; `least` itself is refused, because every reply would reach it.

    In promptfoo's dialect any number is taken, as it is there.
    """
    threshold = assertion.threshold if assertion.threshold is not None else default
    if threshold is None:
        raise problem(assertion, "threshold is missing", hint="add  threshold: ...")
    if assertion.dialect == "native" and not least < threshold < math.inf:
        raise problem(assertion, f"threshold must be a number above {least:g}, not {threshold:g}", hint=_VACUOUS)
    return threshold


def read_limit(assertion: Assertion, *, default: float | None = None) -> float:
    """The threshold as the most that is allowed: a finite number from 0 on."""
    limit = assertion.threshold if assertion.threshold is not None else default
    if limit is None:
        raise problem(assertion, "threshold is missing", hint="add  threshold: ...  with the most that is allowed")
    if not 0 <= limit < math.inf:
        raise problem(assertion, f"threshold must be a number from 0 on, not {limit:g}")
    return limit


def read_number(assertion: Assertion, key: str, *, default: float) -> float:
    """The setting as a finite number that is not negative."""
    value = assertion.settings.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise problem(assertion, f"{key} must be a number, not {kind_of(value)}")
    if not 0 <= value < math.inf:
        raise problem(assertion, f"{key} must be a number from 0 on, not {value}")
    return value


def read_flag(assertion: Assertion, key: str) -> bool:
    """The setting as true or false; false where it is not set."""
    value = assertion.settings.get(key, False)
    if not isinstance(value, bool):
        raise problem(assertion, f"{key} must be true or false, not {kind_of(value)}")
    return value


def read_choice(assertion: Assertion, key: str, choices: Sequence[str]) -> str:
    """The setting as one of the choices, of which the first is the default."""
    value = assertion.settings.get(key, choices[0])
    if not isinstance(value, str) or value not in choices:
        raise problem(assertion, f"unknown {key} {value!r}", hint=did_you_mean(str(value), choices))
    return value


def read_texts(assertion: Assertion, key: str) -> tuple[str, ...]:
    """The setting as a list of texts; empty where it is not set."""
    value = assertion.settings.get(key, ())
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise problem(assertion, f"{key} must be a list, not {kind_of(value)}", hint=f"write  {key}: [...]")
    texts = tuple(item for item in value if isinstance(item, str))
    if len(texts) != len(value):
        raise problem(assertion, f"{key} must hold texts only")
    return texts


def as_javascript(value: bool | int | float | str | None) -> str:
    """The value as JavaScript's `String(value)` writes it: 1.0 is `1`, true is `true`, None is `null`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, float) else str(value)


def kind_of(value: Json) -> str:
    """What the value is, in words for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the truth value {as_javascript(value)}"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, Sequence) else "a mapping"


def _text_hint(value: Json) -> str | None:
    if isinstance(value, bool):
        return f'to look for the word, quote it: "{as_javascript(value)}"'
    return "write one assertion for each" if isinstance(value, Sequence) else None
