"""The simulated bed: which words of a routine cure or break which case is known exactly, so the truth is exact too.

A routine is English with rules in it. `fix:C` cures the cases of cause C, `harm:H` breaks about one case in twelve, any
other rule does nothing. A failing case shows a symptom of its cause in its reply; a coin-flip case shows a symptom that
no rule can cure. Whoever reads the symptoms knows where to look, but not which rule is right.

The meta model is scripted. It finds the symptoms in whatever text an arm shows it and answers in the form that the arm
asks for: our envelope, GEPA's fenced text, or DSPy's marked fields. It knows nothing of the arm otherwise.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from functools import cached_property

from benchmarks.bed import Candidate, Chat, Question, Truth

BASE = "You answer the questions of the list. Answer each as well as you can."
TRAIN, SEALED = 50, 200
HARMED = 12
_RULE = re.compile(r"\b(fix|harm):(\d+)")
_CASE = re.compile(r"case-(\d+)")
_SYMPTOM = re.compile(r"wrong: symptom-(\w+)")
_CURRENT_OF_GEPA = re.compile(r"```\n(.*?)\n```", re.DOTALL)
_CURRENT_OF_COPRO = re.compile(r"Instruction #\d+: (.*?)(?=\n|\[\d+\]|Prefix #)", re.DOTALL)
_FIELD = re.compile(r"\[\[ ## basic_instruction ## \]\]\n(.*?)\n(?:\n|\[\[)", re.DOTALL)
_ASKED_FIELDS = re.compile(r"starting with the field (.*)", re.DOTALL)


@dataclass(frozen=True)
class Adviser:
    """How good the scripted meta model is.

    `right` is the chance that its rule for a symptom is the right one, `blind` that of a rule for no visible symptom;
    `harmful` is the chance that a proposal also does damage. With `broad` it answers every symptom that it sees.
    """

    right: float = 0.5
    blind: float = 0.1
    harmful: float = 0.25
    broad: bool = False


@dataclass
class World:
    """A bed from a seed: 50 cases and 200 sealed ones, one in five failing from 5 causes, one in ten a coin flip."""

    name: str
    seed: int
    adviser: Adviser = Adviser()
    failing: bool = True
    curable: bool = True
    flips: int = 5
    has_meta: bool = True
    base: Candidate = field(default_factory=lambda: Candidate(BASE))
    _cause: dict[int, int] = field(default_factory=dict)
    _flips: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        for block in range(0, TRAIN + SEALED, 50):
            order = random.Random(f"{self.seed}:{block}").sample(range(block, block + 50), 50)
            if self.failing:
                self._cause.update({number: at // 2 for at, number in enumerate(order[:10])})
            self._flips.update(order[10 : 10 + self.flips])

    @cached_property
    def train(self) -> tuple[Question, ...]:
        """The cases to learn from."""
        return tuple(Question(str(number), f"case-{number:03d}", "right") for number in range(TRAIN))

    def rate(self, system: str, number: int) -> float:
        """How often a case passes."""
        rules = {(kind, int(at)) for kind, at in _RULE.findall(system)}
        if any(kind == "harm" and self._is_hit(at, number) for kind, at in rules):
            return 0.0
        if number in self._cause:
            return float(self.curable and ("fix", self._cause[number]) in rules)
        return 0.5 if number in self._flips else 1.0

    def _is_hit(self, harm: int, number: int) -> bool:
        return random.Random(f"{self.seed}:{harm}:{number}").randrange(HARMED) == 0

    def reply(self, messages: Chat, sample: int) -> str:
        """`right` or `wrong` with a symptom; where there are coin flips, no two replies are worded alike."""
        system, number = messages[0]["content"], int(_CASE.findall(messages[-1]["content"])[-1])
        chance = random.Random(f"{self.seed}:{system}:{number}:{sample}")
        wording = f" ({chance.randrange(10**6)})" if self.flips else ""
        if chance.random() < self.rate(system, number):
            return f"right{wording}"
        cause = self._cause.get(number)
        return f"wrong: symptom-{f'x{number}' if cause is None else cause}{wording}"

    def passes(self, question: Question, reply: str) -> bool:
        """Whether the reply starts with the right answer."""
        return reply.startswith(question.answer)

    def advise(self, prompt: str, number: int, count: int) -> list[str]:
        """Answers in the form that the prompt asks for."""
        chance = random.Random(f"meta:{self.seed}:{number}")
        if '"verdict"' in prompt and '"proposals"' in prompt:
            return [self._envelope(prompt, chance, count)]
        if "[[ ## " in prompt or "proposed_instruction" in prompt:
            return [self._fields(prompt, chance) for _ in range(count)]
        current = _CURRENT_OF_GEPA.search(prompt)
        base = current.group(1).strip() if current else self.base.system
        return [f"```\n{base} {self._rules(prompt, chance)}\n```" for _ in range(count)]

    def _envelope(self, prompt: str, chance: random.Random, count: int) -> str:
        symptoms = sorted(set(_SYMPTOM.findall(prompt)))
        proposals = []
        for _ in range(count):
            # Two proposals are to have different hypotheses.
            chosen = chance.choice(symptoms) if symptoms else None
            if len(symptoms) > 1 and not self.adviser.broad:
                symptoms.remove(chosen)
            seen = symptoms if self.adviser.broad else [chosen] if chosen else []
            rules = self._rules_for(seen, chance)
            edit = {"message": 0, "op": "append", "anchor": "", "text": rules}
            proposals.append({"hypothesis": f"{seen} needs a rule", "predicts": [], "risk": "", "edits": [edit]})
        return json.dumps({"verdict": "repair", "reason": "", "proposals": proposals})

    def _fields(self, prompt: str, chance: random.Random) -> str:
        """DSPy's form: every field that is asked for."""
        attempts = _CURRENT_OF_COPRO.findall(prompt)
        basic = _FIELD.findall(prompt)
        base = (attempts or basic or [self.base.system])[-1].strip("»\n ")
        asked = _ASKED_FIELDS.findall(prompt)
        names = re.findall(r"\[\[ ## (\w+) ## \]\]", asked[-1]) if asked else ["proposed_instruction"]
        values = {"proposed_instruction": f"{base} {self._rules(prompt, chance)}"}
        body = "\n\n".join(
            f"[[ ## {name} ## ]]\n{values.get(name, 'Answer:')}" for name in names if name != "completed"
        )
        return f"{body}\n\n[[ ## completed ## ]]"

    def _rules(self, prompt: str, chance: random.Random) -> str:
        symptoms = sorted(set(_SYMPTOM.findall(prompt)))
        if not self.adviser.broad and symptoms:
            symptoms = [chance.choice(symptoms)]
        return self._rules_for(symptoms, chance)

    def _rules_for(self, symptoms: list[str], chance: random.Random) -> str:
        rules = [self._rule(symptom, chance) for symptom in symptoms] or [self._rule(None, chance)]
        if chance.random() < self.adviser.harmful:
            rules.append(f"harm:{chance.randrange(10**6)}")
        return " ".join(rules)

    def _rule(self, symptom: str | None, chance: random.Random) -> str:
        luck = chance.random()
        useless = f"noop:{chance.randrange(10**9)}"
        if symptom is None:
            return f"fix:{chance.randrange(5)}" if luck < self.adviser.blind else useless
        return f"fix:{symptom}" if symptom.isdigit() and luck < self.adviser.right else useless

    def truth(self, candidate: Candidate) -> Truth:
        """Exact pass rates, and which cases changed theirs."""
        sides = (range(TRAIN), range(TRAIN, TRAIN + SEALED))
        old = [[self.rate(self.base.system, number) for number in side] for side in sides]
        new = [[self.rate(candidate.system, number) for number in side] for side in sides]
        fixed, broken = (
            [sum((b - a) * sign > 0 for a, b in zip(was, now, strict=True)) for was, now in zip(old, new, strict=True)]
            for sign in (1, -1)
        )
        steady = sum(was == 1 and now < 1 for was, now in zip(old[0], new[0], strict=True))
        return Truth(
            train=sum(new[0]) / TRAIN,
            sealed=sum(new[1]) / SEALED,
            fixed=fixed[0],
            broken=steady,
            lowered=broken[0] - steady,
            sealed_fixed=fixed[1],
            sealed_broken=broken[1],
            wanted=sum(number in self._cause for number in range(TRAIN)) if self.curable else 0,
        )


NULL = Adviser(right=0, blind=0, harmful=0)


def simulated(name: str, seed: int) -> World:
    """The simulated bed of a name."""
    kinds = {
        "narrow": World("narrow", seed),
        "broad": World("broad", seed, adviser=Adviser(broad=True)),
        "exact": World("exact", seed, flips=0),
        "null": World("null", seed, adviser=NULL),
        "unfixable": World("unfixable", seed, curable=False),
        "optimal": World("optimal", seed, failing=False),
    }
    return kinds[name]


SIMULATED = ("narrow", "broad", "exact", "null", "unfixable", "optimal")
CONTROLS = ("null", "unfixable", "optimal")
"""Where nothing should be written."""
