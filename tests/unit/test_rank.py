"""
Processor `rank`: router entries of one agent in one scope.

The entries form a chain.
"""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import MAX_INTEGER
from schemas.policies import Averaging
from schemas.quantities import MAX_CALL_NUSD, MAX_MS, PPB
from schemas.router import AgentObserved, RouterEntry
from streams.processors.ema import move
from streams.processors.rank import RANK

from ..strategies import averagings
from ..worlds import EPOCH, Folder, gold, moment

FIXED = Averaging(step="fixed", alpha_ppb=200_000_000)
COLD = (500_000_000, 2_000_000_000, 0, 900_000_000)


def observed(number: int = 0, quality: int | None = None, **fields: Any) -> AgentObserved:
    """Build one observation of agent a; the number makes it another one."""
    return AgentObserved(
        occurred_at=fields.pop("occurred_at", EPOCH),
        agent="a",
        question_id=f"q{number}",
        scopes=fields.pop("scopes", ("*",)),
        source="gold",
        quality_ppb=None if quality is None else quality * PPB,
        weight_ppb=fields.pop("weight_ppb", PPB),
        averaging=fields.pop("averaging", FIXED),
        **fields,
    )


def correction(of: AgentObserved, **fields: Any) -> AgentObserved:
    """Take an observation back."""
    values = {
        name: getattr(of, name)
        for name in ("question_id", "scopes", "source", "quality_ppb", "averaging", "weight_ppb")
    }
    return AgentObserved(occurred_at=EPOCH, agent="a", corrects=of.event_id, **{**values, **fields})


def ranked(*observations: AgentObserved, reload: bool = False) -> list[RouterEntry]:
    """List the entries that follow from observations."""
    entries = Folder(RANK, reload=reload).put_all(observations)
    assert all(isinstance(entry, RouterEntry) for entry in entries)
    return [entry for entry in entries if isinstance(entry, RouterEntry)]


def values(entry: RouterEntry) -> tuple[int, int, int, int]:
    """Give the four averages."""
    return entry.quality_ppb, entry.latency_ns, entry.cost_pusd, entry.stability_ppb


def counts(entry: RouterEntry) -> tuple[int, int, int, int]:
    """Give the observations behind the four averages."""
    seen = entry.observations
    return seen.quality, seen.latency, seen.cost, seen.stability


# --- the chain -------------------------------------------------------------------------------------------------------


def test_first_entry_starts_the_chain() -> None:
    """It has no predecessor, number 1, and rests on the observation alone."""
    one = observed(quality=1)
    (entry,) = ranked(one)
    assert (entry.previous, entry.sequence, entry.causes) == (None, 1, (one.event_id,))
    assert (entry.scope, entry.agent, entry.question_id) == ("*", "a", "q0")


def test_each_entry_names_the_one_before() -> None:
    """The line of an agent is a chain: previous, sequence and causes say what came before."""
    observations = [observed(number, quality=1) for number in range(5)]
    entries = ranked(*observations)
    assert [entry.sequence for entry in entries] == [1, 2, 3, 4, 5]
    for (before, after), cause in zip(pairwise(entries), observations[1:], strict=True):
        assert after.previous == before.event_id
        assert after.causes == (cause.event_id, before.event_id)


@pytest.mark.parametrize(("first", "second"), [(10, 20), (20, 10)], ids=["in order", "late"])
def test_time_never_goes_backwards(first: int, second: int) -> None:
    """An entry is as late as the latest observation of its chain."""
    entries = ranked(*(observed(at, quality=1, occurred_at=moment(at)) for at in (first, second)))
    assert [entry.occurred_at for entry in entries] == [moment(first), moment(20)]


def test_every_scope_has_a_chain_of_its_own() -> None:
    """An observation moves the global line and the subject's, each by its own count."""
    wide, both = observed(1, quality=0), observed(2, quality=1, scopes=("*", "law"))
    entries = ranked(wide, both)
    assert [(entry.scope, entry.sequence, entry.quality_ppb) for entry in entries] == [
        ("*", 1, 0),
        ("*", 2, 200_000_000),
        ("law", 1, PPB),
    ]


def test_keys_are_lines_of_the_table() -> None:
    """State is kept by scope and agent, a slash in the scope escaped."""
    assert RANK.keys(observed(scopes=("*", "a/b"))) == ("*/a", "a%2Fb/a")
    assert RANK.keys(gold("A")) == ()
    assert not RANK.open(None)


def test_scope_is_found_behind_its_key() -> None:
    """The entry has the scope's own name, not the escaped one."""
    assert [entry.scope for entry in ranked(observed(scopes=("*", "a/b", "a%2Fb")))] == ["*", "a/b", "a%2Fb"]


# --- the averages ----------------------------------------------------------------------------------------------------


def test_what_is_not_observed_stays_cold() -> None:
    """The first entry has the cold start for all that was not observed, and counts nothing for it."""
    (entry,) = ranked(observed(quality=1))
    assert values(entry) == (PPB, *COLD[1:])
    assert counts(entry) == (1, 0, 0, 0)


def test_each_quantity_moves_by_its_own_observations() -> None:
    """Latency in nanoseconds, cost in pico-dollars, stability and quality: each counts for itself."""
    entries = ranked(
        observed(1, latency_ms=1_000, cost_nusd=40, stability_ppb=PPB),
        observed(2, latency_ms=2_000, stability_ppb=0),
        observed(3, quality=1),
    )
    assert values(entries[-1]) == (PPB, 1_200_000_000, 40_000, 800_000_000)
    assert counts(entries[-1]) == (1, 2, 1, 2)


def test_weight_applies_to_every_quantity() -> None:
    """An observation of half the weight moves each average half the step."""
    first = observed(1, quality=0, latency_ms=0, cost_nusd=0, stability_ppb=0)
    half = observed(2, quality=1, latency_ms=10, cost_nusd=10, stability_ppb=PPB, weight_ppb=PPB // 2)
    assert values(ranked(first, half)[-1]) == (PPB // 10, 1_000_000, 1_000, PPB // 10)


def test_what_is_not_observed_stays() -> None:
    """An observation of quality leaves the other averages as they were."""
    before, after = ranked(observed(1, latency_ms=77, cost_nusd=8, stability_ppb=5), observed(2, quality=0))
    assert values(after)[1:] == values(before)[1:]


@given(averagings, st.lists(st.tuples(st.integers(0, 1), st.integers(0, PPB)), min_size=1, max_size=12))
def test_entries_are_moves_in_a_row(averaging: Averaging, history: list[tuple[int, int]]) -> None:
    """The chain is the moving average of its observations, by weight and count."""
    entries = ranked(
        *(
            observed(number, quality=quality, weight_ppb=weight, averaging=averaging)
            for number, (quality, weight) in enumerate(history)
        )
    )
    value = averaging.cold_start.quality_ppb
    for seen, ((quality, weight), entry) in enumerate(zip(history, entries, strict=True)):
        value = move(value, quality * PPB, averaging, seen, weight)
        assert (entry.quality_ppb, entry.observations.quality) == (value, seen + 1)


def test_extreme_amounts_stay_exact_integers() -> None:
    """A cost beyond what the finer unit can hold counts as the largest it can."""
    (entry,) = ranked(observed(latency_ms=MAX_MS, cost_nusd=MAX_INTEGER))
    assert values(entry)[1:3] == (10**15, MAX_INTEGER)


def test_extreme_cold_start_stays_an_exact_integer() -> None:
    """A cold start as large as a policy may set it breaks no entry."""
    averaging = Averaging(cold_start={"latency_ms": MAX_MS, "cost_nusd": MAX_CALL_NUSD})
    (entry,) = ranked(observed(quality=1, averaging=averaging))
    assert values(entry)[1:3] == (10**15, 10**15)


# --- corrections -----------------------------------------------------------------------------------------------------


def test_correction_of_the_last_observation_restores_the_average() -> None:
    """Taking the last one back gives the value and the count before it, and a new entry in the chain."""
    history = [observed(number, quality=number % 2) for number in range(4)]
    entries = ranked(*history, correction(history[-1]))
    assert entries[-1].quality_ppb == entries[-3].quality_ppb
    assert counts(entries[-1]) == counts(entries[-3])
    assert entries[-1].sequence == 5


def test_correction_uses_the_weight_it_takes_back() -> None:
    """A light observation is taken back lightly."""
    history = [observed(0, quality=0), observed(1, quality=1, weight_ppb=PPB // 2)]
    first, second, third = ranked(*history, correction(history[1]))
    assert (first.quality_ppb, second.quality_ppb, third.quality_ppb) == (0, 100_000_000, 0)


def test_correction_of_the_only_observation_gives_the_cold_start() -> None:
    """Quality is unknown again; the next observation sets it."""
    only = observed(0, quality=0)
    entries = ranked(only, correction(only), observed(1, quality=1))
    assert [(entry.quality_ppb, entry.observations.quality) for entry in entries] == [
        (0, 1),
        (500_000_000, 0),
        (PPB, 1),
    ]


@pytest.mark.parametrize("quality", [0, 1])
def test_correction_out_of_order_stays_in_range(quality: int) -> None:
    """An average is never pushed below 0 or above 1, whatever came between."""
    first = observed(0, quality=quality)
    others = [observed(number, quality=1 - quality) for number in range(1, 9)]
    *_, entry = ranked(first, *others, correction(first))
    assert entry.quality_ppb == (1 - quality) * PPB


@given(averagings, st.lists(st.integers(0, 1), min_size=1, max_size=8), st.data())
def test_corrections_in_any_order_end_without_observations(
    averaging: Averaging, qualities: list[int], data: st.DataObject
) -> None:
    """When every observation was taken back, none is counted, and every average on the way was in range."""
    history = [observed(number, quality=quality, averaging=averaging) for number, quality in enumerate(qualities)]
    taken = data.draw(st.permutations(history))
    entries = ranked(*history, *map(correction, taken))
    assert all(0 <= entry.quality_ppb <= PPB for entry in entries)
    assert (entries[-1].quality_ppb, entries[-1].observations.quality) == (averaging.cold_start.quality_ppb, 0)


def test_correction_leaves_everything_but_quality() -> None:
    """How calls went is not corrected by a retracted feedback."""
    calls, judged = observed(0, latency_ms=5, cost_nusd=5, stability_ppb=5), observed(1, quality=1)
    _, before, after = ranked(calls, judged, correction(judged))
    assert values(after)[1:] == values(before)[1:]
    assert counts(after)[1:] == counts(before)[1:]


def test_correction_of_nothing_changes_no_average() -> None:
    """A correction without any observation of quality has nothing to take back."""
    (entry,) = ranked(correction(observed(quality=1)))
    assert (values(entry), counts(entry)) == (COLD, (0, 0, 0, 0))


# --- repeats ---------------------------------------------------------------------------------------------------------


def test_repeat_counts_once() -> None:
    """An observation once more makes no entry, also when others came between."""
    rank = Folder(RANK)
    rank.put_all([observed(number, quality=1) for number in range(3)])
    before = rank.states["*/a"]
    (step,) = rank.put(observed(0, quality=1))
    assert step.events == ()
    assert step.state is before
    (following,) = rank.put_all([observed(9, quality=1)])
    assert isinstance(following, RouterEntry)
    assert following.sequence == 4


@pytest.mark.parametrize(("between", "recognised"), [(63, True), (64, False)])
def test_repeats_are_recognised_within_memory(between: int, recognised: bool) -> None:
    """The last 64 observations are remembered."""
    rank = Folder(RANK)
    rank.put_all([observed(number, quality=1) for number in range(between + 1)])
    (step,) = rank.put(observed(0, quality=1))
    assert (step.events == ()) == recognised


def test_state_is_not_changed_in_place() -> None:
    """The state before an observation is what it was, so that a host may drop the step."""
    rank = Folder(RANK)
    rank.put(observed(0, quality=1))
    before = rank.states["*/a"]
    remembered = dict(before.recent)
    rank.put(observed(1, quality=1))
    assert before.recent == remembered


def test_restart_between_any_two_observations_changes_nothing() -> None:
    """A line that went through its JSON form goes on as it would have."""
    history = [observed(number, quality=number % 2, latency_ms=number) for number in range(6)]
    events = [*history, correction(history[2])]
    assert ranked(*events, reload=True) == ranked(*events)


def test_empty_line_survives_a_restart() -> None:
    """A line without observations has a JSON form too."""
    assert RANK.load(RANK.dump(RANK.load(None))).entry is None


def test_fold_leaves_other_events_alone() -> None:
    """An event of another kind makes no entry."""
    rank = Folder(RANK)
    assert RANK.fold(None, gold("A"), "*/a", rank.tables).events == ()
