"""
The golden log: rewritten, replayed and altered.

Written again it is the same to the byte; folded again it proves itself; altered it does not.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from itertools import zip_longest
from pathlib import Path

import pytest

from schemas.event import Event
from schemas.origins import LogStarted
from schemas.policies import PolicyAdopted
from schemas.registry import INPUTS, KINDS, KINDS_OF_TOPIC, decode_canonical, kind_of
from schemas.spending import BudgetRefused
from streams.processors.budget import Accounts
from streams.processors.dead_letters import dead_letter
from streams.topology import SPENDING

from ..worlds import World
from .script import VERSIONS, told

HERE = Path(__file__).parent
REWRITE = os.environ.get("ORCH_REWRITE_GOLDEN") == "1"
"""Read when the module is: no setting from outside reaches a test."""

CARRIED = ("log.started.v1", "router.carried.v1", "weights.carried.v1")
FROM_OUTSIDE = ("analysis.published.v1", *CARRIED, *map(kind_of, (*INPUTS, *KINDS_OF_TOPIC[SPENDING])))


def lines_of(world: World) -> list[bytes]:
    """Write a world as canonical JSON, one event a line: the log in order, then the letters of what was rejected."""
    places: dict[str, int] = {}
    offsets: dict[str, int] = {}
    for event in world.log:
        offsets[event.event_id] = places.get(event.topic, 0)
        places[event.topic] = offsets[event.event_id] + 1
    letters = [dead_letter(event, 0, offsets[event.event_id], rejection) for event, rejection in world.letters]
    return [event.encode() for event in (*world.log, *letters)]


def digests_of(lines: Iterable[bytes]) -> dict[str, dict[str, int | str]]:
    """Digest each topic: the number of its events, and the SHA-256 of their lines."""
    topics: dict[str, list[bytes]] = {}
    for line in lines:
        topics.setdefault(KINDS[json.loads(line)["kind"]].topic, []).append(line)
    return {
        topic: {"events": len(held), "sha256": hashlib.sha256(b"".join(line + b"\n" for line in held)).hexdigest()}
        for topic, held in sorted(topics.items())
    }


def read(line: bytes) -> Event:
    """Read one line of the log."""
    return decode_canonical(KINDS[json.loads(line)["kind"]].topic, line)


def folded(lines: Iterable[bytes]) -> list[bytes]:
    """Fold the inputs of a log again and write what comes of it."""
    inputs = [event for line in lines if (event := read(line)).kind in FROM_OUTSIDE]
    assert isinstance(inputs[0], PolicyAdopted | LogStarted)
    world = World(inputs[0])
    world.put(*inputs[1:])
    return lines_of(world)


def first_difference(lines: list[bytes]) -> str | None:
    """Say where a log does not prove itself; none where it does."""
    try:
        pairs = zip_longest(lines, folded(lines))
    except ValueError as error:
        return str(error)
    return next((f"line {number}" for number, (held, made) in enumerate(pairs, 1) if held != made), None)


def recorded(folder: Path, told: Callable[[], World], *, frozen: bool = False) -> list[bytes]:
    """Give the lines of a golden log, written anew first where that is asked for; a frozen one never is."""
    if REWRITE and not frozen:
        lines = lines_of(told())
        folder.mkdir(exist_ok=True)
        (folder / "log.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        (folder / "digests.json").write_text(json.dumps(digests_of(lines), indent=2) + "\n", encoding="utf-8")
    return (folder / "log.jsonl").read_bytes().splitlines()


def digests_in(folder: Path) -> object:
    """Give the digests that are recorded beside a golden log."""
    return json.loads((folder / "digests.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=sorted(VERSIONS))
def version(request: pytest.FixtureRequest) -> str:
    """Name a version of the rules; each has a golden log."""
    return str(request.param)


@pytest.fixture(scope="module")
def golden(version: str) -> list[bytes]:
    """Give the lines of the golden log; that of v1 is never written anew."""
    return recorded(HERE / version, partial(told, version), frozen=version == "v1")


def test_story_told_again_is_the_same(golden: list[bytes], version: str) -> None:
    """The script gives the log that is recorded, byte for byte."""
    assert lines_of(told(version)) == golden


def test_log_proves_itself(golden: list[bytes]) -> None:
    """The inputs of the log, folded again, give all of its derived events."""
    assert first_difference(golden) is None


def test_digests_are_those_of_the_log(golden: list[bytes], version: str) -> None:
    """Every topic has the digest that is recorded for it."""
    assert digests_of(golden) == digests_in(HERE / version)


def test_log_holds_every_kind_of_its_version(golden: list[bytes], version: str) -> None:
    """The story has no checkpoints, no origin, and nothing of `odds`; where there is a v2, a log of v2 has no v1."""
    names = {kind.rpartition(".")[0] for kind in KINDS}
    kinds = {f"{name}.{version}" if f"{name}.{version}" in KINDS else f"{name}.v1" for name in names}
    elsewhere = {"checkpoint.signed.v1", "checkpoint.signed.v2", "lesson.given.v1", "weights.entry.v1", *CARRIED}
    assert {json.loads(line)["kind"] for line in golden} == kinds - elsewhere


def altered(line: bytes, *, rehash: bool) -> bytes:
    """Change one value of an event; with its id made to fit, if that is asked for."""
    fields = json.loads(line)
    fields["latency_ms" if "latency_ms" in fields else "question_id"] = 77 if "latency_ms" in fields else "other"
    if rehash:
        del fields["event_id"]
        return KINDS[fields["kind"]].model_validate_json(json.dumps(fields)).encode()
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


WRONG = ("analysis.published", "decision.made", "agent.observed", "router.entry", "panel.assigned")


@pytest.mark.parametrize("rehash", [False, True], ids=["changed", "changed with a new id"])
@pytest.mark.parametrize("kind", WRONG)
def test_changed_value_is_noticed(golden: list[bytes], kind: str, rehash: bool) -> None:
    """A copy in which one value of one event was changed does not prove itself, and has another digest."""
    place = next(place for place, line in enumerate(golden) if json.loads(line)["kind"].startswith(kind))
    wrong = [*golden[:place], altered(golden[place], rehash=rehash), *golden[place + 1 :]]
    assert first_difference(wrong) is not None
    assert digests_of(wrong) != digests_of(golden)


@pytest.mark.parametrize("kind", WRONG)
def test_missing_event_is_noticed(golden: list[bytes], kind: str) -> None:
    """A copy that lacks an event does not prove itself."""
    place = next(place for place, line in enumerate(golden) if json.loads(line)["kind"].startswith(kind))
    assert first_difference(golden[:place] + golden[place + 1 :]) is not None


def test_refusals_follow_from_the_reservations(golden: list[bytes]) -> None:
    """Folded in order, the reservations that do not fit are those that were refused."""
    accounts = Accounts()
    events = [event for line in golden if (event := read(line)).topic == SPENDING]
    verdicts = [verdict for event in events if (verdict := accounts.take(event)) is not None]
    refused = [(event.causes[0], event.limit) for event in events if isinstance(event, BudgetRefused)]
    assert [(one.reserved.event_id, one.refused_by) for one in verdicts if one.refused_by] == refused
    assert refused
    assert len(verdicts) > len(refused)
