"""Views of a log, and what queries may do."""

import random
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from structlog.testing import capture_logs

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.letters import RecordRejected
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from schemas.registry import decode_canonical
from schemas.router import RouterEntry
from streams.app.export import views_script
from streams.app.sql import LogViews, topics_of, views_of
from streams.app.workspace import Workspace
from streams.audit.views import catalog
from streams.errors import UsageError
from streams.runtimes.archive.database import lock_database, open_database
from streams.runtimes.archive.export import export_log
from streams.runtimes.archive.opening import open_archive
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.topology import FEEDBACK, QUESTIONS, TOPICS

from ...layout2 import unpacked
from ...worlds import analysis, newest, policy, question
from ..audit.honest_logs import Story
from ..audit.scattered_log import Scattered

KINDS_OF_LOG = ("file", "archive", "archive of a file of 0.1", "archive of partitions")


def told(folder: Path) -> Path:
    """Write a log file of both versions, with feedback, crashes and changes of the policy."""
    story = Story(folder / "orch.db", 7)
    with capture_logs():
        story.tell()
    return story.path


def scattered() -> Scattered:
    """Write a log in partitions, with repeats, other spellings, misplaced records and garbage."""
    log = Scattered(random.Random(5), clock=lambda: 7)
    log.put(newest(policy("a", "b", "c")))
    for number in range(6):
        log.put(question(f"q{number}"), partition=1 if number == 2 else None)
    plain = {"question_id": "plain", "text": "?", "options": ["a", "b"]}
    log.put_bytes(QUESTIONS, orjson.dumps(plain, option=orjson.OPT_INDENT_2), "plain")
    log.put_bytes(FEEDBACK, b'{"question_id": "q0", "source": "gold", "answer": "A"}', "q0")
    log.put_bytes(QUESTIONS, b"garbage", "q0")
    log.play(lambda opener, agent: analysis(opener, agent, "AB"[len(agent + opener.question_id) % 2]))
    log.repeat(4)
    return log


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Give the URL of each kind of log."""
    folder = tmp_path_factory.mktemp("logs")
    file = told(folder)
    with EmbeddedReader(file) as reader:
        export_log(reader, folder / "archive", written_by="a test")
    old = folder / "old"
    old.mkdir()
    with EmbeddedReader(unpacked("default/half", old)) as reader:
        export_log(reader, old / "archive", written_by="a test")
    scattered().export(folder / "scattered")
    urls = (str(file), f"parquet:{folder}/archive", f"parquet:{old}/archive", f"parquet:{folder}/scattered")
    return dict(zip(KINDS_OF_LOG, urls, strict=True))


@pytest.fixture(scope="module")
def opened(logs: Mapping[str, str]) -> Iterator[Mapping[str, LogViews]]:
    """Open the views of each kind of log."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(views_of(Workspace(url))) for kind, url in logs.items()}


def events(url: str) -> list[Event]:
    """Read the events of a log, each once."""
    with Workspace(url).open_reader() as reader:
        found = [decode_canonical(record.topic, record.value) for record in reader.records()]
    return list({event.event_id: event for event in found}.values())


def objects(views: LogViews, query: str) -> list[dict[str, Any]]:
    """Run a query, and read its rows."""
    return [orjson.loads(line) for line in views.objects(query)]


every_kind = pytest.mark.parametrize("kind", KINDS_OF_LOG)


@every_kind
def test_views_are_the_events(logs: Mapping[str, str], opened: Mapping[str, LogViews], kind: str) -> None:
    """Each view has the rows that its events of either version stand for, once each."""
    found, views = events(logs[kind]), opened[kind]

    def of(*models: type[Event]) -> list[Any]:
        return [event for event in found if isinstance(event, models)]

    def ids(view: str) -> Counter[str]:
        return Counter(row["event_id"] for row in objects(views, f"SELECT event_id FROM {view}"))

    def counted(given: list[Any]) -> Counter[str]:
        return Counter(event.event_id for event in given)

    decided: list[DecisionMade] = of(DecisionMade)
    analyses: list[AnalysisPublished] = of(AnalysisPublished)
    assert ids("decisions") == counted(decided)
    assert ids("analyses") == counted(analyses)
    assert ids("feedback") == counted(of(FeedbackGiven))
    assert ids("router_history") == counted(of(RouterEntry))
    assert ids("policies") == counted(of(PolicyAdopted))
    assert ids("dead_letters") == counted(of(RecordRejected))
    assert {row["question_id"] for row in objects(views, "FROM questions")} == {
        e.question_id for e in of(QuestionAsked)
    }

    ballots = {(e.question_id, b.agent, b.stage, True, b.answer, b.weight) for e in decided for b in e.counted}
    ballots |= {(e.question_id, x.agent, x.stage, False, None, None) for e in decided for x in e.excluded}
    names = ("question_id", "agent", "stage", "counted", "answer", "weight")
    assert {tuple(row[name] for name in names) for row in objects(views, "FROM ballots")} == ballots

    attempts = [(e.event_id, n, a.outcome, a.cost_nusd) for e in analyses for n, a in enumerate(e.attempts, 1)]
    names = ("analysis_id", "number", "outcome", "cost_nusd")
    assert sorted(tuple(row[name] for name in names) for row in objects(views, "FROM attempts")) == sorted(attempts)

    spent = Counter({(e.question_id, e.agent): 0 for e in analyses})
    for event in analyses:
        spent[event.question_id, event.agent] += event.cost_nusd
    assert {(r["question_id"], r["agent"]): r["cost_nusd"] for r in objects(views, "FROM spend")} == spent

    torn = {e.question_id for e in decided if len({ballot.answer for ballot in e.counted}) > 1}
    assert {row["question_id"] for row in objects(views, "FROM disagreements")} == torn
    open_ones = {e.question_id for e in of(QuestionAsked)} - {e.question_id for e in decided}
    without = {(e.question_id, "undecided") for e in decided if e.status == "undecided"}
    without |= {(question_id, "waiting") for question_id in open_ones}
    assert {(row["question_id"], row["state"]) for row in objects(views, "FROM undecided")} == without
    taken_back = {event.feedback_id for event in of(FeedbackRetracted)}
    of_feedback = objects(views, "SELECT event_id FROM feedback WHERE retracted")
    assert {row["event_id"] for row in of_feedback} == taken_back & set(ids("feedback"))


def test_both_versions_are_told(opened: Mapping[str, LogViews]) -> None:
    """The logs of these tests have decisions and entries of both versions, undecided questions and disagreements."""
    kinds = {
        row["kind"]
        for views in opened.values()
        for query in ("SELECT DISTINCT kind FROM decisions", "SELECT DISTINCT kind FROM router_history")
        for row in objects(views, query)
    }
    assert kinds == {"decision.made.v1", "decision.made.v2", "router.entry.v1", "router.entry.v2"}
    for view in catalog.VIEWS:
        assert any(objects(views, f"FROM {view} LIMIT 1") for views in opened.values()), view


def test_an_archive_answers_as_its_log(opened: Mapping[str, LogViews]) -> None:
    """Every view, table and example gives of an archive what it gives of the file."""
    queries = [f"FROM {view} ORDER BY ALL" for view in catalog.VIEWS]
    queries += [view.example for view in catalog.VIEWS.values()]
    queries += [f"FROM log.{catalog.table_name(topic)} ORDER BY seq" for topic in TOPICS]
    for query in queries:
        assert objects(opened["archive"], query) == objects(opened["file"], query)


def test_a_letter_has_its_bytes(opened: Mapping[str, LogViews]) -> None:
    """A dead letter shows the bytes of the rejected record."""
    views = opened["archive of partitions"]
    (row,) = objects(
        views,
        "SELECT value_base64, decode(one.value) AS value FROM dead_letters AS one"
        " JOIN events.dead_letters USING (event_id) WHERE one.reason = 'invalid'",
    )
    assert b64decode(row["value_base64"]) == row["value"].encode() == b"garbage"


@every_kind
def test_the_page_documents_every_column(opened: Mapping[str, LogViews], kind: str) -> None:
    """Views, columns and types on the page are those of the views, on every kind of log."""
    parts = re.split(r"^## (\w+)$", catalog.page(), flags=re.MULTILINE)[1:]
    pages = dict(zip(parts[::2], parts[1::2], strict=True))
    assert list(pages) == list(catalog.VIEWS)
    for name, text in pages.items():
        documented = re.findall(r"^\| `(\w+)` \| (\S.*?) \| \S.*\|$", text, flags=re.MULTILINE)
        columns = opened[kind].run(f"FROM {name} LIMIT 0").columns
        assert documented == [(column.name, column.type) for column in columns]
        assert catalog.VIEWS[name].example in text


def test_a_query_reads_only_its_topics() -> None:
    """Of a log that is no archive, only the topics behind the views of a query are copied; in doubt all."""
    assert topics_of("SELECT * FROM decisions") == ("orch.decisions",)
    assert set(topics_of("FROM spend JOIN events.dead_letters ON true")) == {
        "orch.analyses",
        "orch.spending",
        "orch.dead-letters",
    }
    for query in ("SELECT 1", "FROM log.records", "WITH x AS (FROM decisions) FROM x JOIN undecided ON true"):
        found = topics_of(query)
        assert found == tuple(TOPICS) or {"orch.decisions", "orch.questions"} <= set(found)
    for view in catalog.VIEWS.values():
        assert set(topics_of(f"FROM {view.name}")) == {f"orch.{topic}" for topic in view.topics}
        assert set(re.findall(r"events\.(\w+)", view.query)) == {topic.replace("-", "_") for topic in view.topics}


OTHER_STATEMENTS = {
    "two": "SELECT 1; SELECT 2",
    "none": "",
    "a copy": "COPY (SELECT 1) TO '{folder}/stolen.csv'",
    "a copy over the archive": "COPY (SELECT 1) TO '{file}' (FORMAT parquet)",
    "an explained copy": "EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}' (FORMAT parquet)",
    "a table": "CREATE TABLE mine AS SELECT 1",
    "a view": "CREATE OR REPLACE VIEW decisions AS SELECT 1",
    "a drop": "DROP VIEW decisions",
    "a setting": "SET enable_external_access = true",
    "a database": "ATTACH '{folder}/other.db'",
    "an extension": "INSTALL httpfs",
    "a loaded extension": "LOAD httpfs",
    "a pragma": "PRAGMA database_list",
    "a call": "CALL enable_logging()",
    "an export": "EXPORT DATABASE '{folder}/out'",
    "a prepared statement": "PREPARE x AS SELECT 1",
    "an insertion": "INSERT INTO decisions VALUES (1)",
}
ELSEWHERE = {
    "a text": "SELECT * FROM read_text('{folder}/secret.txt')",
    "a table of text": "SELECT * FROM '{folder}/secret.csv'",
    "a folder": "SELECT * FROM glob('{folder}/*')",
    "JSON": "SELECT * FROM read_json_auto('{folder}/secret.json')",
    "Parquet": "SELECT * FROM read_parquet('{folder}/secret.parquet')",
    "its size": "SELECT * FROM parquet_metadata('{folder}/secret.parquet')",
    "the manifest": "SELECT * FROM read_text('{archive}/manifest.json')",
    "the network": "SELECT * FROM 'http://127.0.0.1:9/x.parquet'",
    "in a subquery": "SELECT (SELECT content FROM read_text('/etc/passwd')) FROM decisions",
    "by a text": "SELECT * FROM query_table(['{folder}/secret.csv'])",
    "a change in a query": "WITH x AS (INSERT INTO decisions SELECT * FROM decisions RETURNING *) FROM x",
    "a copy in a query": "WITH x AS (COPY (SELECT 1) TO '{folder}/stolen.csv') FROM x",
    "a copy by a text": "SELECT * FROM query('COPY (SELECT 1) TO ''{folder}/stolen.csv''')",
    "a mistake": "SELECT nothing FROM nowhere",
}


@pytest.mark.parametrize("name", [*OTHER_STATEMENTS, *ELSEWHERE])
def test_a_query_reads_the_log_alone(
    logs: Mapping[str, str], opened: Mapping[str, LogViews], tmp_path: Path, name: str
) -> None:
    """Whatever a query tries: it changes nothing, reads no other file, and reaches no network."""
    for secret in ("txt", "csv", "json", "parquet"):
        (tmp_path / f"secret.{secret}").write_text("a,b\n1,2\n")
    archive = Path(logs["archive"].removeprefix("parquet:"))
    before = {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()}
    (file, *_) = (archive / "records" / "orch.decisions").iterdir()
    query = (OTHER_STATEMENTS | ELSEWHERE)[name].format(folder=tmp_path, file=file, archive=archive)
    with pytest.raises(UsageError) as refused:
        list(opened["archive"].objects(query))
    if name in OTHER_STATEMENTS:
        assert "a query is one SELECT statement" in str(refused.value)
    assert {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()} == before
    assert len(list(tmp_path.iterdir())) == 4
    assert objects(opened["archive"], "SELECT count(*) > 0 AS there FROM decisions") == [{"there": True}]


def test_the_lock_holds_without_the_check(logs: Mapping[str, str], tmp_path: Path) -> None:
    """Even a statement that is no SELECT reads and writes nothing outside the archive, and changes no setting."""
    folder = Path(logs["archive"].removeprefix("parquet:"))
    with open_archive(folder) as reader, open_database() as connection:
        connection.execute(views_script(folder, reader.manifest))
        lock_database(connection, folder.rglob("*.parquet"))
        for name in ("a copy", "a setting", "a database", "an extension", "a loaded extension", "an export"):
            with pytest.raises(duckdb.Error):
                connection.execute(OTHER_STATEMENTS[name].format(folder=tmp_path)).fetchall()
    assert list(tmp_path.iterdir()) == []


def test_results_have_every_form(logs: Mapping[str, str], opened: Mapping[str, LogViews], tmp_path: Path) -> None:
    """A result comes as rows of text, as JSON with its types, and as a Parquet file."""
    views = opened["archive"]
    query = "SELECT 1 AS n, 'x' AS t, [1, 2] AS l, NULL AS nothing, {'a': true} AS s -- end"
    result = views.run(query + ";")
    assert [(column.name, column.is_number) for column in result.columns][:2] == [("n", True), ("t", False)]
    assert list(result.rows) == [("1", "x", "[1, 2]", None, "{'a': true}")]
    assert objects(views, query) == [{"n": 1, "t": "x", "l": [1, 2], "nothing": None, "s": {"a": True}}]
    target = tmp_path / "result.parquet"
    with views_of(Workspace(logs["archive"]), query, writes=[target]) as other:
        other.to_parquet(query, target)
    assert duckdb.sql(f"SELECT n, l FROM '{target}'").fetchall() == [(1, [1, 2])]
