"""Archive of a log on a real broker, beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.app.sql import views_of
from streams.app.workspace import Workspace
from streams.audit.explain.explain import explain
from streams.audit.replay.replay import replay
from streams.audit.views import catalog
from streams.runtimes.archive.export import export_log
from streams.runtimes.archive.opening import open_archive
from streams.runtimes.urls import open_reader
from streams.topology import ASSIGNMENTS, FEEDBACK, QUESTIONS, TOPICS

from ...conformance.hosts import KafkaHost, hosted, of
from ...worlds import analysis, gold, newest, policy, question

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def host(broker: Any, tmp_path: Path) -> Iterator[KafkaHost]:
    """Give a log with decisions, lessons, other spellings, garbage and a misplaced record."""
    with hosted("kafka", tmp_path, broker.bootstrap) as opened:
        assert isinstance(opened, KafkaHost)
        opened.put(newest(policy("a", "b")), question("q1"), question("q2"))
        opened.put_bytes(QUESTIONS, b'{"question_id": "q3", "text": "?", "options": ["x", "y"]}', key="q3")
        opened.put_bytes(QUESTIONS, b"garbage", key="q1")
        opened.put_bytes(FEEDBACK, b'{"question_id": "q1", "source": "gold", "answer": "A"}', key="", partition=7)
        for opener in of(opened, ASSIGNMENTS)[:2]:
            opened.put(*[analysis(opener, seat.agent, "A") for seat in opener.stage.seats])  # type: ignore[attr-defined]
        yield opened


def test_an_archive_is_the_cluster(host: KafkaHost, tmp_path: Path) -> None:
    """Exported in two steps, a log on Kafka reads, explains, answers and proves itself as the cluster does."""
    url, folder = host._connection.url, tmp_path / "archive"
    with open_reader(url) as reader:
        first = export_log(reader, folder, written_by="a test")
    host.put(gold("A", "q2"))
    with open_reader(url) as reader:
        second = export_log(reader, folder, written_by="a test")
        assert second.added > 0
        assert second.manifest.segments[: len(first.manifest.segments)] == first.manifest.segments
        with open_archive(folder) as archive:
            for topic in TOPICS:
                ours = [record[:7] for record in archive.records((topic,))]
                assert sorted(ours, key=str) == sorted([record[:7] for record in reader.records((topic,))], key=str)
            assert archive.ends() == reader.ends()
            found, expected = replay(archive), replay(reader)
            assert explain(archive, "q1") == explain(reader, "q1")
            originals = list(archive.originals((QUESTIONS,)))
    assert (found.different, found.first_difference) == (0, None)
    for name in ("events", "derived", "pending", "repeats", "unproved"):
        assert getattr(found, name) == getattr(expected, name), name
    assert {original.form for original in originals} == {"event", "converted", "invalid"}
    assert any(name == "ce_id" for original in originals for name, _ in original.headers)
    with views_of(Workspace(url)) as live, views_of(Workspace(f"parquet:{folder}")) as archived:
        for view in catalog.VIEWS:
            rows = [sorted(views.objects(f"FROM {view}")) for views in (live, archived)]
            assert rows[0] == rows[1], view
        assert orjson.loads(next(live.objects("SELECT count(*) AS n FROM decisions"))) == {"n": 2}
