"""Stand-ins for models, for the tests of suites, plugins and clients: scripted, recording, and never asleep.

def test_my_client_asks_politely():
    with ScriptedServer(lambda body: "yes") as server:
        ask(base_url=server.base_url)
    assert server.requests[0].body["messages"][0]["content"] == "please"
"""

from pytest_metaprompt.testing.answers import (
    Answer,
    Body,
    Fault,
    Script,
    by_model,
    completion,
    embedding,
    in_turn,
    response,
    tool_call,
)
from pytest_metaprompt.testing.batches import ScriptedBatches
from pytest_metaprompt.testing.client import ScriptedClient
from pytest_metaprompt.testing.clock import FakeClock
from pytest_metaprompt.testing.server import Beside, ScriptedServer, Served

__all__ = [
    "Answer",
    "Beside",
    "Body",
    "FakeClock",
    "Fault",
    "Script",
    "ScriptedBatches",
    "ScriptedClient",
    "ScriptedServer",
    "Served",
    "by_model",
    "completion",
    "embedding",
    "in_turn",
    "response",
    "tool_call",
]
