"""Figures as people read them, the same in every report and on the terminal."""

from __future__ import annotations


def dollars(cost_usd: float) -> str:
    """A cost, with digits enough to see a small one."""
    return f"${cost_usd:.4g}" if cost_usd < 1 else f"${cost_usd:.2f}"


def cost_words(cost_usd: float | None) -> str:
    """Dollars in words."""
    if cost_usd is None:
        return "cost not known"
    return "no cost" if cost_usd == 0 else dollars(cost_usd)


def calls_words(target: int, meta: int, judge: int = 0, customer: int = 0) -> str:
    """The calls of a repair by who was asked; judges and customers only where there were any."""
    others = "".join(f", {count} {role}" for role, count in (("judge", judge), ("customer", customer)) if count)
    return f"{target} target, {meta} meta{others}"


def duration(seconds: float) -> str:
    """A time: seconds with a digit under ten, then whole ones, then minutes and hours."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def interval(value: float, low: float, high: float) -> str:
    """A share with its interval."""
    return f"{value:.2f} ({low:.2f}-{high:.2f})"
