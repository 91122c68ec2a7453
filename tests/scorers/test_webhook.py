import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pytest_metaprompt.errors import ScorerError

from .asking import assertion, attempt, judge, refusal, user, verdict


@pytest.fixture
def server():
    """A server that answers with `answer` and keeps what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.server.sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.release.wait(5)
            status, body = self.server.answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.release = threading.Event()
        server.release.set()
        server.url = f"http://127.0.0.1:{server.server_port}/judge"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


def test_the_server_is_sent_output_prompt_and_vars_and_judges(server):
    server.answer = (200, '{"pass": true, "score": 0.4, "reason": "fine"}')
    found = verdict(assertion("webhook", server.url), attempt("hi", variables={"a": 1}, messages=[user("say hi")]))
    assert (found.passed, found.score, found.reason) == (True, 0.4, "fine")
    prompt = [{"role": "user", "content": "say hi"}]
    assert server.sent == {"output": "hi", "context": {"prompt": prompt, "vars": {"a": 1}}}


def test_a_threshold_is_the_least_score(server):
    server.answer = (200, '{"pass": true, "score": 0.4}')
    assert not judge("webhook", server.url, threshold=0.5).passed


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((500, "no"), "HTTP 500"),
        ((200, "no JSON"), "Expecting value"),
        ((200, "[true]"), "the answer is not a JSON object"),
        ((200, '{"score": 1}'), "the result has no 'pass'"),
    ],
)
def test_what_is_no_judgement_is_an_error_under_both_signs(server, answer, message):
    server.answer = answer
    for type_ in ("webhook", "not-webhook"):
        with pytest.raises(ScorerError, match=f"{type_}: {server.url}: .*{message}"):
            judge(type_, server.url)


def test_a_server_that_is_not_there_is_an_error():
    with pytest.raises(ScorerError, match="refused"):
        judge("webhook", "http://127.0.0.1:9/")


def test_the_error_does_not_show_what_is_secret_in_the_address(server):
    server.answer = (500, "no")
    address = server.url.replace("127.0.0.1", "ada:hidden@127.0.0.1") + "?token=sk-secret"
    with pytest.raises(ScorerError, match=f"webhook: {server.url}: ") as caught:
        judge("webhook", address)
    assert "sk-secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_server_that_does_not_answer_in_time_is_an_error(server, monkeypatch):
    server.release.clear()
    monkeypatch.setenv("WEBHOOK_TIMEOUT", "100")
    with pytest.raises(ScorerError, match=r"no answer in 0\.1 seconds"):
        judge("webhook", server.url)


def test_a_value_that_is_no_address_is_refused():
    assert "'ftp://a' is not an address" in refusal("webhook", "ftp://a")
