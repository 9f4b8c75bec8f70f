"""Calibration error, and what the sample alone makes of it."""

import random
from statistics import fmean, quantiles

import pytest

from schemas.quantities import PPB
from streams.evaluation.measures import calibration
from streams.evaluation.outcomes import ArmOutcome


def _rows(posteriors: list[float], chance: random.Random, orders: int = 1) -> list[ArmOutcome]:
    """Draw whether each answer is right by its posterior, alike in all orders."""
    rows = []
    for place, posterior in enumerate(posteriors):
        right = chance.random() < posterior
        row = ArmOutcome(place, f"q{place}", "A", right, 1, None, None, 0, 0, None, round(posterior * PPB))
        rows += [row] * orders
    return rows


@pytest.mark.parametrize(("questions", "orders"), [(300, 1), (300, 5), (2_000, 1)])
def test_true_posteriors_show_what_chance_makes(questions: int, orders: int) -> None:
    """The mean and the bound are those of many samples whose posteriors are true, however many orders repeat them."""
    chance = random.Random(questions)
    posteriors = [chance.betavariate(4, 2) for _ in range(questions)]
    found = [calibration(_rows(posteriors, chance, orders)) for _ in range(300)]
    drawn = [one.ece for one in found if one is not None]
    told = found[0]
    assert told is not None
    assert told.by_chance == pytest.approx(fmean(drawn), rel=0.1)
    assert told.most_by_chance == pytest.approx(quantiles(drawn, n=20)[-1], rel=0.15)


def test_false_posteriors_pass_the_bound() -> None:
    """Posteriors that are ten points too high are told from chance at 2,000 questions."""
    chance = random.Random(7)
    posteriors = [chance.betavariate(4, 2) for _ in range(2_000)]
    rows = [
        row._replace(posterior_ppb=round(min(1.0, posterior + 0.1) * PPB))
        for row, posterior in zip(_rows(posteriors, chance), posteriors, strict=True)
    ]
    found = calibration(rows)
    assert found is not None
    assert found.most_by_chance is not None
    assert found.ece > 2 * found.most_by_chance
