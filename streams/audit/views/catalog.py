"""The views of a log, with examples and their SQL."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

from streams.topology import TOPICS


class View(NamedTuple):
    """
    One view. Its query is in the file of its name; its columns are on the page of this room.

    Attributes:
        shows: One row of it, in words.
        topics: Short names of the topics that it reads.
        example: A query that people run first.
    """

    name: str
    shows: str
    topics: tuple[str, ...]
    example: str

    @property
    def query(self) -> str:
        """The view's query, over the tables of the schema `events`."""
        return files("streams.audit.views").joinpath(f"{self.name}.sql").read_text("utf-8").strip()


VIEWS: Mapping[str, View] = {
    view.name: view
    for view in (
        View(
            "decisions",
            "a decision, or an explicit `undecided`",
            ("decisions",),
            "SELECT policy_id, status, count(*) AS questions, sum(cost_nusd) AS cost_nusd FROM decisions GROUP BY ALL"
            " ORDER BY ALL",
        ),
        View(
            "ballots",
            "a seat of a decided panel: a ballot that counted, or an excluded one with the reason",
            ("decisions",),
            "SELECT agent, count(*) FILTER (counted) AS counted, count(*) FILTER (agrees) AS agreed,"
            " count(*) FILTER (NOT counted) AS excluded FROM ballots GROUP BY agent ORDER BY agent",
        ),
        View(
            "analyses",
            "what one agent answered in one stage, or that it failed",
            ("analyses",),
            "SELECT agent, status, count(*) AS analyses, median(latency_ms) AS latency_ms FROM analyses GROUP BY ALL"
            " ORDER BY ALL",
        ),
        View(
            "attempts",
            "a call of an agent, refused ones included",
            ("analyses",),
            "SELECT agent, outcome, error, count(*) AS attempts FROM attempts GROUP BY ALL ORDER BY ALL",
        ),
        View(
            "feedback",
            "a statement on a question, and whether it was taken back",
            ("feedback",),
            "SELECT source, retracted, count(*) AS statements FROM feedback GROUP BY ALL ORDER BY ALL",
        ),
        View(
            "router_history",
            "an entry of the router's table: an agent's moving averages in one scope",
            ("router",),
            "SELECT agent, max(sequence) AS entries, arg_max(quality_ppb, sequence) / 1e9 AS quality"
            " FROM router_history WHERE scope = '*' GROUP BY agent ORDER BY quality DESC",
        ),
        View(
            "spend",
            "the calls of one agent on one question, with cost and reservations",
            ("analyses", "spending"),
            "SELECT agent, sum(calls) AS calls, sum(cost_nusd) / 1e9 AS usd, sum(unpriced_calls) AS unpriced FROM spend"
            " GROUP BY agent ORDER BY agent",
        ),
        View(
            "disagreements",
            "a decision whose ballots gave more than one answer",
            ("decisions",),
            "SELECT question_id, answer, agreeing, counted, margin FROM disagreements ORDER BY margin, question_id"
            " LIMIT 10",
        ),
        View(
            "undecided",
            "a question without an answer: decided so, or still waiting",
            ("decisions", "questions"),
            "SELECT state, reason, count(*) AS questions FROM undecided GROUP BY ALL ORDER BY ALL",
        ),
        View(
            "policies",
            "an adoption of a policy",
            ("policies",),
            "SELECT policy_id, adopted_at, merge_rule, panel_size, agents FROM policies ORDER BY adopted_at",
        ),
        View(
            "dead_letters",
            "a record that was rejected, with its place, its bytes and the reason",
            ("dead-letters",),
            "SELECT source_topic, reason, count(*) AS letters FROM dead_letters GROUP BY ALL ORDER BY ALL",
        ),
        View(
            "questions",
            "a question as it was first asked",
            ("questions",),
            "SELECT subject, answer_type, count(*) AS questions FROM questions GROUP BY ALL ORDER BY ALL",
        ),
    )
}
"""Every view, by name."""

RECORDS = "records"
"""The table of all records, `log.records`: topic, place, time and original bytes."""
_RECORD_COLUMNS = 'seq, partition, "offset", timestamp_ms, timestamp_type, key, value, headers, correlation, form'


def page() -> str:
    """Read the page that documents the views and their columns."""
    return files("streams.audit.views").joinpath("README.md").read_text("utf-8")


def table_name(topic: str) -> str:
    """Name the table of a topic in the schemas `log` and `events`."""
    return topic.removeprefix("orch.").replace("-", "_")


def topics_behind(names: Sequence[str]) -> tuple[str, ...] | None:
    """Give the topics that these views and tables read; None if one of the names is neither."""
    found: dict[str, None] = {}
    tables = {table_name(topic): topic for topic in TOPICS}
    for name in names:
        schema, _, table = name.rpartition(".")
        if not schema and table in VIEWS:
            found |= dict.fromkeys(f"orch.{topic}" for topic in VIEWS[table].topics)
        elif schema in ("log", "events") and table in tables:
            found[tables[table]] = None
        else:
            return None
    return tuple(found)


def script(tables: Mapping[str, str], repeats: str | None) -> str:
    """
    Write the SQL that makes all views.

    Args:
        tables: Table expression of each topic's records.
        repeats: Table expression of the records that repeat an earlier one, with `seq`; None if there are none.
    """
    once = "" if repeats is None else f" AND seq NOT IN (SELECT seq FROM {repeats})"
    statements = ["CREATE SCHEMA IF NOT EXISTS log", "CREATE SCHEMA IF NOT EXISTS events"]
    for topic, source in tables.items():
        name = table_name(topic)
        statements += [
            f"CREATE OR REPLACE VIEW log.{name} AS SELECT * FROM {source}",
            f"CREATE OR REPLACE VIEW events.{name} AS\nSELECT * FROM log.{name}"
            f" WHERE kind IS NOT NULL AND form IN ('event', 'converted'){once}",
        ]
    parts = [f"SELECT '{topic}' AS topic, {_RECORD_COLUMNS} FROM log.{table_name(topic)}" for topic in tables]
    statements.append(f"CREATE OR REPLACE VIEW log.{RECORDS} AS\n" + "\nUNION ALL ".join(parts))
    statements += [f"-- {view.shows}\nCREATE OR REPLACE VIEW {view.name} AS\n{view.query}" for view in VIEWS.values()]
    return ";\n\n".join(statements) + ";\n"
