"""Scripted judges that really read what they are asked, and a way to put one behind an assertion."""

import asyncio
import json
import re

from pytest_metaprompt.protocols import Graders
from pytest_metaprompt.scorers import open_scorer
from pytest_metaprompt.suites import ModelSpec
from pytest_metaprompt.testing import ScriptedClient

from .asking import NOWHERE, assertion, attempt

JUDGE = ModelSpec("openai", "judge")
VECTORS = ModelSpec("openai", "vectors")


def sections(messages):
    """The data of a question by its titles, told from the rest as a careful reader does: by the fences' full names."""
    body = messages[-1].content
    nonce = re.search(r"^BEGIN-DATA (\w+)$", body, re.MULTILINE)[1]
    found = re.findall(rf"^([^\n]+)\nBEGIN-DATA {nonce}\n(.*?)\nEND-DATA {nonce}$", body, re.MULTILINE | re.DOTALL)
    return {title: json.loads(text) for title, text in found}


def outside(messages):
    """What stands outside of the fences: all that a judge should obey."""
    body = messages[-1].content
    nonce = re.search(r"^BEGIN-DATA (\w+)$", body, re.MULTILINE)[1]
    without = re.sub(rf"^BEGIN-DATA {nonce}\n.*?\nEND-DATA {nonce}$", "", body, flags=re.MULTILINE | re.DOTALL)
    return messages[0].content + "\n" + without


def graders(judge=None, embed=None):
    client, vectors = ScriptedClient(judge or silent), ScriptedClient(embed or silent)
    return Graders(client, vectors, lambda value: ModelSpec("openai", value), judge=JUDGE, embedding=VECTORS)


def silent(request):
    raise AssertionError("nobody was to be asked")


def graded(type_, value, text, judge=None, *, embed=None, messages=(), variables=None, tried=None, **fields):
    """The verdict on a reply; `judge` and `embed` answer for the models."""
    scorer = open_scorer(assertion(type_, value, **fields), base=NOWHERE, graders=graders(judge, embed))
    return asyncio.run(scorer.score(tried or attempt(text, messages=messages, variables=variables)))


def answers(**fields):
    """A judge that always gives the same verdict."""
    return lambda request: json.dumps(fields)
