"""Cost of tokens by a price table."""

from schemas.agents import Price
from schemas.quantities import MAX_CALL_NUSD
from streams.processors.fixed import half_even


def cost_nusd(price: Price | None, input_tokens: int | None, output_tokens: int | None) -> int | None:
    """
    Price a call by the policy's table, in nano-dollars, rounded half-even once.

    Returns:
        None if the price or part of the usage is unknown, or if the cost exceeds what an event can hold.
    """
    if price is None or input_tokens is None or output_tokens is None:
        return None
    thousandfold = input_tokens * price.input_nusd_per_ktoken + output_tokens * price.output_nusd_per_ktoken
    cost = half_even(thousandfold, 1000)
    return cost if cost <= MAX_CALL_NUSD else None
