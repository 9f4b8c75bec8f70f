"""
Amounts as people write them.

`"0.8"`, `"80 %"`, `"$5"` and `"30 s"` stand for the integers of the settings, exactly; an amount that no such integer
holds is refused.
"""

import re
from decimal import Decimal
from typing import Any

from streams.errors import UsageError

PPB, NUSD, PER_KTOKEN, MS = "_ppb", "_nusd", "_nusd_per_ktoken", "_ms"

IMPLAUSIBLE = 1_000
"""Largest bare integer of a share that is refused: 80 for 80 %, where 80 parts per billion stand."""

_NUMBER = r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)"
_SHARE = re.compile(rf"{_NUMBER}\s*(%?)")
_DOLLARS = re.compile(rf"\$\s*{_NUMBER}|{_NUMBER}\s*(?:USD|\$)|USD\s*{_NUMBER}")
_PRICE = re.compile(
    r"(.+?)\s*(?:per|/)\s*(?:1\s*)?(M|million|1,?000,?000|k|thousand|1,?000)\b\s*(?:tokens?)?", re.IGNORECASE
)
_TIME = re.compile(rf"{_NUMBER}\s*([a-z]+)")
_UNITS_MS = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1_000),
    **dict.fromkeys(("min", "minute", "minutes"), 60_000),
    **dict.fromkeys(("h", "hour", "hours"), 3_600_000),
    **dict.fromkeys(("d", "day", "days"), 86_400_000),
}
_WAYS = {
    # Unit: what to write.
    PPB: 'Write a share, such as "0.8" or "80 %", or the integer 800_000_000',
    NUSD: 'Write dollars, such as "$5" or "0.05 USD", or the integer 5_000_000_000',
    PER_KTOKEN: 'Write "$0.40 per 1M tokens", or the integer 400_000: nano-dollars per 1,000 tokens',
    MS: 'Write a time with its unit, such as "30 s", "5 min" or "500 ms", or the integer 30_000',
}


def plain_amounts(given: Any, file: str, place: str = "", unit: str | None = None) -> Any:
    """
    Turn the amounts of a configuration that are texts into integers.

    Args:
        given: A value of the configuration, with all that is in it.
        file: Name of the configuration, for messages.
        place: Where the value stands in it.
        unit: Unit of the value, by the name of the setting; None if it is no amount.

    Raises:
        UsageError: A text is no amount of this unit or has too many decimals, a share is an integer so small that
            another was meant, or an amount has decimals without being a text. A text is not repeated: it may be an API
            key.
    """
    if isinstance(given, dict):
        return {
            name: plain_amounts(v, file, f"{place}.{name}".lstrip("."), _unit(name, place, unit))
            for name, v in given.items()
        }
    if isinstance(given, list):
        return [plain_amounts(value, file, f"{place}.{number}", unit) for number, value in enumerate(given)]
    if unit is None or isinstance(given, bool):
        return given
    if isinstance(given, str):
        return _integer_of(given, unit, file, place)
    if isinstance(given, float):
        exact = Decimal(repr(given))
        raise UsageError(
            f"{file}: {place} = {given} has decimals; amounts are integers with the unit in the name, or texts",
            remedy=f'Write "{exact:f}" or {int(exact * 10**9):_}' if unit == PPB and 0 <= exact <= 2 else _WAYS[unit],
            file=file,
        )
    if unit == PPB and isinstance(given, int) and 1 <= given <= IMPLAUSIBLE:
        meant = Decimal(1) if given == 1 else Decimal(given) / (100 if given <= 100 else 1_000)
        shown = f"{meant.normalize():f}"
        raise UsageError(
            f"{file}: {place} = {given} is {Decimal(given) / 10**9:f}",
            remedy=f'Write "{shown}" or {int(meant * 10**9):_}',
            file=file,
        )
    return given


def _unit(name: str, place: str, above: str | None) -> str | None:
    """Tell the unit of a setting by its name; inside `skills_ppb` and `source_weights` each setting is a share."""
    if place.rpartition(".")[2] == "source_weights":
        return PPB
    return next((unit for unit in (PER_KTOKEN, PPB, NUSD, MS) if name.endswith(unit)), above)


def _integer_of(text: str, unit: str, file: str, place: str) -> int:
    amount = {PPB: _share, NUSD: _dollars, PER_KTOKEN: _price, MS: _time}[unit](text.strip())
    if amount is None:
        raise UsageError(f"{file}: {place} is no amount of its unit", remedy=_WAYS[unit], file=file)
    if amount != int(amount):
        raise UsageError(f"{file}: {place} has more decimals than its integer holds", remedy=_WAYS[unit], file=file)
    return int(amount)


def _share(text: str) -> Decimal | None:
    found = _SHARE.fullmatch(text)
    if found is None:
        return None
    share = Decimal(found[1].replace("_", "")) / (100 if found[2] else 1)
    # Above any share there is: the text of an integer, or a percentage without its sign.
    return share * 10**9 if share <= 2 else None


def _dollars(text: str) -> Decimal | None:
    found = _DOLLARS.fullmatch(text)
    return None if found is None else Decimal((found[1] or found[2] or found[3]).replace("_", "")) * 10**9


def _price(text: str) -> Decimal | None:
    found = _PRICE.fullmatch(text)
    dollars = None if found is None else _dollars(found[1])
    if found is None or dollars is None:
        return None
    return dollars if found[2].lower().replace(",", "") in ("k", "thousand", "1000") else dollars / 1_000


def _time(text: str) -> Decimal | None:
    found = _TIME.fullmatch(text)
    if found is None or found[2] not in _UNITS_MS:
        return None
    return Decimal(found[1].replace("_", "")) * _UNITS_MS[found[2]]
