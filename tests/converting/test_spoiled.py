"""Whatever stands in a foreign file, it is converted or refused in words: never a crash."""

from __future__ import annotations

import copy
import json
import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_metaprompt.converting import convert_file
from pytest_metaprompt.converting.writing import routine_text, suite_text
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.formats.marked import read_marked
from pytest_metaprompt.scorers import KNOWN
from tests.commands.test_convert import GITHUB, GOLDENS, HOSTED, PROMPTFOO, REGISTRY, SAMPLES
from tests.formats.test_structure import spoil, spots

WHOLE = {
    "github": read_marked(GITHUB, "f").root.plain(),
    "promptfoo": read_marked(PROMPTFOO, "f").root.plain(),
    "openai-evals": read_marked(REGISTRY.replace("CLASS", "match:Match"), "f").root.plain(),
    "openai-samples": [json.loads(line) for line in SAMPLES.splitlines()],
    "deepeval": GOLDENS,
    "openai-hosted": HOSTED,
}
KNOWN_AND_JUDGED = [*KNOWN, "llm-rubric", "similar"]


@pytest.mark.parametrize("kind", sorted(WHOLE))
@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_a_spoiled_file_is_converted_or_refused_but_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, kind: str, dice: random.Random, times: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "samples.jsonl").write_text(SAMPLES, encoding="utf-8")
    (folder / "greet.txt").write_text("{{greeting}} {{name}}", encoding="utf-8")
    document = copy.deepcopy(WHOLE[kind])
    for _ in range(times):
        if spots(document):
            spoil(document, dice)
    name = "f.jsonl" if kind == "openai-samples" else "f.json"
    text = "\n".join(json.dumps(row) for row in document) if kind == "openai-samples" else json.dumps(document)
    (folder / name).write_text(text, encoding="utf-8")
    with suppress(MetapromptError):
        draft = convert_file(folder / name, kind=kind, known=KNOWN_AND_JUDGED, folder=Path(folder), name=None)
        routine_text(draft.prompt, name="f")
        read_marked(suite_text(draft, routine="f.prompty"), "f")
