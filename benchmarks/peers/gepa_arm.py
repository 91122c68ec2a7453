"""GEPA as an arm: by default; shown every failure and 8 passing anchors at once; so, and always from the best."""

from __future__ import annotations

from typing import Any

import gepa
from gepa.adapters.default_adapter.default_adapter import DefaultAdapter, EvaluationResult
from link import Link

ANCHORS = 8


class Watcher:
    """Hands in each program that GEPA finds to be its best."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def on_valset_evaluated(self, event: dict[str, Any]) -> None:
        """A whole evaluation is finished."""
        if event["is_best_program"]:
            self._link.holds(event["candidate"]["system"])


class Quiet:
    def log(self, message: str) -> None:
        """Says nothing."""


def feedback(link: Link, data: dict[str, Any], response: str) -> EvaluationResult:
    """The same verdict that the other arms get, with GEPA's own words around it."""
    passed = link.judge(data["input"], response)
    words = "The response is correct." if passed else f"The response is wrong. Expected: {data['answer']!r}"
    return EvaluationResult(score=float(passed), feedback=words, objective_scores=None)


def main() -> None:
    """One run, as ordered."""
    link = Link()
    order = link.order
    rows = [{"input": one["text"], "answer": one["answer"], "additional_context": {}} for one in order["train"]]
    known: dict[str, str] = {}

    def target(messages: list[dict[str, str]]) -> str:
        # The test run has asked the first routine before: nothing is asked twice, here as in ours.
        question = messages[-1]["content"]
        if messages[0]["content"] == order["base"]["system"] and question in known:
            return known.pop(question)
        return link.ask([dict(message) for message in messages])

    settings: dict[str, Any] = {"trainset": rows}
    if order["arm"] != "gepa":
        for row in rows:
            known[row["input"]] = link.ask(
                [{"role": "system", "content": order["base"]["system"]}, {"role": "user", "content": row["input"]}]
            )
        verdicts = [(row, link.judge(row["input"], known[row["input"]])) for row in rows]
        failing = [row for row, passed in verdicts if not passed]
        shown = failing + [row for row, passed in verdicts if passed][:ANCHORS]
        settings = {"trainset": shown, "valset": rows, "reflection_minibatch_size": len(shown)}
    if order["arm"] == "gepa-greedy":
        settings["candidate_selection_strategy"] = "current_best"
    gepa.optimize(
        seed_candidate={"system": order["base"]["system"]},
        adapter=DefaultAdapter(target, lambda data, response: feedback(link, data, response)),
        reflection_lm=lambda prompt: link.advise(str(prompt))[0],
        max_metric_calls=order["cap"],
        seed=order["seed"],
        logger=Quiet(),
        callbacks=[Watcher(link)],
        **settings,
    )
    link.done()


main()
