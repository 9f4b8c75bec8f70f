"""Reader of the option that a text chooses."""

from streams.processors.answers.reading import Options, Reading
from streams.processors.answers.v1.choices import read_choice as read_choice_v1
from streams.processors.answers.v2.thoughts import spoken


def read_choice(text: str, options: Options, structured: str | None = None) -> Reading:
    """Read which option a text chooses."""
    return read_choice_v1(spoken(text), len(options.words), structured)


def normal_choice(given: str, options: Options) -> str | None:
    """Write a right answer as an option's letter; None if it is no option."""
    letter = given.strip().upper()
    return letter if len(letter) == 1 and 0 <= ord(letter) - ord("A") < len(options.words) else None
