import asyncio
import socket
import ssl
import threading
from contextlib import contextmanager, suppress

import pytest

from pytest_metaprompt.clients.openai import OpenAIClient
from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.suites import ModelSpec
from pytest_metaprompt.testing import Fault, ScriptedServer, completion, in_turn
from tests.clients.asking import ask, request

KEY = "sk-very-secret-0123456789"
BODY = b'{"choices": [{"message": {"content": "hi"}}]}'


def client_at(url, **environ):
    return OpenAIClient(ModelSpec("openai", "m", {"max_retries": 0}, base_url=url), environ=environ)


def asked(url, *requests, **environ):
    return ask(client_at(url, **environ), *(requests or (request(params={"max_retries": 0}),)))


@contextmanager
def raw_server(*answers, family=socket.AF_INET, host="127.0.0.1"):
    """A server that sends these bytes, one for each connection, after it got a request; it keeps what it got."""
    listener = socket.socket(family)
    listener.bind((host, 0))
    listener.listen()
    got = []

    def serve():
        for answer in answers:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                got.append(connection.recv(65536))
                for part in answer if isinstance(answer, tuple) else (answer,):
                    connection.sendall(part)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/v1", got
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # Wakes the thread, where it still waits for a connection.
        listener.close()
        thread.join(5)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + BODY,  # ends with the connection
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY),
        (b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: %d\r\n\r\n" % len(BODY), BODY[:7], BODY[7:]),
        b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY),
    ],
)
def test_answers_come_in_every_form_that_http_has(answer):
    with raw_server(answer) as (url, _):
        assert asked(url).text == "hi"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf", "without sending complete message body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", "without sending complete message body"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "no answer from"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello", "Content-Length"),
        (b"", "the server closed the connection without an answer"),
    ],
)
def test_what_is_no_whole_answer_is_an_error(answer, said):
    with raw_server(answer) as (url, _), pytest.raises(ModelCallError, match=said):
        asked(url)


def test_an_answer_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr("pytest_metaprompt.clients.connection.MAX_BODY_BYTES", 1000)
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000
    with raw_server(endless) as (url, _), pytest.raises(ModelCallError, match="longer than 1000 bytes"):
        asked(url)


def test_the_request_is_plain_http():
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)) as (url, got):
        asked(f"{url}/?api-version=7", OPENAI_API_KEY=KEY)
    head, _, body = got[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first == "POST /v1/chat/completions?api-version=7 HTTP/1.1"
    assert headers["Host"] == url.removeprefix("http://").removesuffix("/v1")
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert int(headers["Content-Length"]) == len(body)


def test_an_ipv6_server_is_reached():
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with raw_server(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY), family=socket.AF_INET6, host="::1"
        ) as (url, _):
            assert asked(url).text == "hi"
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")


def test_connections_are_used_again_and_no_more_are_opened_than_calls_are_under_way():
    ports = set()
    with ScriptedServer(lambda body: "hi") as server:
        handler = server._http.process_request
        server._http.process_request = lambda request, address: (ports.add(address), handler(request, address))

        async def rounds():
            client = client_at(server.base_url)
            for _ in range(10):
                async with asyncio.TaskGroup() as group:
                    for _ in range(5):
                        group.create_task(client.ask(request()))
            await client.close()

        asyncio.run(rounds())
    assert len(server.requests) == 50
    assert len(ports) == 5


# Redirects


def test_a_redirect_that_keeps_the_method_is_followed_and_another_host_never_gets_the_key():
    with ScriptedServer(lambda body: "there") as there:
        elsewhere = f"{there.base_url}/chat/completions"
        with ScriptedServer(in_turn(Fault.redirect(elsewhere, code=308))) as here:
            assert asked(here.base_url, OPENAI_API_KEY=KEY).text == "there"
    assert here.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in there.requests[0].headers
    assert there.requests[0].body == here.requests[0].body


def test_a_redirect_on_the_same_host_keeps_the_key():
    with ScriptedServer(in_turn(Fault.redirect("/v2/chat/completions"), "moved")) as server:
        assert asked(server.base_url, OPENAI_API_KEY=KEY).text == "moved"
    assert server.requests[1].path == "/v2/chat/completions"
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.redirect("/v1/chat/completions"), "more than 3 redirects"),
        (Fault.redirect("file:///etc/passwd"), "redirects to what is no web address"),
        (Fault.redirect("https://example.org/", code=302), "302: the server wants to be asked elsewhere"),
    ],
)
def test_other_redirects_are_errors(fault, said):
    with ScriptedServer(in_turn(fault)) as server, pytest.raises(ModelCallError, match=said):
        asked(server.base_url)


# Names, proxies, certificates


def test_the_account_is_named_to_the_server_of_its_key_only():
    account = {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1", "OPENAI_API_KEY": KEY, "ACME": "a"}
    with ScriptedServer(lambda body: "hi") as server:
        ask(OpenAIClient(ModelSpec("openai", "m", base_url=server.base_url), environ=account))
        ask(OpenAIClient(ModelSpec("openai", "m", base_url=server.base_url, api_key_env="ACME"), environ=account))
    ours, theirs = (one.headers for one in server.requests)
    assert (ours["openai-organization"], ours["openai-project"]) == ("org-1", "proj-1")
    assert "openai-organization" not in theirs
    assert "openai-project" not in theirs


def test_a_proxy_from_the_environment_gets_the_request(monkeypatch):
    with ScriptedServer(lambda body: "through the proxy") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url.removesuffix("/v1"))
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        assert asked("http://models.example/v1").text == "through the proxy"
    assert proxy.requests[0].path == "http://models.example/v1/chat/completions"
    assert proxy.requests[0].headers["host"] == "models.example"


def test_no_proxy_is_asked_for_a_host_that_needs_none(monkeypatch):
    with ScriptedServer(lambda body: "direct") as server:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert asked(server.base_url).text == "direct"


def test_a_proxy_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(ModelCallError, match=r"no answer from http://models\.example/v1"):
        asked("http://models.example/v1")


def test_plain_http_on_a_secure_address_is_told():
    with ScriptedServer(lambda body: "hi") as server, pytest.raises(ModelCallError, match="no answer from https://"):
        asked(server.base_url.replace("http://", "https://"))


# What breaks in the middle


def test_a_connection_that_is_reset_in_the_middle_is_tried_again():
    with ScriptedServer(in_turn(Fault.reset(), "whole")) as server:
        reply = ask(OpenAIClient(ModelSpec("openai", "m", base_url=server.base_url), environ={}))
    assert (reply.text, reply.retries, len(server.requests)) == ("whole", 1, 2)


def test_an_answer_that_drips_is_ended_by_the_time_limit():
    with (
        ScriptedServer(in_turn(Fault.drip())) as server,
        pytest.raises(ModelCallError, match=r"timed out after 0\.3 s"),
    ):
        asked(server.base_url, request(params={"timeout_s": 0.3}))


def test_a_server_that_dies_ends_every_call_with_an_error():
    import itertools

    count = itertools.count(1)
    with ScriptedServer(lambda body: Fault.death() if next(count) == 5 else "hi") as server:

        async def one_after_the_other():
            client = client_at(server.base_url)
            return [
                await asyncio.gather(client.ask(request(params={"max_retries": 0})), return_exceptions=True)
                for _ in range(10)
            ]

        outcomes = [outcome for (outcome,) in asyncio.run(one_after_the_other())]
    assert [getattr(outcome, "text", "error") for outcome in outcomes] == ["hi"] * 4 + ["error"] * 6
    assert all(isinstance(outcome, ModelCallError) for outcome in outcomes[4:])


def test_certificates_that_nobody_signed_are_refused_at_once(tmp_path):
    trustme = pytest.importorskip("trustme", reason="makes certificates")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ScriptedServer(lambda body: completion("secret")) as server:
        server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
        with pytest.raises(ModelCallError, match="no trusted connection"):
            asked(server.base_url.replace("http://", "https://"))


def test_bytes_that_nobody_asked_for_never_become_an_answer():
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
    forged = whole.replace(b'"hi"', b'"no"')
    with raw_server(whole + forged, whole) as (url, got):

        async def twice():
            client = client_at(url)
            try:
                return [(await client.ask(request())).text for _ in range(2)]
            finally:
                await client.close()

        assert asyncio.run(twice()) == ["hi", "hi"]
    assert len(got) == 2
