"""Reader of the option that a text chooses."""

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.reading import UNREADABLE, Options, Reading
from streams.processors.answers.v2.characters import end_of, plain
from streams.processors.answers.v2.endings import boxed, brief, called, ending, labelled, opening, without_echo
from streams.processors.answers.v2.mentions import OUTSIDE, SEVERAL, mention_at, named
from streams.processors.answers.v2.option_words import NamedOptions, named_options
from streams.processors.answers.v2.statements import last_statement
from streams.processors.answers.v2.structured import taken_apart, values_of

_LETTER_ALONE = compile_ascii(r"""[\s*_`"'$(\[{]{0,8}([A-Za-z])[\s*_`"'$)\]}.:]{0,8}""")
_NO_ANSWER = compile_ascii(r"(?i:[\W_]*|null|nil|nan|none|n/?a|unknown|undefined|not\sgiven|no\sanswer|\?+)")


def read_choice(text: str, options: Options, structured: str | None = None) -> Reading:
    """
    Read which option a text chooses.

    Thoughts do not count. Answers outside prose come first: *structured*, then that of a JSON object. Then the last
    statement ("the answer is (C)", "I choose C", "C is the best option"), the last box, statements that are doubted or
    made in passing if all agree, an option alone at the end or the beginning, the only label ("C. Lyon"), and the only
    line that is an option's own words. Wherever a letter is read, the option's words are too.

    Args:
        text: Text of the model; of what it says, only the last 200,000 characters are read.
        options: The question's options; of equal ones the first gives the letter.
        structured: The answer, if the model gave it apart from the text. Where it says nothing ("", "null"), the text
            is read. Where it is no option, though the words of all are known, nothing is: it is another answer.

    Returns:
        The last statement counts even where it gives no answer: a letter past the options is outside_options; several
        options, or none of them, are unreadable. A statement that is denied, taken back, or about another option ("the
        incorrect answer is (A)") is passed over.
    """
    known = named_options(options)
    said = taken_apart(text, structured)
    for value in values_of(said):
        found = _given(plain(value), known)
        if found is not None:
            return _reading(found, "structured")
    return _reading(*_read(plain(end_of(said.text)), known))


def normal_choice(given: str, options: Options) -> str | None:
    """
    Write a right answer, as feedback gives it, as a letter: that of the first of equal options.

    Args:
        given: A letter in any dress ("b", "(B)", "B. Rome") or an option's own words.
        options: The question's options.

    Returns:
        None where it is no option, or may be several.
    """
    found = _named(plain(given), named_options(options))
    return None if found in (None, SEVERAL, OUTSIDE) else found


def _named(given: str, options: NamedOptions) -> str | None:
    """Read an answer that stands for itself, by letter or in words."""
    alone = _LETTER_ALONE.fullmatch(given)
    if alone is not None:
        letter = named(alone[1], options)
        return (options.called(given) or letter) if letter == OUTSIDE else letter
    called_so = options.called(given)
    if called_so is not None:
        return called_so
    mention = mention_at(given, 0, options)
    return None if mention is None else mention.answer


def _given(value: str, options: NamedOptions) -> str | None:
    """Read an answer given outside prose; None where it says nothing, and the text may."""
    if _NO_ANSWER.fullmatch(value.strip()) and options.called(value) is None:
        return None
    found = _named(value, options)
    if found is not None:
        return found
    found, source = _read(value, options)
    if source == "unreadable" and not options.complete:
        return None
    return found


def _read(text: str, options: NamedOptions) -> tuple[str, str]:
    """Read prose: the answer, and the rule that found it."""
    whole = options.called(text)
    if whole is not None and len(text.strip()) > 1:
        return whole, "words"
    stated, doubted = last_statement(text, options)
    if stated is not None:
        return stated.answer, "statement"
    found = boxed(text, options)
    if found is not None:
        return found, "boxed"
    if doubted is not None:
        return doubted.answer, "statement"
    bare = without_echo(text, options)
    for rule, source in (
        (brief, "ending"),
        (ending, "ending"),
        (opening, "ending"),
        (labelled, "label"),
        (called, "words"),
    ):
        found = rule(bare, options)
        if found is not None:
            return found, source
    return SEVERAL, "unreadable"


def _reading(found: str, source: str) -> Reading:
    if found == SEVERAL:
        return UNREADABLE
    return Reading(None, "outside_options") if found == OUTSIDE else Reading(found, source)
