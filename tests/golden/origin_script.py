"""
Inputs of the golden log with an origin.

The earlier log is a short story under the merge rule `odds`; its end is carried.
"""

from collections.abc import Iterator

from schemas.canonical import content_id
from schemas.event import Event
from streams.audit.carried_tables import Beginning, LogEnd, beginning

from ..worlds import World
from .odds_script import SHAPED, TAUGHT, answers, asked, said, taught
from .test_golden import lines_of

AT = "2026-01-02T00:00:00.000Z"


def earlier() -> World:
    """Tell the story of the earlier log: two policies, each with a table of weights."""
    world = World(TAUGHT)
    for name, at, right in (("r1", "00:01", "A"), ("s1", "00:03", "14 m")):
        for event in taught(world, name, at, right):
            world.put(event)
    world.put(SHAPED)
    for event in taught(world, "s3", "05:40", "A"):
        world.put(event)
    return world


def end_of_world(world: World) -> LogEnd:
    """Give what a world ends with; its root stands for that of an archive."""
    assert world.tables.policy is not None
    return LogEnd(
        log="unsealed",
        root=content_id(b"".join(lines_of(world))),
        records=len(world.log),
        policy=world.tables.policy,
        router=tuple(world.entries[line] for line in sorted(world.entries)),
        weights=tuple(world.weights[scope] for scope in sorted(world.weights)),
    )


def begun() -> Beginning:
    """Give the first records of the new log."""
    return beginning(end_of_world(earlier()), SHAPED, AT, 0)


def story(world: World) -> Iterator[Event]:
    """Ask under the carried policy, then under the one before it; one feedback is on a question of the earlier log."""
    yield from taught(world, "r2", "20:02", "Elbe")
    yield said("20:03:00", "r1", answer="B")
    yield asked("h1", "20:05:00")
    yield from answers(world, "h1")
    again = {name: getattr(TAUGHT, name) for name in type(TAUGHT).model_fields if name not in ("event_id", "causes")}
    yield type(TAUGHT)(**again, causes=(SHAPED.event_id,))
    yield from taught(world, "s2", "20:06", "C")


def told() -> World:
    """Run the whole script."""
    first = begun()
    world = World(first.origin)
    world.put(*first.carried, first.policy)
    for event in story(world):
        world.put(event)
    return world
