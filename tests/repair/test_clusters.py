"""Which failures stand together: by their verdicts first, and then by what the replies have in common."""

from __future__ import annotations

from dataclasses import replace

from pytest_metaprompt.repair.clusters import cluster, round_robin, siblings
from pytest_metaprompt.results import Observation, Reply, ToolCall
from tests.repair.test_meta_prompt import seen

CHATTY = [
    seen(f"chatty {at}", "m", f"Sure! The order number is {number}.") for at, number in enumerate((48213, 77120, 31905))
]
REFUSING = [
    seen(f"refusing {at}", "m", f"I am sorry, but I cannot help with {what}.")
    for at, what in enumerate(("lids", "returns", "parcels"))
]


def test_failures_of_one_kind_stand_together_and_the_race_alternates_between_kinds() -> None:
    many = [seen(name, "m", "o", reason=f"kind {name[0]}, got '{name}'") for name in ("a1", "a2", "a3", "b1")]
    found = [[one.subject.key for one in group.members] for group in cluster(many)]
    assert found == [["a1", "a2", "a3"], ["b1"]]
    assert [one.subject.key for one in round_robin(many)] == ["a1", "b1", "a2", "a3"]


def test_replies_that_are_worded_alike_are_siblings() -> None:
    assert siblings([*CHATTY, *REFUSING]) == [
        ("chatty 0", "chatty 1", "chatty 2"),
        ("refusing 0", "refusing 1", "refusing 2"),
    ]


def test_replies_of_each_kind_are_a_cluster_and_those_like_no_other_are_one_together() -> None:
    odd = [seen("short", "m", "48213"), seen("empty", "m", "")]
    groups = cluster([odd[0], *CHATTY, *REFUSING, odd[1]])
    assert [[one.subject.key.split()[0] for one in group.members] for group in groups] == [
        ["chatty"] * 3,
        ["refusing"] * 3,
        ["short", "empty"],
    ]


def test_words_that_nearly_every_reply_has_do_not_make_siblings() -> None:
    """Ten failures of five causes, told apart by one word, and one reply that is worded in another way."""
    causes = ("lid", "lid", "box", "box", "bag", "bag", "jar", "jar", "cup", "cup")
    many = [seen(f"{cause} {at}", "m", f"Answer: wrong as a {cause} may go") for at, cause in enumerate(causes)]
    found = siblings([*many, seen("other", "m", "Answer: 12")])
    assert [len(kind) for kind in found] == [2, 2, 2, 2, 2, 1]


def test_the_tools_that_were_called_are_part_of_a_reply() -> None:
    def called(key: str, name: str) -> Observation:
        one = seen(key, "m", "")
        reply = Reply("", tool_calls=(ToolCall(name, {}, "{}"),))
        return replace(one, attempt=replace(one.attempt, reply=reply))

    many = [called(f"{name} {at}", name) for at in range(2) for name in ("cancel", "refund")]
    assert siblings(many) == [("cancel 0", "cancel 1"), ("refund 0", "refund 1")]
