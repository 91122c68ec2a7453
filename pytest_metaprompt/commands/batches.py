"""`batches`: which batches are under way, and an end to one."""

from __future__ import annotations

import argparse
import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

from pytest_metaprompt.clients.address import OPENAI_URL, read_address
from pytest_metaprompt.clients.batch_log import BatchLog, Sent
from pytest_metaprompt.errors import MetapromptError, did_you_mean
from pytest_metaprompt.files import OWN_FOLDER
from pytest_metaprompt.suites import ModelSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which one to cancel, and where the project is."""
    parser.add_argument("--cancel", metavar="BATCH", help="cancel this batch; what it answered so far is kept")
    parser.add_argument("--root", type=Path, default=Path(), metavar="DIR", help="pytest's root directory (here)")


def run(arguments: argparse.Namespace) -> int:
    """List the batches, or cancel one.

    Raises:
        MetapromptError: There is no such batch, or the server does not do it.
    """
    batches = BatchLog(arguments.root / OWN_FOLDER).read()
    if arguments.cancel is None:
        for sent in batches:
            print(_line(sent))
        print(f"{len(batches)} {'batch' if len(batches) == 1 else 'batches'} under way or not fetched yet")
        return 0
    found = {sent.batch: sent for sent in batches if sent.batch}
    if arguments.cancel not in found:
        raise MetapromptError(f"no batch {arguments.cancel!r} here", hint=did_you_mean(arguments.cancel, found))
    print(asyncio.run(_cancel(found[arguments.cancel])))
    return 0


def _line(sent: Sent) -> str:
    began = datetime.fromtimestamp(sent.began, UTC).isoformat(timespec="seconds")
    name = sent.batch or f"(perhaps begun, of {sent.file})"
    return f"{name}  {sent.model}  {len(sent.keys)} requests  begun {began}  at {sent.server}"


async def _cancel(sent: Sent) -> str:
    from pytest_metaprompt.clients.batch_server import BatchServer
    from pytest_metaprompt.clients.clock import SystemClock

    own_url = None if sent.server == OPENAI_URL else sent.server
    spec = ModelSpec("openai", sent.model, base_url=own_url, api_key_env=sent.api_key_env)
    server = BatchServer(read_address(spec, os.environ), clock=SystemClock())
    try:
        state = await server.cancel(sent.batch)
    finally:
        await server.close()
    return f"batch {state.id} is {state.status}: {state.done} requests were answered; the next run keeps them"
