"""The parts that pytest-xdist needs: messages between different folders, whole ones, and who runs checks."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_metaprompt.errors import Place
from pytest_metaprompt.plugin.checks import Check
from pytest_metaprompt.plugin.crew import Crew
from pytest_metaprompt.plugin.loop_thread import LoopThread
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.plugin.packing import Packing
from pytest_metaprompt.plugin.session import PromptSession
from pytest_metaprompt.plugin.wires import send_whole_messages
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.suites import Assertion, Case, RoutineRef, Suite

HERE, THERE = Packing(Path("/srv/here")), Packing(Path("/home/me/there"))


@pytest.mark.parametrize("name", ["orders.metaprompt.yaml", "evals/b/orders.yaml", "."])
def test_a_path_below_the_root_arrives_below_the_other_root(name: str) -> None:
    suite = Suite(Path("/home/me/there") / name, RoutineRef(path=Path("/home/me/there/r.md")), ())
    arrived = HERE.unpack(THERE.pack((suite, suite.key)))
    assert arrived == (Suite(Path("/srv/here") / name, RoutineRef(path=Path("/srv/here/r.md")), ()), arrived[0].key)


@pytest.mark.parametrize("path", ["/etc/routines/r.md", "/home/me/there-too/r.md", "relative/r.md"])
def test_any_other_path_arrives_as_it_is(path: str) -> None:
    assert HERE.unpack(THERE.pack(Path(path))) == Path(path)


def test_messages_of_several_threads_do_not_mix_on_a_slow_connection() -> None:
    ours, theirs = socket.socketpair()
    gateway = SimpleNamespace(_io=SimpleNamespace(write=ours.sendall))
    send_whole_messages(gateway)
    send_whole_messages(gateway)  # For every worker behind the same connection.
    size, senders = 3_000_000, b"abcd"
    threads = [threading.Thread(target=gateway._io.write, args=(bytes([one]) * size,)) for one in senders]
    for thread in threads:
        thread.start()
    received = bytearray()
    while len(received) < size * len(senders):
        received += theirs.recv(4096)
    for thread in threads:
        thread.join()
    assert {len(set(received[at : at + size])) for at in range(0, len(received), size)} == {1}


def test_all_threads_that_answer_workers_share_one_event_loop(pytester: pytest.Pytester) -> None:
    state = PromptSession(pytester.parseconfigure(), Options())
    together = threading.Barrier(8)
    found: set[LoopThread] = set()

    def look() -> None:
        together.wait()
        found.add(state.thread)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state.close()
    assert len(found) == 1


CHECK = Check(
    (Path("a"), ""),
    0,
    Attempt(Case("one", Place("a", 1), assertions=(Assertion("python", "False"),))),
)
GOOD = Verdict("python", True, 1.0, "fine")


def test_without_workers_a_check_is_for_nobody() -> None:
    assert Crew().give(CHECK) is None


@pytest.fixture
def crew() -> Crew:
    """Two workers, the first of which has a check."""
    crew = Crew()
    for name in ("gw0", "gw1"):
        crew._under_way[name] = None
    return crew


def test_a_check_of_a_worker_that_left_goes_to_another_one(crew: Crew) -> None:
    verdict = crew.give(CHECK)
    assert crew.next_for("gw0") == CHECK
    crew.left("gw0", died=True)
    assert crew.next_for("gw1") == CHECK
    crew.done("gw0", Verdict("python", False, 0.0, "too late"), 1.0)
    crew.done("gw1", GOOD, 1.0)
    assert verdict is not None
    assert verdict.result() == GOOD


def test_a_worker_that_left_is_given_nothing_any_more(crew: Crew) -> None:
    crew.left("gw0", died=False)
    crew.give(CHECK)
    assert crew.next_for("gw0") is None
    assert crew.next_for("gw1") == CHECK


@pytest.mark.parametrize(
    ("seconds", "goes_on"), [((0.001,) * 4, False), ((0.001,) * 3, True), ((0.001, 1.0) * 2, True)]
)
def test_checks_go_to_workers_if_they_take_longer_than_the_way(
    crew: Crew, seconds: tuple[float, ...], goes_on: bool
) -> None:
    for taken in seconds:
        crew.give(CHECK)
        crew.next_for("gw0")
        crew.done("gw0", GOOD, taken)
    assert (crew.give(CHECK) is not None) is goes_on


@pytest.mark.parametrize("last_died", [True, False])
def test_a_check_that_every_worker_died_of_is_an_error(crew: Crew, last_died: bool) -> None:
    verdict = crew.give(CHECK)
    for name in ("gw0", "gw1"):
        crew.next_for(name)
        crew.left(name, died=name == "gw0" or last_died)
    assert verdict is not None
    assert "python: the worker process that ran it is gone" in str(verdict.exception())


def test_what_waits_when_all_workers_ended_well_is_for_the_controller(crew: Crew) -> None:
    verdict = crew.give(CHECK)
    crew.dismiss()
    assert verdict is not None
    assert type(verdict.exception()).__name__ == "_NobodyError"
