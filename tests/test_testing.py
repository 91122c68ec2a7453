import asyncio
import http.client
import json
import threading
from contextlib import closing

import pytest

from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.results import Reply
from pytest_metaprompt.testing import (
    FakeClock,
    Fault,
    ScriptedClient,
    ScriptedServer,
    by_model,
    completion,
    in_turn,
    response,
    tool_call,
)
from tests.clients.asking import ask, request


def connect(server):
    return http.client.HTTPConnection(server.base_url.removeprefix("http://").removesuffix("/v1"), timeout=30)


def post(server, body="{}", *, path="/v1/chat/completions"):
    """The status and the text of a plain HTTP call, with no SDK in between."""
    with closing(connect(server)) as connection:
        return post_over(connection, body, path)


def post_over(connection, body="{}", path="/v1/chat/completions"):
    connection.request("POST", path, body if isinstance(body, str) else json.dumps(body), {"X-Trace": "7"})
    response = connection.getresponse()
    return response.status, response.read().decode()


def text_of(answered):
    return json.loads(answered[1])["choices"][0]["message"]["content"]


# ScriptedClient


def test_a_scripted_client_answers_with_texts_and_replies_and_keeps_the_requests():
    client = ScriptedClient(lambda request: "hi" if request.sample == 0 else Reply("again", finish_reason="length"))
    assert ask(client, request(), request(sample=1)) == [
        Reply("hi", finish_reason="stop"),
        Reply("again", finish_reason="length"),
    ]
    assert client.requests == [request(), request(sample=1)]


def test_a_scripted_client_raises_the_exception_it_is_given():
    with pytest.raises(ModelCallError, match="down"):
        ask(ScriptedClient(lambda request: ModelCallError("down")))


# ScriptedServer


def test_a_text_is_served_as_a_chat_completion():
    with ScriptedServer(lambda body: body["messages"][-1]["content"].upper()) as server:
        assert text_of(post(server, {"messages": [{"role": "user", "content": "hi"}]})) == "HI"


def test_requests_are_kept_with_their_headers():
    with ScriptedServer(lambda body: "hi") as server:
        post(server, {"seed": 3})
    assert server.requests[0].body == {"seed": 3}
    assert server.requests[0].headers["x-trace"] == "7"


def test_a_connection_is_kept_for_the_next_request():
    with ScriptedServer(in_turn("one", Fault.status(400), "two")) as server, closing(connect(server)) as connection:
        statuses = [post_over(connection)[0]]
        socket = connection.sock
        statuses += [post_over(connection)[0], post_over(connection)[0]]
        assert statuses == [200, 400, 200]
        assert connection.sock is socket


def test_the_most_requests_at_once_are_known():
    meeting = threading.Barrier(5, timeout=30)
    with ScriptedServer(lambda body: str(meeting.wait())) as server:
        askers = [threading.Thread(target=post, args=(server,)) for _ in range(5)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    assert server.max_under_way == 5


def test_a_whole_completion_may_hold_tool_calls_and_usage():
    answer = completion(tool_calls=[tool_call("refund", order="ORD-1")], input_tokens=3, output_tokens=4)
    with ScriptedServer(lambda body: answer) as server:
        _, text = post(server)
    assert json.loads(text) == answer
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["usage"]["total_tokens"] == 7


def test_a_completion_may_end_for_any_reason():
    assert completion("cut", finish_reason="length")["choices"][0]["finish_reason"] == "length"


def test_answers_may_depend_on_the_model():
    script = by_model({"small": "dunno", "smart": lambda body: f"seed {body['seed']}", "gone": Fault.status(410)})
    with ScriptedServer(script) as server:
        assert text_of(post(server, {"model": "small"})) == "dunno"
        assert text_of(post(server, {"model": "smart", "seed": 3})) == "seed 3"
        assert post(server, {"model": "gone"})[0] == 410
        assert post(server, {"model": "other"}) == (404, '{"error": {"message": "no model \'other\'"}}')


def test_answers_may_come_in_turn_and_the_last_one_stays():
    with ScriptedServer(in_turn("one", "two")) as server:
        assert [text_of(post(server)) for _ in range(3)] == ["one", "two", "two"]


def test_a_delayed_answer_comes_in_the_end():
    with ScriptedServer(in_turn(Fault.delay(0.001, "late"), Fault.delay(0.001, completion("later")))) as server:
        assert [text_of(post(server)), text_of(post(server))] == ["late", "later"]


def test_a_broken_off_answer_is_shorter_than_it_said():
    with ScriptedServer(in_turn(Fault.broken_off())) as server, pytest.raises(http.client.IncompleteRead):
        post(server)


def test_faults_are_served_as_they_are_named():
    faults = (Fault.truncated_json(), Fault.page("<p>"), Fault.no_choices(), Fault.status(429, "slow", retry_after_s=2))
    with ScriptedServer(in_turn(*faults)) as server:
        truncated, page, empty, limited = (post(server) for _ in range(4))
    with pytest.raises(json.JSONDecodeError):
        json.loads(truncated[1])
    assert page == (200, "<p>")
    assert json.loads(empty[1])["choices"] == []
    assert limited == (429, "slow")


def test_a_hanging_request_ends_when_the_server_closes():
    failures = []
    arrived = threading.Event()

    def hang(body):
        arrived.set()
        return Fault.hang()

    def ask_in_vain():
        try:
            post(server)
        except (http.client.HTTPException, OSError) as error:
            failures.append(error)

    with ScriptedServer(hang) as server:
        asker = threading.Thread(target=ask_in_vain)
        asker.start()
        assert arrived.wait(30)
    asker.join(30)
    assert len(failures) == 1


def test_a_closed_server_refuses_connections():
    with ScriptedServer(lambda body: "hi") as server:
        pass
    with pytest.raises(ConnectionError):
        post(server)


def test_mistakes_in_a_script_are_told_to_the_client():
    with ScriptedServer(lambda body: body["nope"]) as server:
        status, text = post(server)
    assert status == 500
    assert "the script raised KeyError: 'nope'" in text


def test_an_answer_that_is_no_json_is_told_to_the_client():
    with ScriptedServer(lambda body: {"odd": object()}) as server:
        assert "the script raised TypeError" in post(server)[1]


def test_what_is_no_chat_completion_call_is_refused():
    with ScriptedServer(lambda body: "hi") as server:
        assert post(server, path="/v1/images")[0] == 404
        assert post(server, "{")[0] == 400
    assert server.requests == []


def test_the_responses_api_is_served_beside_chat_completions():
    answer = response(tool_calls=[tool_call("refund", order="ORD-1")], incomplete="max_output_tokens")
    with ScriptedServer(in_turn("hi", answer)) as server:
        first, second = (json.loads(post(server, path="/v1/responses")[1]) for _ in range(2))
    assert first["output"][0]["content"][0]["text"] == "hi"
    assert second == answer
    assert [request.path for request in server.requests] == ["/v1/responses"] * 2


def test_a_reset_breaks_the_connection_in_the_middle_of_the_body():
    with (
        ScriptedServer(in_turn(Fault.reset())) as server,
        pytest.raises((ConnectionResetError, http.client.IncompleteRead)),
    ):
        post(server)


def test_a_server_that_dies_ends_other_connections_and_takes_no_new_ones():
    with ScriptedServer(in_turn("hi", Fault.death())) as server, closing(connect(server)) as other:
        post_over(other)
        with pytest.raises((OSError, http.client.HTTPException)):
            post(server)
        with pytest.raises((OSError, http.client.HTTPException)):
            post_over(other)
        with pytest.raises(OSError, match=r"refused|reset"):
            post(server)


def test_a_fake_clock_moves_on_when_somebody_sleeps():
    clock = FakeClock(date=1000.0)

    async def sleepers():
        await asyncio.gather(clock.sleep(3), clock.sleep(5))

    asyncio.run(sleepers())
    assert (clock.now(), clock.date(), clock.slept) == (5, 1005, [3, 5])
