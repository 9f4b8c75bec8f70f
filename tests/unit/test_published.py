"""Preset `published`, beside the scripts of the experiment."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.analyses import Attempt
from schemas.decisions import DecisionMadeV2
from schemas.panels import PanelAssignedV2
from schemas.policies import PolicyAdoptedV2
from streams.errors import UsageError
from streams.presets import PresetName
from streams.settings import PRESETS, Config, RunSettings, build_policy, with_preset

from ..published_scripts import COLD, Scripts, Seen
from ..worlds import EPOCH, UNREADABLE, Opener, World, analysis, gold, question

NAMES = ("ann", "bo", "cy", "di", "eve")
LEXICOGRAPHIC = {
    "routing": {"rule": "lexicographic"},
    "learning": {"averaging": {"cold_start": {"cost_nusd": 10**9, "stability_ppb": 500_000_000}}},
}


def published(agents: int, rule: str = "weighted", **tables: Any) -> PolicyAdoptedV2:
    """Build the policy of the preset for so many agents."""
    specs = [{"kind": "simulated", "name": name} for name in NAMES[:agents]]
    fields = {**(LEXICOGRAPHIC if rule == "lexicographic" else {}), **tables}
    policy = build_policy(Config(fields=fields, preset="published"), EPOCH, agents=specs)
    assert isinstance(policy, PolicyAdoptedV2)
    return policy


# Letter, latency in ms and cost in nano-dollars of one agent.
said = st.tuples(st.sampled_from(("A", "A", "B", "C", UNREADABLE)), st.integers(1, 20_000), st.integers(0, 10_000_000))


def play(world: World, voices: dict[str, tuple[str, int, int]], verdict: str) -> None:
    """Let all seats of the open question answer: analysts and shadows what they say, the merge agent its verdict."""

    def script(opener: Opener, agent: str) -> Any:
        if opener.stage.role == "merger":
            return analysis(opener, agent, verdict, latency_ms=77)
        letter, latency_ms, cost_nusd = voices[agent]
        attempt = Attempt(outcome="ok", latency_ms=latency_ms, cost_nusd=cost_nusd)
        return analysis(opener, agent, letter, latency_ms=latency_ms, attempts=(attempt,))

    world.play(script)


@settings(max_examples=12, deadline=None)
@given(data=st.data(), agents=st.integers(1, 5), rule=st.sampled_from(sorted(COLD)))
def test_panels_are_those_of_the_scripts(data: st.DataObject, agents: int, rule: str) -> None:
    """On generated letters, latencies and costs each panel is the one that an implementation of the scripts seats."""
    world, scripts = World(published(agents, rule), reload=True), Scripts(rule, NAMES[:agents])
    for number in range(data.draw(st.integers(2, 8))):
        name = f"q{number}"
        voices = {agent: data.draw(said) for agent in NAMES[:agents]}
        world.put(question(name, at=number))
        panel = world.assignment(name)
        assert isinstance(panel, PanelAssignedV2)
        if scripts.is_sharp():
            assert tuple(seat.agent for seat in panel.stage.seats) == scripts.panel()
            assert {*scripts.panel(), *(panel.shadows or ())} == {*NAMES[:agents]}
        play(world, voices, data.draw(st.sampled_from("ABC")))
        assert world.decision(name).rule == "agent.v1"
        world.put(gold("A", name, at=number))
        scripts.observe(
            {a: Seen(float(letter == "A"), ms, nusd / 1e9, 1.0) for a, (letter, ms, nusd) in voices.items()}
        )


def test_it_is_the_experiment() -> None:
    """A merge agent decides over three seats, all others are observed beside them, with the published arithmetic."""
    policy = published(5)
    assert (policy.merge.rule, policy.merge.ties, policy.routing.merger) == ("agent", "priority", "first")
    assert (policy.routing.panel_size, policy.routing.shadow) == (3, "all")
    assert policy.learning.averaging.alpha_ppb == 200_000_000
    world = World(policy)
    world.put(question())
    play(world, dict.fromkeys(NAMES, ("A", 10, 10)), "B")
    decision = world.decision()
    assert isinstance(decision, DecisionMadeV2)
    assert (decision.answer, decision.reason, len(decision.shadows or ())) == ("B", "merge agent", 2)


@pytest.mark.parametrize("name", PRESETS)
def test_only_the_experiment_asks_one_at_a_time(name: PresetName) -> None:
    """The preset opens one question at a time, unless the number was chosen; the others open many."""
    wanted = 1 if name == "published" else RunSettings().window
    assert with_preset(Config(), name).run.window == wanted
    assert with_preset(Config(run=RunSettings(window=7)), name, window=True).run.window == 7


def test_shadows_can_be_switched_off_and_are_none_of_v1() -> None:
    """`shadow = "none"` is the policy without them; under the rules of release 0.1 the preset is refused."""
    assert published(5, routing={"shadow": "none"}).routing.shadow is None
    specs = [{"kind": "simulated", "name": name} for name in NAMES]
    with pytest.raises(UsageError, match="none of v1"):
        build_policy(Config(preset="published", rules="v1"), EPOCH, agents=specs)
