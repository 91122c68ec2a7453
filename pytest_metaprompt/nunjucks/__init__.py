"""Templates of Nunjucks, the language of promptfoo's prompts, on Jinja's sandbox.

The two languages are nearly one. What differs is how JavaScript treats values (see `js_values`): what prints, what is
true, what `==` and `+` mean, what `.length` and negative indexes give. Nothing but the values can be reached.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.suites import Json

if TYPE_CHECKING:
    from jinja2 import Template

_HALF_OPEN = re.compile(r"\{%[^%]*$|\{\{[^}]*$|\{#[^#]*$", re.MULTILINE)
_RAW, _END_RAW = re.compile(r"\{%\s*raw\s*%\}"), re.compile(r"\{%\s*endraw\s*%\}")
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_SHOWN = re.compile(r"\{\{\s*([^{}\s|]+)\s*(?:\|[^}]+)?\}\}")
_ASKED = re.compile(r"\{%\s*(?:if|for)\s+([^{}\s]+).*?%\}")
_LOOP = re.compile(r"\{%\s*for\s+(\w+)\s+in\s+(\w+)\s*%\}")
_ROOT = re.compile(r"[A-Za-z_]\w*")
# Jinja turns every line end into "\n"; a carriage return is kept by another name.
_RETURN = "\ue00d"
SELF = "self__"
"""What `self` is called, by which Jinja means the template."""


class NunjucksError(MetapromptError):
    """A template cannot be rendered."""


def render_nunjucks(template: str, values: Mapping[str, Json]) -> str:
    """The template with the values in it. A name without a value prints nothing.

    Raises:
        NunjucksError: The template is not one, or uses what Nunjucks has not.
    """
    if "{" not in template:
        return template
    from jinja2 import TemplateError

    given = {(SELF if name == "self" else name): value for name, value in values.items()}
    try:
        return _compiled(template.replace("\r", _RETURN)).render(given).replace(_RETURN, "\r")
    except TemplateError as error:
        raise NunjucksError(f"the template cannot be rendered: {error.message or error}") from None
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise NunjucksError(f"the template cannot be rendered: {error}") from None


def render_leniently(template: str, values: Mapping[str, Json]) -> str:
    """The same, where a text with an unclosed `{{`, `{%` or `{#` in one of its lines is no template, and stays."""
    wrapped = _RAW.search(template) and _END_RAW.search(template)
    return template if _HALF_OPEN.search(template) and not wrapped else render_nunjucks(template, values)


def names_unknown(template: str, values: Mapping[str, Json]) -> bool:
    """Whether a text, read as a template, shows or asks for a name that has no value. `env` always has one."""
    text = _COMMENT.sub("", template)
    names = set(_SHOWN.findall(text)) | set(_ASKED.findall(text))
    for item, listed in _LOOP.findall(text):
        names = (names - {item}) | {listed}
    roots = {match[0] for name in names if (match := _ROOT.match(name))}
    return any(root not in values for root in roots - {"env"})


def shows_name(template: str, name: str) -> bool:
    """Whether a template uses a name anywhere in its code."""
    return re.search(rf"\{{[{{%][^}}]*\b{re.escape(name)}\b", template) is not None


@lru_cache(maxsize=4096)
def _compiled(template: str) -> Template:
    from pytest_metaprompt.nunjucks.environment import ENVIRONMENT

    return ENVIRONMENT.from_string(template)
