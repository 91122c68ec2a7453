"""Gathering, files, waiting: the parts of a batch, over real sockets where there is a server."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.clients.address import read_address
from pytest_metaprompt.clients.batch import BatchedClient, Gathering
from pytest_metaprompt.clients.batch_files import Limits, batch_files, read_answers
from pytest_metaprompt.clients.batch_log import BatchLog, Sent
from pytest_metaprompt.clients.batch_run import PATIENCE, Means
from pytest_metaprompt.clients.batch_server import BatchServer
from pytest_metaprompt.clients.recorded import request_key
from pytest_metaprompt.clients.room import Room, RoomClient
from pytest_metaprompt.errors import FileAccessError, ModelCallError
from pytest_metaprompt.results import Reply
from pytest_metaprompt.suites import ModelSpec
from pytest_metaprompt.testing import FakeClock, Fault, ScriptedBatches, ScriptedClient, ScriptedServer, completion
from tests.clients.asking import request


class Bench:
    """A server, a gathering and a client for each question; `live` is what is asked beside it."""

    def __init__(
        self,
        folder,
        *,
        script=lambda body: body["messages"][-1]["content"].upper(),
        limits=None,
        key="sk-1",
        **scripted,
    ):
        self.key = key
        self.batches = ScriptedBatches(**scripted)
        self.server = ScriptedServer(script, beside=self.batches)
        self.clock = FakeClock()
        self.log = BatchLog(folder / ".metaprompt")
        self.warned = []
        self.means = Means(self.log, self.clock, lambda look: 5.0 * 2**look, self.warned.append, limits or Limits())
        self.live = ScriptedClient(lambda asked: "live")
        self.begin()

    def begin(self):
        self.gathering = Gathering(self.means, open_account=self.account)
        self.servers = []

    def account(self, spec):
        address = read_address(spec, {"OPENAI_BASE_URL": self.server.base_url, "OPENAI_API_KEY": self.key})
        self.servers.append(BatchServer(address, clock=self.clock))
        return address, self.servers[-1]

    def client(self, price=lambda usage: None):
        return BatchedClient(self.live, self.gathering, price)

    def run(self, *work):
        async def all_of_it():
            try:
                return await asyncio.gather(*work, return_exceptions=True)
            finally:
                for server in self.servers:
                    await server.close()

        return asyncio.run(all_of_it())

    def ask(self, *texts, **settings):
        client = self.client(**settings)
        return self.run(*(client.ask(request(text)) for text in texts))


@pytest.fixture
def bench(tmp_path):
    opened = []

    def open_bench(**settings):
        opened.append(Bench(tmp_path, **settings))
        opened[-1].server.__enter__()
        return opened[-1]

    yield open_bench
    for one in opened:
        one.server.__exit__(None, None, None)


def texts(replies):
    return [reply.text if isinstance(reply, Reply) else str(reply) for reply in replies]


def test_all_that_is_asked_at_once_goes_out_together(bench):
    one = bench()
    assert texts(one.ask("a", "b", "c")) == ["A", "B", "C"]
    assert len(one.batches.begun) == 1


def test_those_who_come_a_little_later_without_waiting_for_anybody_are_taken_too(bench):
    one = bench()
    client = one.client()

    async def late(passes):
        for _ in range(passes):
            await asyncio.sleep(0)
        return await client.ask(request(f"after {passes}"))

    assert texts(one.run(*(late(passes) for passes in (0, 3, 9, 15)))) == ["AFTER 0", "AFTER 3", "AFTER 9", "AFTER 15"]
    assert len(one.batches.begun) == 1


def test_what_is_asked_after_the_wave_is_asked_live(bench):
    one = bench()
    client = one.client()

    async def twice():
        return [await client.ask(request("first")), await client.ask(request("second"))]

    [replies] = one.run(twice())
    assert texts(replies) == ["FIRST", "live"]


def test_a_reply_costs_half(bench):
    [reply] = bench().ask("a", price=lambda usage: 0.5 * usage.output_tokens)
    assert reply.cost_usd == 0.25
    assert not reply.cached


def test_a_reply_takes_as_long_as_the_batch_took(bench):
    one = bench(states=("validating", ("in_progress", 1, 0), "completed"))
    [reply] = one.ask("a")
    assert one.clock.slept == [5.0, 10.0]
    assert reply.latency_s == 15.0


def test_files_are_split_at_the_limits_of_the_provider(bench):
    one = bench(limits=Limits(requests=2))
    assert texts(one.ask("a", "b", "c", "d", "e")) == ["A", "B", "C", "D", "E"]
    assert sorted(len(content.splitlines()) for content in one.batches.uploaded.values()) == [1, 2, 2]
    assert len(one.batches.begun) == 3


@given(
    st.lists(st.text(max_size=40), unique=True),
    st.integers(min_value=1, max_value=4),
    st.integers(min_value=1, max_value=900),
)
def test_files_hold_every_request_once_in_order_and_keep_to_the_limits(words, most, size):
    asked = {request_key(one): one for one in map(request, words)}
    files = list(batch_files(asked, Limits(requests=most, size=size)))
    assert [key for file in files for key in file.keys] == list(asked)
    lines = [json.loads(line) for file in files for line in file.content.split(b"\n") if line]
    assert [line["custom_id"] for line in lines] == list(asked)
    assert [line["body"]["messages"][-1]["content"] for line in lines] == words
    for file in files:
        assert len(file.keys) <= most
        assert len(file.content) <= size or len(file.keys) == 1


def test_the_limits_are_the_providers():
    assert Limits() == Limits(requests=50_000, size=200_000_000)


def test_answers_are_found_by_their_key_in_any_order_and_rubbish_is_passed_over():
    good = {"custom_id": "k1", "response": {"status_code": 200, "body": completion("one")}, "error": None}
    refused = {"custom_id": "k2", "response": {"status_code": 400, "body": {"error": {"message": "no"}}}}
    lost = {"custom_id": "k3", "response": None, "error": {"code": "batch_expired", "message": "too late"}}
    empty = {"custom_id": "k4", "response": {"status_code": 200, "body": {"choices": []}}}
    rubbish = [b"", b"[]", b'{"custom_id": 3}', b'{"custom']
    contents = [b"\n".join([json.dumps(line).encode() for line in (lost, good)] + rubbish)]
    contents.append(b"\n".join(json.dumps(line).encode() for line in (refused, empty)))
    found = read_answers(contents, latency_s=2.0)
    assert found["k1"].text == "one"
    assert [found[key].message for key in ("k2", "k3")] == ["400: no", "too late"]
    assert "no choices" in found["k4"].message
    assert set(found) == {"k1", "k2", "k3", "k4"}


def test_the_wait_is_given_up_after_many_looks_without_news(bench):
    one = bench(states=(Fault.status(500),))
    [error] = one.ask("a")
    assert isinstance(error, ModelCallError)
    assert one.batches.looks == PATIENCE
    assert [sent.batch for sent in one.log.read()] == ["batch_1"]


@pytest.mark.parametrize("what", ["upload", "fetch"])
def test_files_that_do_not_go_through_are_tried_three_times(bench, what):
    one = bench(faults={what: [Fault.status(503), Fault.broken_off()]})
    assert texts(one.ask("a")) == ["A"]


LOST = [Fault.broken_off(), Fault.reset(), Fault.status(504), Fault.page(), Fault(body='{"id": "batch_1"}')]


@pytest.mark.parametrize("fault", LOST)
def test_a_batch_whose_answer_got_lost_is_found_and_not_begun_again(bench, fault):
    one = bench(faults={"begun": [fault]})
    assert texts(one.ask("a")) == ["A"]
    assert list(one.batches.begun) == ["batch_1"]
    one.gathering.settle()
    assert one.log.read() == []


@pytest.mark.parametrize("fault", LOST)
def test_a_batch_that_was_not_begun_is_begun_when_the_list_does_not_hold_it(bench, fault):
    one = bench(faults={"begin": [fault]})
    assert texts(one.ask("a")) == ["A"]
    assert list(one.batches.begun) == ["batch_1"]


def test_a_lost_batch_is_found_behind_many_others(bench):
    one = bench(limits=Limits(requests=1), page=2, faults={"begun": [Fault.broken_off()] * 5})
    assert texts(one.ask("a", "b", "c", "d", "e")) == ["A", "B", "C", "D", "E"]
    assert len(one.batches.begun) == 5


@pytest.mark.parametrize("silence", [Fault.status(503), Fault.broken_off(), Fault.status(404)])
def test_where_the_list_is_not_told_nothing_is_begun_again_and_the_next_run_looks_first(bench, silence):
    one = bench(faults={"begun": [Fault.broken_off()], "list": [silence] * 3})
    [error] = one.ask("a")
    assert "the batch could not be sent: no answer from http://127.0.0.1" in str(error)
    assert "it looks for the batch before it sends another" in str(error)
    assert [(sent.batch, sent.file) for sent in one.log.read()] == [("", "file-1")]
    one.batches._faults.clear()
    one.begin()
    assert texts(one.ask("a")) == ["A"]
    assert list(one.batches.begun) == ["batch_1"]
    assert [sent.batch for sent in one.log.read()] == ["batch_1"]


def test_a_run_that_was_killed_before_its_batch_was_begun_sends_it_again(bench):
    one = bench()
    one.log.add(Sent("", one.server.base_url, "m", None, 0.0, "", (request_key(request("a")),), "file-9"))
    assert texts(one.ask("a")) == ["A"]
    assert list(one.batches.begun) == ["batch_1"]
    assert [sent.file for sent in one.log.read()] == ["file-1"]


def test_a_run_that_cannot_find_out_whether_a_batch_was_begun_does_not_send_it(bench):
    one = bench(faults={"list": [Fault.status(503)] * 3})
    one.log.add(Sent("", one.server.base_url, "m", None, 0.0, "", (request_key(request("a")),), "file-9"))
    first, second = one.ask("a", "b")
    assert "batch file-9: 503: scripted 503 (run the same command again: it looks" in str(first)
    assert second.text == "B"
    assert "file-9" in [sent.file for sent in one.log.read()]


def test_a_refused_key_does_not_make_a_batch_forgotten(bench):
    one = bench(states=(Fault.status(500),))
    one.ask("a")
    one.begin()
    one.batches._faults["look"] = [Fault.status(401)]
    [error] = one.ask("a")
    assert "the server did not accept the key" in str(error)
    assert [sent.batch for sent in one.log.read()] == ["batch_1"]
    assert len(one.batches.uploaded) == 1


def test_answers_that_the_provider_deleted_are_asked_again(bench):
    one = bench(states=(Fault.status(500),))
    one.ask("a")
    one.begin()
    one.batches.begun["batch_1"].states = ["completed"]
    one.batches.states = ("completed",)
    one.batches._faults["fetch"] = [Fault.status(404)]
    assert texts(one.ask("a")) == ["A"]
    assert list(one.batches.begun) == ["batch_1", "batch_2"]


def test_a_request_without_an_answer_is_an_error_and_is_asked_by_the_next_run(bench):
    one = bench(answered=1)
    first, second = one.ask("a", "b")
    assert first.text == "A"
    assert "batch batch_1 has no answer to this request (run the same command again" in str(second)
    one.gathering.settle()
    one.begin()
    assert texts(one.ask("b")) == ["B"]


@pytest.mark.parametrize("fault", [Fault.page(), Fault.truncated_json(), Fault(body="[]")])
def test_an_answer_that_is_none_is_an_error(bench, fault):
    [error] = bench(faults={"begin": [fault] * 3}).ask("a")
    assert isinstance(error, ModelCallError)
    assert "the answer" in str(error)


def test_a_key_that_the_server_repeats_at_the_edge_of_a_message_shows_no_part_of_itself(bench):
    said = json.dumps({"padding": "x" * 170, "key": "sk-very-secret-0123456789"})
    one = bench(faults={"begin": [Fault(body=said)] * 3}, key="sk-very-secret-0123456789")
    [error] = one.ask("a")
    assert "sk-" not in str(error)


def test_a_refused_key_names_its_variable_and_not_itself(bench):
    [error] = bench(faults={"upload": [Fault.status(401)]}).ask("a")
    assert "the server did not accept the key in OPENAI_API_KEY" in str(error)


def test_errors_are_the_askers_own(bench):
    first, second = bench(faults={"upload": [Fault.status(400)]}).ask("a", "b")
    assert first is not second


def test_when_nobody_waits_any_more_nothing_is_sent(bench):
    one = bench()
    client = one.client()

    async def leave():
        task = asyncio.create_task(client.ask(request("a")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        for _ in range(50):
            await asyncio.sleep(0)
        return task.cancelled()

    assert one.run(leave()) == [True]
    assert one.batches.uploaded == {}


def test_a_log_that_cannot_be_read_is_an_error_before_anything_is_sent(bench, tmp_path):
    (tmp_path / ".metaprompt").write_text("not a folder")
    one = bench()
    [error] = one.ask("a")
    assert isinstance(error, FileAccessError)
    assert one.batches.uploaded == {}


def test_a_log_that_cannot_be_written_is_told_and_the_batch_goes_on(bench, tmp_path):
    (tmp_path / ".metaprompt").mkdir()
    (tmp_path / ".metaprompt" / "batches.jsonl").symlink_to(tmp_path / "nowhere" / "at all")
    one = bench()
    assert texts(one.ask("a")) == ["A"]
    assert "batch batch_1 cannot be found again by another run" in one.warned[0]


def test_what_was_fetched_leaves_the_log_when_the_replies_are_safe(bench):
    one = bench()
    one.ask("a")
    assert [sent.keys for sent in one.log.read()] == [(request_key(request("a")),)]
    one.gathering.settle()
    assert one.log.read() == []
    assert not one.log.path.exists()


def test_the_log_is_hidden_from_git_and_holds_no_key(bench):
    one = bench()
    one.ask("a")
    assert "*" in (one.log.path.parent / ".gitignore").read_text()
    assert "sk-1" not in one.log.path.read_text()


sents = st.builds(
    Sent,
    batch=st.text(min_size=1),
    server=st.text(),
    model=st.text(),
    api_key_env=st.none() | st.text(),
    began=st.floats(allow_nan=False, allow_infinity=False),
    digest=st.text(),
    keys=st.lists(st.text(), min_size=1, unique=True).map(tuple),
    file=st.text(min_size=1),
)


@given(st.lists(sents, unique_by=lambda sent: sent.file))
def test_a_batch_is_read_as_it_was_written(tmp_path_factory, written):
    log = BatchLog(tmp_path_factory.mktemp("log"))
    for sent in written:
        log.add(sent)
    assert log.read() == written


def test_live_calls_keep_to_their_room():
    most, under_way = 0, 0

    class Slow:
        async def ask(self, asked):
            nonlocal most, under_way
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            return Reply("x")

    room = Room(3)
    client = RoomClient(Slow(), room)

    async def all_of_them():
        await asyncio.gather(*(client.ask(request(str(n))) for n in range(20)))

    asyncio.run(all_of_them())
    assert most == 3
    assert room.calls == {"openai:m": 20}


def test_a_batch_of_another_account_is_left_alone(bench):
    one = bench(states=(Fault.status(500),))
    one.ask("a")
    one.begin()
    one.batches.states = ("completed",)
    other = ModelSpec("openai", "m", api_key_env="OPENAI_BASE_URL")
    assert texts(one.run(one.client().ask(request("a", model=other)))) == ["A"]
    assert [sent.batch for sent in one.log.read()] == ["batch_1", "batch_2"]
