import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.clients.cassette import (
    Cassette,
    CassetteStore,
    Recording,
    as_line,
    finish_tape,
    open_tape,
    read_line,
    recording_key,
)
from pytest_metaprompt.clients.completions import read_tool_calls
from pytest_metaprompt.clients.nearest import describe_nearest
from pytest_metaprompt.clients.recorded import request_as_json
from pytest_metaprompt.errors import NotRecordedError, SetupError
from pytest_metaprompt.results import Reply, Request, Usage
from pytest_metaprompt.suites import Message, ModelSpec
from tests.clients.asking import request

TEXTS = st.text(st.characters(codec=None), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
REQUESTS = st.builds(
    Request,
    st.builds(
        ModelSpec, st.just("openai"), TEXTS, st.dictionaries(TEXTS.filter(lambda key: key != "timeout_s"), VALUES)
    ),
    st.lists(st.builds(Message, st.sampled_from(["system", "user"]), TEXTS), max_size=3).map(tuple),
    sample=st.integers(0, 9),
)
CALLS = st.lists(
    st.fixed_dictionaries({"name": TEXTS, "arguments": st.one_of(TEXTS, st.just('{"a": 1}'))}, optional={"id": TEXTS}),
    max_size=2,
).map(read_tool_calls)
COUNTS = st.integers(0, 10**6)
REPLIES = st.builds(
    Reply,
    TEXTS,
    CALLS,
    st.none() | TEXTS,
    st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS),
    st.floats(0, 100).map(lambda seconds: round(seconds, 3)),
    st.none() | st.floats(0, 100),
)


@given(st.builds(Recording, st.sampled_from(["target", "meta"]), REQUESTS.map(request_as_json), REPLIES))
def test_a_line_gives_back_what_was_recorded(recording):
    line = as_line(recording)
    assert len(line.splitlines()) == 1
    again = read_line(line.encode().decode())
    assert (again.role, again.reply, again.key) == (recording.role, recording.reply, recording.key)


@given(REQUESTS, REQUESTS)
def test_a_recording_is_found_by_the_whole_request_and_only_by_that(one, two):
    same = json.dumps(request_as_json(one)) == json.dumps(request_as_json(two))
    assert (recording_key(request_as_json(one)) == recording_key(request_as_json(two))) == same


def test_where_a_request_is_sent_and_how_long_it_may_take_is_not_matched():
    one = request(model=ModelSpec("openai", "m", {"timeout_s": 3}, base_url="http://a/v1", api_key_env="A"))
    assert recording_key(request_as_json(one)) == recording_key(
        request_as_json(request(model=ModelSpec("openai", "m")))
    )


def recorded(text, reply="hi", **kwargs):
    return Recording("target", request_as_json(request(text, **kwargs)), Reply(reply))


def test_the_order_of_the_lines_does_not_depend_on_the_order_of_the_calls():
    calls = [recorded(text, sample=sample) for text in ("b", "a") for sample in (1, 0)]
    texts = [Cassette(calls).text(), Cassette(reversed(calls)).text()]
    assert texts[0] == texts[1]
    assert [
        (json.loads(line)["messages"][0]["content"], json.loads(line)["sample"]) for line in texts[0].splitlines()
    ] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
        ("b", 1),
    ]


def test_a_reply_that_says_the_same_keeps_the_line_as_it_is():
    old = Recording("target", request_as_json(request()), Reply("hi", latency_s=1.0))
    cassette = Cassette([old])
    cassette.add(Recording("target", old.request, Reply("hi", latency_s=2.0)))
    assert cassette.find(old.key).reply.latency_s == 1.0
    cassette.add(Recording("target", old.request, Reply("ho", latency_s=2.0)))
    assert cassette.find(old.key).reply.text == "ho"


def test_a_cassette_is_written_and_read_back(tmp_path):
    path = tmp_path / "cassettes" / "suite.jsonl"
    cassette = Cassette([recorded("a"), recorded("b", "Grüße \u2028 \ud83d")])
    cassette.write(path)
    again = Cassette.load(path, shown="suite.jsonl")
    assert len(again) == 2
    assert again.text() == cassette.text() == path.read_bytes().decode()
    assert len(Cassette.load(tmp_path / "none.jsonl", shown="none")) == 0


def test_what_others_recorded_meanwhile_is_kept(tmp_path):
    path = tmp_path / "suite.jsonl"
    tapes = [open_tape(path, shown="suite.jsonl", mode="new_episodes") for _ in range(2)]
    for number, tape in enumerate(tapes):
        CassetteStore(tape, role="target", secrets=frozenset()).put("", request(str(number)), Reply("hi"))
        finish_tape(tape, whole=True)
    assert len(Cassette.load(path, shown="suite.jsonl")) == 2


def test_a_tape_that_is_only_replayed_is_never_written(tmp_path):
    tape = open_tape(tmp_path / "suite.jsonl", shown="suite.jsonl", mode="none")
    with pytest.raises(NotRecordedError, match=r"there is no cassette suite\.jsonl"):
        CassetteStore(tape, role="target", secrets=frozenset()).get("", request())
    finish_tape(tape, whole=True)
    assert not list(tmp_path.iterdir())


def test_a_line_that_is_no_recording_is_told_with_its_place(tmp_path):
    path = tmp_path / "suite.jsonl"
    path.write_text(as_line(recorded("a")) + '\n{"role": "target", "reply": 1}\n')
    with pytest.raises(SetupError, match=r"suite\.jsonl:2: the cassette cannot be used: not a recorded call"):
        Cassette.load(path, shown="suite.jsonl")


def near(wanted, *others):
    return describe_nearest(request_as_json(wanted), [request_as_json(other) for other in others])


def test_the_nearest_recording_is_the_one_that_says_nearly_the_same():
    wanted = request("I want to cancel order 17", system="Be kind and quote the deadline of 30 days.")
    told = near(
        wanted,
        request("Where is my parcel?", system="Be kind and quote the deadline of 30 days."),
        request("I want to cancel order 17", system="Be kind and quote the deadline of 14 days."),
    )
    assert told == (
        "the nearest recording differs in message 0 (system): '…ote the deadline of 30 days.', "
        "recorded '…ote the deadline of 14 days.'"
    )


def test_every_kind_of_difference_is_named():
    wanted = request("hi", model=ModelSpec("openai", "new", {"seed": 1, "top_p": 0.5}), sample=2)
    other = request("hi", model=ModelSpec("openai", "old", {"seed": 2, "stop": ["x"]}), system="Hello.")
    assert near(wanted, other) == (
        "the nearest recording differs in the model: openai:new, recorded openai:old; seed: 1, recorded 2; "
        'stop: not set, recorded ["x"]; top_p: 0.5, recorded without it; the number of messages: 1, recorded 2; '
        "message 0 (user): 'hi', recorded 'Hello.'; the sample: number 2 of this call, recorded 0"
    )


def test_a_tool_call_in_a_message_that_differs_is_shown():
    one, two = (
        Request(ModelSpec("openai", "m"), (Message("assistant", "", {"tool_calls": [{"name": name}]}),))
        for name in ("pay", "refund")
    )
    assert "pay" in near(one, two)
    assert "refund" in near(one, two)
