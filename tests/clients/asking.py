"""Short ways to ask a client."""

import asyncio

from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Message, ModelSpec


def request(text="hello", *, model=None, params=None, sample=0, system=None):
    messages = (Message("system", system),) if system else ()
    return Request(model or ModelSpec("openai", "m"), (*messages, Message("user", text)), params or {}, sample)


def ask(client, *requests):
    """The reply, or the replies of several requests asked at once; exceptions stand for themselves."""

    async def all_of_them():
        asked = [client.ask(each) for each in requests or (request(),)]
        try:
            return await asyncio.gather(*asked, return_exceptions=len(asked) > 1)
        finally:
            if hasattr(client, "close"):
                await client.close()

    replies = asyncio.run(all_of_them())
    return replies if len(requests) > 1 else replies[0]
