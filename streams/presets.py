"""
Named presets of a policy.

A configuration starts from one and overrides single fields.

`default` is what measured best on the recorded data: learned odds that ask agents one by one while a call pays, small
steps of the averages, warm-up. Without feedback, and under the rules of v1, it is a cascade with fixed stages.

`reference` and `reference-lexicographic` have the arithmetic of the reference scripts of arXiv 2602.01797, exactly:
their averages (alpha 0.2, cold start), their two scores and fixed priority, panels of three, the plain vote. On the
same observations in the same order they choose the scripts' panels and answers, 2,000 of 2,000. They are not the
published experiment, which differs in three ways:

- every agent answers and is taught after each question; here the agents of the panel alone;
- question n is learned before question n + 1 is asked; here `run` keeps a window of 32 open, unless `--window 1`;
- a merge model reads the analyses and decides; here it is the vote, unless `merge.rule = "agent"`.

`published` is that experiment: the arithmetic of `reference`, the other agents asked in shadow seats beside the panel,
one question open at a time, and the agent of rank 1 as merge agent. It has no sub-questions unless `decomposition`
says so. One question at a time is what `run` does; behind workers on Kafka the producer has to wait for each decision.
"""

from typing import Any, Literal

PresetName = Literal["default", "reference", "reference-lexicographic", "published"]
ONE_AT_A_TIME: tuple[PresetName, ...] = ("published",)
"""Presets under which `run` asks a question when the one before it was learned."""

RulesName = Literal["v1", "v2"]
"""
Rules under which a policy decides: `v1` are those of release 0.1, for logs on Kafka that programs of 0.1 read too; `v2`
names the newest version of each.
"""

CASCADE_STAGES = (2, 1, 1, 1)
"""
Agents asked in each stage of `default` while it has no lesson: two, then one at a time while their answers leave the
leader below `accept`.

On the recorded data (file order, gold feedback) this was right more often than the plain vote of all agents, for fewer
calls than a fixed panel of three: see decision 5 in streams/README.md. Of four agents and more, learned odds choose
among as many as these stages hold: see decision 120.
"""

_REFERENCE: dict[str, Any] = {
    "routing": {
        "rule": "weighted",
        "panel_size": 3,
        "by_subject": False,
        "shrinkage": 0,
        "exploration": {"kind": "none", "warm_up": 0},
    },
    "merge": {"rule": "vote", "ties": "priority"},
    "learning": {"averaging": {"step": "fixed", "alpha_ppb": 200_000_000}},
}


def preset(name: PresetName, agents: int, rules: RulesName = "v2") -> dict[str, Any]:
    """
    Give the fields of a policy that a preset sets; all other fields have the model's defaults.

    Args:
        name: `default` measured best. `reference` has the arithmetic of the reference scripts of arXiv 2602.01797,
            not their experiment (see above): alpha 0.2, the weighted score, a vote with fixed priority;
            `reference-lexicographic` has their other score. `published` is their experiment, with agents observed in
            shadow seats and a merge agent.
        agents: Number of agents in the policy; panels are cut to it.
        rules: Under those of v1, which have no learned odds, `default` is the cascade that it was in release 0.1.

    Returns:
        Plain values, as a configuration file would give them.
    """
    if name == "default":
        stages = _cut(CASCADE_STAGES, agents)
        rule = "cascade" if rules == "v1" else "odds"
        return {"routing": {"panel_size": sum(stages)}, "merge": {"rule": rule, "stages": list(stages)}}
    fields = {room: dict(values) for room, values in _REFERENCE.items()}
    fields["routing"]["panel_size"] = min(3, agents)
    if name == "reference-lexicographic":
        fields["routing"]["rule"] = "lexicographic"
        cold = {"quality_ppb": 500_000_000, "latency_ms": 2_000, "cost_nusd": 10**9, "stability_ppb": 500_000_000}
        fields["learning"] = {"averaging": {**fields["learning"]["averaging"], "cold_start": cold}}
    if name == "published":
        fields["routing"] |= {"shadow": "all", "merger": "first"}
        fields["merge"]["rule"] = "agent"
    return fields


def _cut(stages: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Keep as many stages as there are agents for; the last one may be cut."""
    kept: list[int] = []
    for size in stages:
        room = most - sum(kept)
        if room <= 0:
            break
        kept.append(min(size, room))
    return tuple(kept)
