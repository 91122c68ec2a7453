"""What earlier tests of a column leave to later ones."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field

from pytest_metaprompt.suites import Json


@dataclass(slots=True)
class Memory:
    """Stored outputs by name, and what was said in each conversation."""

    stored: dict[str, Json] = field(default_factory=dict)
    conversations: dict[str | None, list[Json]] = field(default_factory=lambda: defaultdict(list))

    def say(self, conversation: str | None, *, prompt: str, output: Json) -> None:
        """Add a turn. `input` is the last message's text where the prompt is a list of messages."""
        try:
            parsed: Json = json.loads(prompt)
        except (ValueError, RecursionError):
            parsed = None
        last = parsed[-1] if isinstance(parsed, list) and parsed else None
        said = last.get("content") if isinstance(last, dict) else last
        turn: dict[str, Json] = {"prompt": parsed or prompt, "input": said or parsed or prompt, "output": output or ""}
        self.conversations[conversation].append(turn)
