"""Exponential moving averages in integers, and their undoing."""

from schemas.policies import Averaging
from schemas.quantities import PPB
from streams.processors.fixed import half_even


def alpha(averaging: Averaging, earlier: int) -> tuple[int, int]:
    """
    Give the step size for the next observation as a fraction.

    Args:
        averaging: The rule and its alpha.
        earlier: Observations this average has seen so far.

    Returns:
        Numerator and denominator, above 0 and at most 1. The first observation sets the value, so its step is 1.
        `harmonic` is max(alpha, 1 / (n + 2)): nearly a plain mean while n is small, an EMA with alpha later.
    """
    if earlier == 0:
        return 1, 1
    if averaging.step == "harmonic" and (earlier + 2) * averaging.alpha_ppb < PPB:
        return 1, earlier + 2
    return averaging.alpha_ppb, PPB


def move(old: int, observed: int, averaging: Averaging, earlier: int, weight_ppb: int = PPB) -> int:
    """
    Move an average by one observation: new = old + alpha x weight x (observed - old), rounded half-even.

    Args:
        old: The average so far; the cold-start value where there is none. In the unit of *observed*.
        observed: The new value.
        averaging: Step rule.
        earlier: Observations this average has seen so far.
        weight_ppb: Share of the step that the observation's source is worth.

    Source: arXiv 2602.01797, EMA update of the router; the weight is ours.
    """
    if earlier == 0 and weight_ppb == PPB:
        return observed
    step, of = alpha(averaging, earlier)
    return old + half_even(step * weight_ppb * (observed - old), of * PPB)


def is_whole_step(averaging: Averaging, earlier: int, weight_ppb: int) -> bool:
    """Whether an observation replaces the average, so that nothing of what came before is left in it."""
    step, of = alpha(averaging, earlier)
    return step * weight_ppb == of * PPB


def take_back(new: int, observed: int, cold: int, averaging: Averaging, count: int, weight_ppb: int) -> int:
    """
    Undo one observation: exactly, up to rounding, if it was the last; else by the same step in reverse.

    Args:
        new: The average now.
        observed: The value that was observed by mistake.
        cold: The cold-start value, to which undoing the only full-weight observation returns.
        averaging: Step rule.
        count: Observations in the average now, the mistaken one included; at least 1.
        weight_ppb: The weight it had.

    Returns:
        The solution `old` of new = old + a (observed - old). It may leave the range of the quantity when other
        observations came between; the caller bounds it.
    """
    step, of = alpha(averaging, count - 1)
    taken, whole = step * weight_ppb, of * PPB
    if is_whole_step(averaging, count - 1, weight_ppb):
        return cold
    return half_even(new * whole - observed * taken, whole - taken)
