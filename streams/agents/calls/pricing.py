"""Cost of a finished call, and upper bound before it."""

from schemas.agents import Price
from schemas.quantities import MAX_CALL_NUSD
from streams.agents.agent import Reply
from streams.processors.fixed import half_even


def cost_nusd(price: Price | None, input_tokens: int | None, output_tokens: int | None) -> int | None:
    """
    Price a call by the policy's table, in nano-dollars, rounded half-even once.

    Returns:
        None where the price or part of the usage is unknown, or the sum is beyond what an event can hold.
    """
    if price is None or input_tokens is None or output_tokens is None:
        return None
    thousandfold = input_tokens * price.input_nusd_per_ktoken + output_tokens * price.output_nusd_per_ktoken
    cost = half_even(thousandfold, 1000)
    return cost if cost <= MAX_CALL_NUSD else None


def cost_of_reply(price: Price | None, reply: Reply | None, *, free: bool) -> int | None:
    """
    Price what came of a call; the policy's table comes before what the agent says it cost.

    Args:
        reply: None where nothing is known of one.
        free: Whether it surely cost nothing.

    Returns:
        None where the cost is not known.
    """
    if free:
        return 0
    if reply is None:
        return None
    priced = cost_nusd(price, reply.input_tokens, reply.output_tokens)
    return reply.cost_nusd if priced is None else priced


def most_nusd(price: Price | None, most_input_tokens: int, most_output_tokens: int) -> int | None:
    """
    Bound the cost of a call that is yet to be made, in nano-dollars.

    Returns:
        None without a price. Beyond what an event can hold, the most it can: None would mean that nothing is known.
    """
    if price is None:
        return None
    most = cost_nusd(price, most_input_tokens, most_output_tokens)
    return MAX_CALL_NUSD if most is None else most
