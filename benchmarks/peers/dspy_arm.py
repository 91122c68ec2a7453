"""DSPy's optimisers as arms. The target sees a plain chat, as it does from every other arm."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import dspy
from dspy.adapters import ChatAdapter
from link import Link


class Answer(dspy.Signature):
    """Answer."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class PlainChat(ChatAdapter):
    """The target's program as system, turns and question; everything else in DSPy's own form."""

    def format(self, signature: Any, demos: list[Any], inputs: dict[str, Any]) -> list[dict[str, Any]]:
        """The messages."""
        if set(signature.output_fields) != {"answer"}:
            return super().format(signature, demos, inputs)
        messages = [{"role": "system", "content": signature.instructions}]
        for user, assistant in turns_of(demos):
            messages += [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
        return [*messages, {"role": "user", "content": inputs["question"]}]

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """The reply as it stands."""
        if set(signature.output_fields) != {"answer"}:
            return super().parse(signature, completion)
        return {"answer": completion}


class Model(dspy.BaseLM):
    """A model at the other end of the link."""

    def __init__(self, link: Link, kind: str) -> None:
        super().__init__(model=kind, cache=False)
        self._link = link
        self._kind = kind

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        return self

    def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        """One request; OpenAI's shape, as DSPy wants it."""
        said = messages or [{"role": "user", "content": prompt}]
        if self._kind == "target":
            texts = [self._link.ask(said)]
        else:
            count = int(kwargs.get("n") or 1)
            texts = self._link.advise("\n\n".join(str(message["content"]) for message in said), count)
        choices = [
            SimpleNamespace(message=SimpleNamespace(content=text, tool_calls=None), finish_reason="stop", index=at)
            for at, text in enumerate(texts)
        ]
        return SimpleNamespace(choices=choices, usage={}, model=self._kind)


def turns_of(demos: list[Any]) -> list[tuple[str, str]]:
    """The worked examples."""
    return [(demo["question"], demo["answer"]) for demo in demos]


def watch(link: Link, size: int) -> None:
    """Hand in whatever scores best on all cases, as soon as it does: DSPy itself only tells in the end."""
    plain = dspy.Evaluate.__call__
    best = [-1.0]

    def evaluated(self: Any, program: Any, *args: Any, **kwargs: Any) -> Any:
        result = plain(self, program, *args, **kwargs)
        if len(kwargs.get("devset") or self.devset) == size and result.score > best[0]:
            best[0] = result.score
            predictor = program.predictors()[0]
            link.holds(predictor.signature.instructions, turns_of(predictor.demos))
        return result

    dspy.Evaluate.__call__ = evaluated  # type: ignore[method-assign]


def optimise(link: Link, meta: Model, metric: Any, rows: list[Any]) -> None:
    """Run the arm. Sizes are chosen so that the cap is used, and not much of a run is cut off."""
    order = link.order
    student = dspy.Predict(Answer.with_instructions(order["base"]["system"]))
    evaluations = max(4, order["cap"] // len(rows))
    random.seed(order["seed"])
    if order["arm"] == "dspy-bootstrap":
        # Each of the sets costs one evaluation, and some calls to bootstrap; three more sets are always tried.
        dspy.BootstrapFewShotWithRandomSearch(
            metric=metric, num_threads=1, num_candidate_programs=max(1, evaluations - 3), **order["options"]
        ).compile(student, trainset=rows)
    elif order["arm"] == "dspy-copro":
        depth = 3
        dspy.COPRO(prompt_model=meta, metric=metric, breadth=max(2, evaluations // depth), depth=depth).compile(
            student, trainset=rows, eval_kwargs={"num_threads": 1, "display_progress": False}
        )
    else:
        trials = evaluations - 1
        dspy.MIPROv2(
            metric=metric,
            prompt_model=meta,
            auto=None,
            num_candidates=max(2, 2 * trials // 3),
            num_threads=1,
            seed=order["seed"] or 10**6,
            **order["options"],
        ).compile(student, trainset=rows, valset=rows, num_trials=trials, minibatch=False)


def main() -> None:
    """One run, as ordered."""
    link = Link()
    target, meta = Model(link, "target"), Model(link, "meta")
    dspy.configure(lm=target, adapter=PlainChat(use_json_adapter_fallback=False))
    rows = [
        dspy.Example(question=one["text"], answer=one["answer"]).with_inputs("question") for one in link.order["train"]
    ]
    random.Random(link.order["seed"]).shuffle(rows)
    watch(link, len(rows))

    def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
        return link.judge(example.question, prediction.answer)

    optimise(link, meta, metric, rows)
    link.done()


main()
