"""Ten thousand hostile inputs in a log file."""

from contextlib import suppress
from pathlib import Path

from schemas.decisions import DecisionMade
from schemas.panels import PanelAssigned
from schemas.registry import InvalidRecord, decode
from streams.audit.replay.replay import replay
from streams.errors import UsageError
from streams.processors import PROCESSORS
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.topology import DEAD_LETTERS

from ...hostile_records import INPUTS, hostile_records
from ...worlds import analysis, by_odds, question

NUMBER = 10_000


def test_the_log_goes_on(tmp_path: Path) -> None:
    """No input stops the folds; the question behind them is decided, and a replay finds no difference."""
    path, taken = tmp_path / "orch.db", 0
    with EmbeddedWriter(path, PROCESSORS, clock=lambda: 1_800_000_000_000) as writer:
        writer.append(by_odds("ann", "bob"))
        for record in hostile_records(NUMBER, seed=11):
            if record.topic not in INPUTS:
                continue
            with suppress(InvalidRecord, UsageError):
                event = decode(record.topic, record.value, record.timestamp_ms)
                taken += writer.append(event) is not None
            writer.fold()
        writer.append(question("honest"))
        (panel,) = (one.event for one in writer.fold() if isinstance(one.event, PanelAssigned))
        for agent in ("ann", "bob"):
            writer.append(analysis(panel, agent))
        assert [one.event.key for one in writer.fold() if isinstance(one.event, DecisionMade)] == ["honest"]
        writer.commit()
    assert taken > NUMBER // 20
    with EmbeddedReader(path) as reader:
        assert sum(1 for _ in reader.records((DEAD_LETTERS,))) > 100
        assert replay(reader).different == 0
