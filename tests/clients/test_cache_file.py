import asyncio
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from pytest_metaprompt.clients.cache import AnewStore, CachedClient
from pytest_metaprompt.clients.cache_file import CacheFile, CacheStore
from pytest_metaprompt.testing import ScriptedClient
from tests.clients.asking import ask, request

MANY = """
import asyncio, sys
from pathlib import Path
from pytest_metaprompt.clients.cache import CachedClient
from pytest_metaprompt.clients.cache_file import CacheFile, CacheStore
from pytest_metaprompt.testing import ScriptedClient
from tests.clients.asking import request

async def ask_all():
    for number in range(300):
        assert (await client.ask(request(f"{number}"))).text == f"reply to {number}"

file = CacheFile(Path(sys.argv[1]), days=1, megabytes=100, warn=lambda text: sys.exit(text))
client = CachedClient(ScriptedClient(lambda asked: f"reply to {asked.messages[-1].content}"),
                      CacheStore(file, identity="x", secrets=frozenset()))
asyncio.run(ask_all())
file.close()
"""


def opened(tmp_path, *, days=14, megabytes=100, clock=time.time, warnings=None, identity="server"):
    warn = warnings.append if warnings is not None else print
    file = CacheFile(tmp_path / "own" / "cache.db", days=days, megabytes=megabytes, clock=clock, warn=warn)
    return file, CacheStore(file, identity=identity, secrets=frozenset({"sk-secret"}))


def counting():
    return ScriptedClient(lambda asked: f"reply to {asked.messages[-1].content}")


def test_a_reply_outlives_the_process_that_asked(tmp_path):
    file, store = opened(tmp_path)
    first = ask(CachedClient(counting(), store))
    file.close()
    inner = counting()
    again = ask(CachedClient(inner, opened(tmp_path)[1]))
    assert (again.text, again.cached, first.cached) == (first.text, True, False)
    assert not inner.requests


def test_another_server_behind_the_same_name_is_asked(tmp_path):
    file, store = opened(tmp_path, identity="http://one/v1")
    ask(CachedClient(counting(), store))
    file.close()
    inner = counting()
    ask(CachedClient(inner, opened(tmp_path, identity="http://two/v1")[1]))
    assert len(inner.requests) == 1


def test_nothing_is_made_on_disk_before_there_is_a_reply(tmp_path):
    file, store = opened(tmp_path)
    assert store.get("key", request()) is None
    file.close()
    assert not list(tmp_path.iterdir())


def test_replies_older_than_the_days_are_asked_again_and_removed(tmp_path):
    now = 1_000_000.0
    file, store = opened(tmp_path, days=2, clock=lambda: now)
    ask(CachedClient(counting(), store))
    file.close()
    now += 2 * 86_400 + 1
    file, store = opened(tmp_path, days=2, clock=lambda: now)
    assert store.get("key", request()) is None
    inner = counting()
    ask(CachedClient(inner, store))
    assert len(inner.requests) == 1
    file.close()


def test_the_file_stays_within_its_size_and_the_oldest_go_first(tmp_path):
    now = 0.0
    file, store = opened(tmp_path, days=99, megabytes=1, clock=lambda: now)
    inner = ScriptedClient(lambda asked: "x" * 20_000)
    client = CachedClient(inner, store)
    for number in range(100):
        now += 1.0
        ask(client, request(f"{number}"))
    file.close()
    assert sum(path.stat().st_size for path in (tmp_path / "own").glob("cache.db*")) <= 1.1e6
    _, store = opened(tmp_path, days=99, megabytes=1, clock=lambda: now)
    client = CachedClient(inner, store)
    assert [ask(client, request(one)).cached for one in ("99", "0")] == [True, False]


def test_asking_anew_replaces_what_was_stored(tmp_path):
    file, store = opened(tmp_path)
    ask(CachedClient(ScriptedClient(lambda asked: "old"), store))
    assert ask(CachedClient(ScriptedClient(lambda asked: "new"), AnewStore(store))).text == "new"
    file.close()
    assert ask(CachedClient(counting(), opened(tmp_path)[1])).text == "new"


def test_a_secret_in_a_reply_does_not_reach_the_disk(tmp_path):
    file, store = opened(tmp_path)
    ask(CachedClient(ScriptedClient(lambda asked: "the key is sk-secret"), store))
    file.close()
    assert ask(CachedClient(counting(), opened(tmp_path)[1])).text == "the key is ***"


def test_a_damaged_row_is_asked_again(tmp_path):
    file, store = opened(tmp_path)
    ask(CachedClient(counting(), store))
    file.close()
    with sqlite3.connect(tmp_path / "own" / "cache.db") as raw:
        raw.execute("UPDATE replies SET reply = '{\"text\": 3}'")
    raw.close()
    inner = counting()
    ask(CachedClient(inner, opened(tmp_path)[1]))
    assert len(inner.requests) == 1


def test_a_file_of_another_version_is_emptied(tmp_path):
    (tmp_path / "own").mkdir()
    with sqlite3.connect(tmp_path / "own" / "cache.db") as raw:
        raw.execute("CREATE TABLE replies (something INTEGER)")
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    warnings = []
    file, store = opened(tmp_path, warnings=warnings)
    ask(CachedClient(counting(), store))
    file.close()
    assert ask(CachedClient(counting(), opened(tmp_path)[1])).cached
    assert not warnings


def test_a_file_damaged_in_the_middle_of_a_run_is_set_aside_once(tmp_path):
    warnings = []
    file, store = opened(tmp_path, warnings=warnings)
    client = CachedClient(counting(), store)
    ask(client)
    file.close()
    path = tmp_path / "own" / "cache.db"
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 40_000)
    file, store = opened(tmp_path, warnings=warnings)
    client = CachedClient(counting(), store)
    assert ask(client).text == ask(client).text
    file.close()
    assert len(warnings) == 1
    assert ask(CachedClient(counting(), opened(tmp_path)[1])).cached


def test_processes_share_one_file(tmp_path):
    path = tmp_path / "own" / "cache.db"
    running = [subprocess.Popen([sys.executable, "-c", MANY, str(path)]) for _ in range(4)]
    assert [process.wait(timeout=120) for process in running] == [0] * 4
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM replies").fetchone() == (300,)
    raw.close()


def test_a_process_that_is_just_beginning_with_the_file_is_waited_for(tmp_path):
    (tmp_path / "own").mkdir()
    other = sqlite3.connect(tmp_path / "own" / "cache.db", check_same_thread=False)
    other.execute("CREATE TABLE theirs (a)")
    other.execute("BEGIN IMMEDIATE")
    warnings = []
    file, store = opened(tmp_path, warnings=warnings)
    done = threading.Timer(0.5, other.close)
    done.start()
    ask(CachedClient(counting(), store))
    file.close()
    done.join()
    assert warnings == []
    inner = counting()
    assert ask(CachedClient(inner, opened(tmp_path)[1])).cached


def test_ten_thousand_replies_are_read_in_well_under_a_second(tmp_path):
    requests = [request(f"take {number}", system="You read numbers. " * 20) for number in range(10_000)]

    async def ask_all(client):
        for asked in requests:
            await client.ask(asked)

    spent = []
    for _ in range(2):
        file, store = opened(tmp_path)
        client = CachedClient(ScriptedClient(lambda asked: "x" * 200), store)
        began = time.process_time()
        asyncio.run(ask_all(client))
        file.close()
        spent.append(time.process_time() - began)
    assert spent[1] < 1.0, spent


@pytest.mark.skipif(sys.platform == "win32", reason="the rights are those of POSIX")
def test_a_folder_that_may_not_be_entered_is_told_and_everything_is_asked(own_folder):
    file, store = opened(own_folder)
    ask(CachedClient(counting(), store))
    file.close()
    (own_folder / "own").chmod(0)
    warnings, inner = [], counting()
    file, store = opened(own_folder, warnings=warnings)
    assert ask(CachedClient(inner, store)).text == "reply to hello"
    file.close()
    assert len(inner.requests) == 1
    assert len(warnings) == 1
    assert "cannot be used, so it is left out: Permission denied" in warnings[0]
