"""Log URLs and record headers of both runtimes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.event import Event
from streams.errors import UsageError
from streams.log import Headers
from streams.processors import PROCESSORS
from streams.runtimes.headers import ce_headers, pack_headers, unpack_headers
from streams.runtimes.urls import LogUrl, open_reader, open_writer, parse_url

from ...stateful.tiny import policy
from ...v2_strategies import any_event


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("sqlite:///orch.db", LogUrl("sqlite", "orch.db")),
        ("sqlite:////var/lib/orch.db", LogUrl("sqlite", "/var/lib/orch.db")),
        ("sqlite:///a b?c#d%20.db", LogUrl("sqlite", "a b?c#d%20.db")),
        ("orch.db", LogUrl("sqlite", "orch.db")),
        ("/var/lib/orch.db", LogUrl("sqlite", "/var/lib/orch.db")),
        ("~/logs/orch", LogUrl("sqlite", "~/logs/orch")),
        ("./12:30.db", LogUrl("sqlite", "./12:30.db")),
        ("kafka://one:9092,two:9092", LogUrl("kafka", "one:9092,two:9092")),
        ("parquet:archive/2026", LogUrl("parquet", "archive/2026")),
    ],
)
def test_url_has_scheme_and_target(url: str, parsed: LogUrl) -> None:
    """A path stands in a URL as it is, relative or absolute; nothing in it is an option or an escape."""
    assert parse_url(url) == parsed


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("sqlite:orch.db", "Did you mean sqlite:///orch.db?"),
        ("sqlite://orch.db", "Did you mean sqlite:///orch.db?"),
        ("sqlite:///", "Did you mean sqlite:///orch.db?"),
        ("sqlite:///:memory:", "Did you mean sqlite:///orch.db?"),
        ("sqlite:///a\nb", "Use sqlite:///FILE"),
        ("postgres://me:secret@host/db", "Use sqlite:///FILE"),
        ("kafka:host", "Use sqlite:///FILE"),
        ("kafka", "Use sqlite:///FILE"),
        ("localhost:9092", "Use sqlite:///FILE"),
        ("12:30.db", "Use sqlite:///FILE"),
        ("parquet:", "Use sqlite:///FILE"),
        ("", "Use sqlite:///FILE"),
    ],
)
def test_wrong_url_is_refused_with_what_was_meant(url: str, remedy: str) -> None:
    """A URL that cannot be read says what was probably meant, and never repeats a password."""
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert caught.value.remedy.startswith(remedy)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("before", ["sqlite:///", ""])
def test_url_or_path_opens_writer_and_reader(tmp_path: Path, before: str) -> None:
    """What is written through a URL, or at a path, is read through it."""
    url = f"{before}{tmp_path}/orch.db"
    with open_writer(url) as log:
        log.append(policy())
        log.commit()
    with open_reader(url) as view:
        assert [record.value for record in view.records()] == [policy().encode()]
        assert [record.timestamp_ms > 1_700_000_000_000 for record in view.records()] == [True]


def test_writer_folds_where_it_hosts_processors(tmp_path: Path) -> None:
    """With processors the writer of a file folds what it appends; without, there is nothing to ask for that."""
    url = f"sqlite:///{tmp_path}/orch.db"
    with open_writer(url) as log:
        assert log.folding() is None
    with open_writer(url, PROCESSORS) as log:
        assert log.folding() is log


def test_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that begins with ~ lies in the home directory, though no shell expands it inside a URL."""
    monkeypatch.setenv("HOME", str(tmp_path))
    open_writer("sqlite:///~/orch.db").close()
    assert (tmp_path / "orch.db").exists()


def test_path_may_hold_any_character(tmp_path: Path) -> None:
    """Characters that mean something in a URI are part of the file's name."""
    for name in ("a b.db", "what?mode=memory", "50%.db", "a#b", "ü.db", "a&b=c"):
        open_writer(f"sqlite:///{tmp_path}/{name}").close()
        assert (tmp_path / name).exists()
        open_reader(f"sqlite:///{tmp_path}/{name}").close()


def test_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A URL that leads to no archive says how one is made."""
    with pytest.raises(UsageError, match="orch export DIR"):
        open_reader(f"parquet:{tmp_path}/archive")


def test_archive_is_not_written() -> None:
    """An archive is read-only by nature, in any version."""
    with pytest.raises(UsageError, match="read-only"):
        open_writer("parquet:archive")


@given(any_event)
def test_cloud_event_headers_follow_from_the_event(event: Event) -> None:
    """Id, type, source and time are the event's own, as CloudEvents 1.0 wants them."""
    headers = dict(ce_headers(event))
    assert headers["ce_id"].decode() == event.event_id
    assert headers["ce_type"].decode() == event.kind
    assert headers["ce_source"].decode() == f"/{event.topic}"
    assert headers["ce_time"].decode() == event.occurred_at
    assert headers["ce_specversion"] == b"1.0"


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.binary())).map(tuple))
def test_headers_survive_storage(headers: Headers) -> None:
    """Order, repetition, any byte of a header and its want of a value come back."""
    assert unpack_headers(pack_headers(headers)) == headers


def test_no_headers_take_no_room() -> None:
    """A record without foreign headers stores none."""
    assert pack_headers(()) is None
