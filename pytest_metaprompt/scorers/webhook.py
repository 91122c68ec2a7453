"""`webhook`: a server of the user's judges the reply."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.code_result import ResultError, read_result
from pytest_metaprompt.scorers.json_values import Plain
from pytest_metaprompt.scorers.outputs import context_of, output_of
from pytest_metaprompt.scorers.values import problem, read_text_value
from pytest_metaprompt.scorers.verdicts import reply_of
from pytest_metaprompt.suites import Assertion

_TIMEOUT_VARIABLE = "WEBHOOK_TIMEOUT"
_TIMEOUT_MS = 5000.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Holds if the server answers `{"pass": true}`; its `score` and `reason` are taken over.

    It is sent `{"output": ..., "context": {"prompt": ..., "vars": ...}}` by POST.
    """

    assertion: Assertion
    url: str

    async def score(self, attempt: Attempt) -> Verdict:
        """Asks the server.

        Raises:
            ScorerError: It cannot be reached, or does not answer with a judgement in time.
        """
        dialect = self.assertion.dialect
        context = context_of(attempt, dialect=dialect)
        body: Plain = {
            "output": output_of(reply_of(attempt), dialect=dialect),
            "context": {"prompt": context["prompt"], "vars": context["vars"]},
        }
        try:
            answer = await asyncio.to_thread(_post, self.url, body)
            if not isinstance(answer, Mapping):
                raise ResultError(f"the answer is not a JSON object: {answer!r:.200}")
            return read_result(
                answer, threshold=self.assertion.threshold, label="the server says", bounded=dialect == "native"
            )
        except (OSError, ValueError) as error:
            message = f"{self.assertion.type}: {_shown(self.url)}: {_told(error)}"
            raise ScorerError(message, where=self.assertion.where) from None


def open_webhook(assertion: Assertion) -> Scorer:
    """The scorer of a `webhook`."""
    url = read_text_value(assertion)
    if not url.startswith(("http://", "https://")):
        raise problem(assertion, f"{url!r} is not an address", hint="write  value: https://...")
    return Webhook(assertion, url)


def _shown(url: str) -> str:
    """The address without what it may hold in secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _post(url: str, body: Plain) -> object:
    import urllib.error
    import urllib.request  # with the HTTP client and SSL, so not at start-up

    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=_timeout_s()) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        error.close()
        raise


def _timeout_s() -> float:
    written = os.environ.get(_TIMEOUT_VARIABLE, "")
    return (float(written) if written.isdigit() else _TIMEOUT_MS) / 1000


def _told(error: Exception) -> str:
    from urllib.error import HTTPError, URLError

    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return f"no answer in {_timeout_s():g} seconds"
    return f"HTTP {error.code} {reason}" if isinstance(error, HTTPError) else str(reason)
