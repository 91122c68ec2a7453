"""Accuracy over calls or over runs as a plot, drawn by pygal (extra `html`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_metaprompt.errors import SetupError

if TYPE_CHECKING:
    from pygal.style import Style

_LINE, _BAND = "#3b82f6", "#8fb4e8"


@dataclass(frozen=True, slots=True)
class PlotPoint:
    """An accuracy with its interval, in 0..1, at a place on the x axis."""

    x: float
    value: float
    low: float
    high: float
    label: str


def accuracy_plot(points: Sequence[PlotPoint], *, x_title: str) -> str:
    """The points as an SVG element without scripts, its colours from the page's `--ink` and `--line`.

    Raises:
        SetupError: pygal is not installed.
    """
    try:
        import pygal
    except ImportError:
        raise SetupError("plots need pygal", hint='type: pip install "pytest-metaprompt[html]"') from None
    chart = pygal.XY(
        style=_style(),
        js=[],
        show_legend=False,
        width=720,
        height=240,
        range=(0, 1),
        y_labels=[0, 0.25, 0.5, 0.75, 1],
        y_labels_major=[],
        x_title=x_title,
        y_title="accuracy",
    )
    chart.add("accuracy", [{"value": (one.x, one.value), "label": one.label} for one in points])
    for name in ("low", "high"):
        dashed = {"width": 1, "dasharray": "4, 4"}
        chart.add(name, [(one.x, getattr(one, name)) for one in points], show_dots=False, stroke_style=dashed)
    # pygal adds a script that configures its tooltips; a report runs none but its own.
    return re.sub(
        r"<script.*?</script>", "", chart.render(is_unicode=True, disable_xml_declaration=True), flags=re.DOTALL
    )


def _style() -> Style:
    from pygal.style import Style

    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--line)",
        colors=(_LINE, _BAND, _BAND),
        font_family="inherit",
        label_font_size=12,
        major_label_font_size=12,
        title_font_size=12,
    )
