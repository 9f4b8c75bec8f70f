"""Prices of calls, and their upper bound."""

import pytest

from schemas.agents import Price
from schemas.quantities import MAX_CALL_NUSD
from streams.agents.agent import Reply
from streams.agents.calls.pricing import cost_of_reply, most_nusd
from streams.processors.pricing import cost_nusd

PRICE = Price(input_nusd_per_ktoken=1_000, output_nusd_per_ktoken=2_000)


@pytest.mark.parametrize(
    ("tokens", "price", "cost"),
    [
        ((1, 0), Price(input_nusd_per_ktoken=500, output_nusd_per_ktoken=0), 0),
        ((3, 0), Price(input_nusd_per_ktoken=500, output_nusd_per_ktoken=0), 2),
        ((1_000, 500), PRICE, 2_000),
        ((None, 5), PRICE, None),
        ((5, None), PRICE, None),
        ((5, 5), None, None),
        ((2**53, 2**53), PRICE, None),
    ],
)
def test_a_price_is_rounded_once_and_never_guessed(
    tokens: tuple[int | None, int | None], price: Price | None, cost: int | None
) -> None:
    """Half-even on the sum; none where price or usage is unknown, or the sum is too large for an event."""
    assert cost_nusd(price, *tokens) == cost


@pytest.mark.parametrize(
    ("price", "tokens", "said", "cost"),
    [
        (PRICE, (1_000, 0), 77, 1_000),
        (PRICE, (1_000, None), 77, 77),
        (None, (1_000, 0), 77, 77),
        (None, (1, 1), None, None),
    ],
)
def test_the_table_comes_before_what_the_agent_says(
    price: Price | None, tokens: tuple[int | None, int | None], said: int | None, cost: int | None
) -> None:
    """A reported cost counts where the table gives none; what is not known stays so."""
    reply = Reply("", input_tokens=tokens[0], output_tokens=tokens[1], cost_nusd=said)
    assert cost_of_reply(price, reply, free=False) == cost
    assert cost_of_reply(price, reply, free=True) == 0


def test_a_call_without_a_reply_costs_nothing_only_where_that_is_sure() -> None:
    """A refusal is free; of a call that was cut nothing is known."""
    assert (cost_of_reply(PRICE, None, free=True), cost_of_reply(PRICE, None, free=False)) == (0, None)


def test_the_most_is_known_wherever_there_is_a_price() -> None:
    """Beyond what an event can hold it is the most an event can hold."""
    assert most_nusd(PRICE, 1_000, 500) == 2_000
    assert most_nusd(PRICE, 2**53, 2**53) == MAX_CALL_NUSD
    assert most_nusd(None, 1_000, 500) is None
