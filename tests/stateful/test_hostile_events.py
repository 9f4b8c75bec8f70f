"""Hostile events in any order, and every fold."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.event import MAX_EVENT_BYTES, Event
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.registry import KINDS
from streams.processors.dead_letters import dead_letter

from ..v2_strategies import EVENTS
from ..worlds import World, by_odds, merging, newest, policy, question

POLICIES: dict[str, PolicyAdopted] = {
    "vote": merging("vote", "a", "b", reserve=1),
    "agent": merging("agent", "a", "b"),
    "cascade": merging("cascade", "a", "b", stages=(1, 1), merge_agent=True),
    "odds": by_odds("a", "b", merge={"stages": (1, 1)}, odds={"warm_up_lessons": 0, "option_shapes": True}),
    "odds by agreement": by_odds("a", "b", odds={"learn_from": "agreement"}),
    "dispatcher": policy("a", "b", decomposition="dispatcher", merge={"quorum": 2}),
}
versions = st.sampled_from([lambda given: given, newest])
NAMES: dict[str, st.SearchStrategy[Any]] = {
    "question_id": st.sampled_from(["q", "r"]),
    "agent": st.sampled_from(["a", "b", "z"]),
    "stage": st.integers(0, 2),
    "scope": st.sampled_from(["p", "*", "law"]),
    "right": st.sampled_from([None, "A", "B", "9"]),
    "scopes": st.sampled_from([("*",), ("*", "law"), ()]),
    "answer": st.sampled_from([None, "A", "B", "9", "none of them"]),
}
"""Values drawn from few, so that hostile events are about the same things as honest ones."""


@st.composite
def hostile(draw: st.DrawFn, known: list[str]) -> Event | None:
    """Draw any event, about things that exist; None where its fields do not go together."""
    event = draw(EVENTS[draw(st.sampled_from(sorted(KINDS)))])
    fields = {name: getattr(event, name) for name in type(event).model_fields if name != "event_id"}
    for name, strategy in NAMES.items():
        # A panel's stage is no number.
        if name in fields and not (name == "stage" and not isinstance(fields[name], int)):
            fields[name] = draw(strategy)
    fields["causes"] = tuple(draw(st.lists(st.sampled_from(known), max_size=2)))
    try:
        return type(event)(**fields)
    except ValidationError:
        return None


@pytest.mark.parametrize("name", sorted(POLICIES))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_event_stops_a_fold(name: str, data: st.DataObject) -> None:
    """Whatever arrives, a fold gives a step: its state can be stored and loaded, and its letters fit their topic."""
    given = POLICIES[name]
    world = World(given if isinstance(given, PolicyAdoptedV2) else data.draw(versions)(given), reload=True)
    world.put(question())
    for _ in range(data.draw(st.integers(1, 12))):
        event = data.draw(hostile([one.event_id for one in world.log]))
        if event is not None and not isinstance(event, PolicyAdopted):
            world.put(event)
    for folder in world.folders:
        # Without a state nothing is stored.
        for state in filter(None, folder.states.values()):
            dumped = orjson.dumps(folder.processor.dump(state))
            assert orjson.dumps(folder.processor.dump(folder.processor.load(orjson.loads(dumped)))) == dumped
    for event, rejection in world.letters:
        assert len(dead_letter(event, 0, 0, rejection).encode()) <= 2 * MAX_EVENT_BYTES
