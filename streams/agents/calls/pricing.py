"""Cost of a finished call, and upper bound before it."""

from schemas.agents import Price
from schemas.quantities import MAX_CALL_NUSD
from streams.agents.agent import Reply
from streams.processors.pricing import cost_nusd


def cost_of_reply(price: Price | None, reply: Reply | None, *, free: bool) -> int | None:
    """
    Price a call; the policy's price table takes precedence over the cost that the agent reports.

    Args:
        reply: None if there is no reply and no usage.
        free: Whether the call certainly cost nothing.

    Returns:
        None if the cost is unknown.
    """
    if free:
        return 0
    if reply is None:
        return None
    priced = cost_nusd(price, reply.input_tokens, reply.output_tokens)
    return reply.cost_nusd if priced is None else priced


def most_nusd(price: Price | None, most_input_tokens: int, most_output_tokens: int) -> int | None:
    """
    Bound the cost of a call before it is made, in nano-dollars.

    Returns:
        None without a price. A bound above what an event can hold is capped there, because None means unknown.
    """
    if price is None:
        return None
    most = cost_nusd(price, most_input_tokens, most_output_tokens)
    return MAX_CALL_NUSD if most is None else most
