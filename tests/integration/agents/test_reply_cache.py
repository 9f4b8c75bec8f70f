"""The reply cache: contents, exclusions and durability."""

import multiprocessing
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from streams.agents.providers.completion import Completion
from streams.agents.reply_cache import ReplyCache
from streams.errors import OperatorError

REPLY = Completion(
    text="(B) \U0001f600 \u00fc",
    reported_model="m-2024",
    fingerprint="fp",
    finish_reason="stop",
    input_tokens=7,
    output_tokens=3,
)


def test_a_reply_is_kept_for_the_next_process(tmp_path: Path) -> None:
    """What one store kept, another on the same file finds, exactly as it was; nothing else is found."""
    with ReplyCache(str(tmp_path / "r.db")) as store:
        assert store.get("h") is None
        store.put("h", REPLY)
    with ReplyCache(str(tmp_path / "r.db")) as store:
        assert store.get("h") == REPLY
        assert store.get("other") is None


def test_a_text_that_is_not_valid_unicode_is_kept(tmp_path: Path) -> None:
    """Lone surrogates, which JSON of providers may hold, come back as they were."""
    with ReplyCache(str(tmp_path / "r.db")) as store:
        store.put("h", replace(REPLY, text="\ud800"))
        found = store.get("h")
    assert found is not None
    assert found.text == "\ud800"


@pytest.mark.parametrize(
    "reply",
    [
        replace(REPLY, finish_reason="length"),
        replace(REPLY, finish_reason="content_filter"),
        replace(REPLY, finish_reason=None),
        replace(REPLY, text=""),
    ],
    ids=["length", "filter", "unknown", "empty"],
)
def test_only_whole_replies_are_kept(tmp_path: Path, reply: Completion) -> None:
    """A reply that was cut off, filtered or empty is asked for again."""
    with ReplyCache(str(tmp_path / "r.db")) as store:
        store.put("h", reply)
        assert store.get("h") is None


@pytest.mark.parametrize(
    "row",
    [
        b"\xff",
        "{",
        "[]",
        "null",
        "{}",
        '{"text": "x"}',
        '{"text": null, "reported_model": null, "fingerprint": null, "finish_reason": "stop", "input_tokens": null,'
        ' "output_tokens": null}',
        '{"text": "x", "reported_model": null, "fingerprint": null, "finish_reason": "stop", "input_tokens": true,'
        ' "output_tokens": null}',
        '{"text": "x", "reported_model": null, "fingerprint": null, "finish_reason": "length", "input_tokens": 1,'
        ' "output_tokens": null}',
    ],
    ids=["bytes", "half", "list", "null", "nothing", "part", "no-text", "bool", "length"],
)
def test_a_damaged_row_is_no_reply(tmp_path: Path, row: str | bytes) -> None:
    """What cannot be read counts as not kept, and is replaced by what comes next."""
    path = str(tmp_path / "r.db")
    with ReplyCache(path) as store:
        raw = sqlite3.connect(path)
        raw.execute("INSERT INTO replies VALUES ('h', ?)", (row,))
        raw.commit()
        raw.close()
        assert store.get("h") is None
        store.put("h", REPLY)
        assert store.get("h") == REPLY


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    """The error says which file, and that another may be named."""
    path = tmp_path / "notes.txt"
    path.write_text("notes, long enough to be no header of a database" * 10)
    with pytest.raises(OperatorError, match=r"notes\.txt: file is not a database\. Name another file") as caught:
        ReplyCache(str(path))
    assert caught.value.exit_code == 3
    with pytest.raises(OperatorError):
        ReplyCache(str(tmp_path / "no-such-folder" / "r.db"))


def test_a_store_that_fails_stops_nothing(tmp_path: Path) -> None:
    """While the file cannot be used nothing is found and nothing kept, and that is said once."""
    path = str(tmp_path / "r.db")
    with ReplyCache(path) as store:
        raw = sqlite3.connect(path)
        raw.execute("DROP TABLE replies")
        raw.close()
        with structlog.testing.capture_logs() as lines:
            store.put("h", REPLY)
            assert store.get("h") is None
    assert [line["event"] for line in lines] == ["replies_failing"]


def test_a_closed_store_is_empty(tmp_path: Path) -> None:
    """After its end a store finds and keeps nothing; closing it twice is no error."""
    store = ReplyCache(str(tmp_path / "r.db"))
    store.close()
    store.close()
    store.put("h", REPLY)
    assert store.get("h") is None


def _write(path: str, process: int) -> None:
    with ReplyCache(path) as store:
        for number in range(100):
            store.put(f"{number}", replace(REPLY, text=f"{process}"))
            store.put(f"{process}-{number}", REPLY)


@pytest.mark.process
def test_several_processes_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that write at the same time lose none of each other's replies."""
    # They import this module, by the path they are given from here.
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[3])
    path = str(tmp_path / "r.db")
    # Fresh interpreters: a fork would take over the threads and loops of other tests.
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write, args=(path, process)) for process in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with ReplyCache(path) as store:
        assert all(store.get(f"{process}-{number}") == REPLY for process in range(3) for number in range(100))
        assert all(store.get(f"{number}") is not None for number in range(100))
