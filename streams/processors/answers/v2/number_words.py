"""Words that stand in, before, behind and between numbers."""

from collections.abc import Mapping, Sequence

from streams.processors.answers.v2.answer_words import LANGUAGES


def _words(words: str) -> list[str]:
    return words.split()


_SMALL = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
COUNTS: Mapping[str, int] = {
    **{word: count for count, word in enumerate(_SMALL)},
    **{word: 10 * count for count, word in enumerate(_TENS, 2)},
    **{f"{ten}-{one}": 10 * tens + ones for tens, ten in enumerate(_TENS, 2) for ones, one in enumerate(_SMALL[:10])},
}
"""English words for the numbers below a hundred."""

SCALES: Mapping[str, int] = {
    **dict.fromkeys(("hundred", "hundreds"), 100),
    **dict.fromkeys(("dozen", "dozens"), 12),
    **dict.fromkeys(("thousand", "thousands", "k", "tausend", "mila", "тыс", "тысяч", "тысячи", "тысяча", "千"), 1_000),
    **dict.fromkeys(("만", "万", "萬"), 10_000),
    **dict.fromkeys(("lakh", "lakhs"), 100_000),
    **dict.fromkeys(("million", "millions", "mio", "mln", "mn", "millionen", "millón", "millones", "milhão"), 10**6),
    **dict.fromkeys(("milhões", "milione", "milioni", "miljoen", "miljoner", "millioner", "milyon"), 10**6),
    **dict.fromkeys(("млн", "миллион", "миллиона", "миллионов", "M"), 10**6),
    **dict.fromkeys(("crore", "crores"), 10**7),
    **dict.fromkeys(("亿", "億", "억"), 10**8),
    **dict.fromkeys(("bn", "mrd", "milliarde", "milliarden", "milliard", "milliards", "miliardi", "miliardo"), 10**9),
    **dict.fromkeys(("miljard", "milyar", "млрд", "миллиард", "миллиарда", "миллиардов"), 10**9),
}
"""What a word behind a number multiplies it by, whatever the language."""

POINT_SCALES: Mapping[str, int] = {
    **dict.fromkeys(("billion", "billions"), 10**9),
    **dict.fromkeys(("trillion", "trillions"), 10**12),
}
"""The same in English; in German and French a billion is a thousand times as much."""

UNSURE_SCALES = frozenset(_words("K B T mil mille bil tril billón billones billionen quadrillion"))
"""Scales here, units or other scales there."""

UNIT_LETTERS = frozenset("msghLlKCFWVNJAHTkMBPd")
"""Letters that may stand right behind a number as a unit; every other one is a variable, as in "7x"."""

ABOUT = frozenset(
    _words(
        "about approximately approx around roughly exactly precisely only just simply therefore thus so nearly almost"
        " circa ca a an the total sum amount number value result of equal equals to is are was answer final still"
        " then now ungefähr etwa rund genau environ aproximadamente cerca de circa"
        " usd eur gbp inr cad aud jpy cny us rs s$ hk nt"
    )
)
"""Words before a number that change nothing, and codes of money."""

LEADS = frozenset(
    _words(
        "that the he she it they there we you each this these his her its their to given because since when if in"
        " tom total number"
    )
)
"""Words that open a sentence whose only number is the answer: "the answer is that Tom has 18"."""

POINTERS = frozenset(
    _words(
        "as below above found obtained calculated computed shown derived given correct right wrong incorrect simply"
        " clear reasonable based not the in here supported consistent confirmed verified provided"
    )
)
"""Words that say where an answer is or how good, not what it is."""

BOUNDS = frozenset(
    _words(
        "least most more less fewer greater than over under between below above up from either neither not nor no step"
        " option question part chapter problem case equation example line mod modulo half quarter third twice double"
        " entre zwischen mindestens höchstens weniger mehr als"
    )
)
"""Words before a number that make it a limit, one of several, or another thing's number."""

STOPS = frozenset(
    _words(
        "for in since because and or to not but as so which when if that where with on at of than after before from by"
        " is are was were while therefore thus hence although though who whose then plus minus times out we he she"
        " they it i you this these those there altogether instead rather between only total have has had would"
        " will can too also be being been until due given assuming considering based if"
    )
)
"""Words that are no part of a unit."""

FURTHER = frozenset(_words("and or to through versus vs nor bis sowie hasta до à sampai")) | frozenset(
    word for language in LANGUAGES for word in language.either if word not in ("a", "at", "i", "na", "da", "on")
)
"""Words before a further number."""

HEDGES = frozenset(_words("maybe possibly perhaps even rather about approximately either around also another nearly"))
"""Words between "or" and the other number."""

CHANGES = frozenset(
    _words(
        "squared cubed factorial remainder recurring repeating r half halves quarter quarters third thirds fifths"
        " tenths ½ hundredths thousandths dozen score percentile"
    )
)
"""Words behind a number that make it another one."""

MORE = frozenset(_words("more less fewer greater higher lower above below over under later mehr weniger más plus"))
"""Words behind "or" that make the number a limit."""


def count_words(words: Sequence[str]) -> tuple[int, int] | None:
    """
    Read a number in English words at the start of a text.

    Returns:
        The number, and how many words it has; None if the first word begins none.
    """
    total = part = used = 0
    for word in words:
        if word in COUNTS and part % (10 if COUNTS[word] < 10 else 100) == 0:
            part += COUNTS[word]
        elif word == "hundred" and 0 < part < 100:
            part *= 100
        elif part and word in ("thousand", "million") and (not total or SCALES[word] < total):
            total, part = total + part * SCALES[word], 0
        elif not _joins(words, used):
            break
        used += 1
    return (total + part, used) if used else None


def _joins(words: Sequence[str], at: int) -> bool:
    """Whether a word is the "and" of "one hundred and five"."""
    return (
        0 < at < len(words) - 1
        and words[at] == "and"
        and words[at - 1] in ("hundred", "thousand")
        and words[at + 1] in COUNTS
    )
