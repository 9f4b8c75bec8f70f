"""Field names of other people's question files."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.questions import LETTERS
from schemas.registry import InvalidRecord
from streams.app.foreign_values import letter_at, option_texts, without_working
from streams.app.reporter import Reporter
from streams.errors import UsageError

INDEX, PLACE = "gold_index", "gold_place"
"""Fields that give the right option by its place, counted from 0 and from 1."""

LINE = "line"
"""Stands in a map for the number of the line, where the file has no field of that name."""

_MEANT: Mapping[str, str] = {
    # Foreign names of public data sets, without case and punctuation, by the field they stand for; of several in one
    # file the first here is meant.
    "question_id": "questionid id qid uid uuid exampleid taskid queryid idx ind index key",
    "text": "text question questiontext questionstem prompt query problem stem ctx sentence goal context input"
    " instruction",
    "options": "options choices endings candidates alternatives answerchoices choice optionlist answeroptions",
    "gold": "gold answer answerkey label target correct correctanswer solution goldanswer goldlabel finalanswer"
    " correctoption answerindex answeridx answerletter correctindex cop rightanswer expectedanswer",
    "subject": "subject category topic subjectname domain discipline",
    "dataset": "dataset",
}
_OPTION_COLUMN = re.compile(r"(?:option|opt|op|choice|ending|answer|sol)?([a-z]|[0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class FieldMap:
    """
    Names of a file's fields, and the fields they stand for.

    Several names may stand for `options`, in the order of the letters.
    """

    names: tuple[tuple[str, str], ...] = ()
    """Name in the file and field, in the order given; a name with dots leads into objects."""
    constants: Mapping[str, str] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)
    """Fields that were in the file and in no pair: filled while the file is read, for a remark."""

    def applied(self, fields: Mapping[str, Any], number: int, known: frozenset[str]) -> dict[str, Any]:
        """
        Give the fields of a question from those of the file's line.

        Args:
            fields: As the file has them.
            number: Number of the line.
            known: Names that need no map; all others are left out.
        """
        found: dict[str, Any] = dict(self.constants)
        several: list[Any] = []
        asked = len([ours for _, ours in self.names if ours == "options"])
        taken: set[str] = set()
        for name, ours in self.names:
            value = number if name == LINE and name not in fields else _reached(fields, name)
            taken.add(name if name in fields else name.partition(".")[0])
            if ours == "options" and asked > 1:
                several.append(value)
            elif value is not None:
                found[ours] = value
        if any(value is not None for value in several):
            found["options"] = _without_end(several)
        for name, value in fields.items():
            if name in taken:
                continue
            if name in known or _is_letter(name):
                found.setdefault(name, value)
            else:
                self.left_out[name] = None
        if type(found.get("question_id")) is int:
            found["question_id"] = str(found["question_id"])
        return found


def parse_map(text: str, known: Iterable[str]) -> FieldMap:
    """
    Read a map as `--map` gives it: `id=question_id,question=text,A=options,B=options`.

    `answer_type=number` says that every answer is a number, and `line=question_id` numbers the lines.

    Raises:
        UsageError: A pair is incomplete, or names a field that questions do not have.
    """
    targets = {*known, INDEX, PLACE}
    names: list[tuple[str, str]] = []
    constants: dict[str, str] = {}
    for pair in text.split(","):
        name, _, ours = (part.strip() for part in pair.rpartition("="))
        if name == "answer_type" and ours in ("number", "choice"):
            constants[name] = ours
            continue
        if not name or ours not in targets:
            raise UsageError(
                f"--map: {pair.strip()!r} is no pair NAME=FIELD",
                remedy=f"FIELD is one of {', '.join(sorted(targets))}; answer_type=number stands for itself",
            )
        if ours != "options" and any(ours == given for _, given in names):
            raise UsageError(f"--map: two names stand for {ours}", remedy="Give one; only options may be several")
        names.append((name, ours))
    return FieldMap(tuple(names), constants)


def tell_left_out(names: FieldMap | None, reporter: Reporter) -> None:
    """Say which fields of a file were left out, because its map does not name them."""
    if names is not None and names.left_out:
        reporter.say(f"Left out, because --map does not name them: {', '.join(names.left_out)}")


def _reached(fields: Mapping[str, Any], name: str) -> Any:
    """Give the value of a name; one with dots leads into objects."""
    if name in fields or "." not in name:
        return fields.get(name)
    first, _, rest = name.partition(".")
    below = fields.get(first)
    return _reached(below, rest) if isinstance(below, dict) else None


def _without_end(options: list[Any]) -> list[Any]:
    """Leave out the empty options at the end; an empty one in the middle would shift the letters."""
    while options and options[-1] is None:
        options.pop()
    if None in options:
        raise InvalidRecord(f"options: number {options.index(None) + 1} is empty, and a later one is not")
    return options


def with_options(fields: dict[str, Any]) -> dict[str, Any]:
    """
    Bring options and right answer of a line into the form of questions, whatever form the file gives them in.

    Options may be an object by letters, texts with labels, the text of a JSON array, or fields A, B, C... of their own.
    A right answer that is one of the labels becomes the letter of that option.

    Raises:
        InvalidRecord: Options in no such form, or a place that no option has.
    """
    fields = dict(fields)
    if fields.get("options") is None:
        columns = [fields.pop(letter, None) for letter in LETTERS]
        if any(column is not None for column in columns):
            fields["options"] = _without_end(columns)
    labels: tuple[str, ...] = ()
    options = fields.get("options")
    if options and not (type(options) is list and set(map(type, options)) == {str}):
        fields["options"], labels = option_texts(options)
    count = len(fields.get("options") or ())
    for name, first in ((INDEX, 0), (PLACE, 1)):
        if fields.get(name) is not None:
            fields["gold"] = letter_at(fields[name], first, count, name)
        fields.pop(name, None)
    gold = fields.get("gold")
    if labels and str(gold) in labels:
        fields["gold"] = LETTERS[labels.index(str(gold))]
    elif isinstance(gold, str) and not count:
        fields["gold"] = without_working(gold)
    return fields


class NameHints:
    """What the foreign names in one file stand for; said in the same words for all lines that one map reads."""

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self._pairs: list[tuple[str, str]] = []
        self._told = ""

    def of(self, fields: Mapping[str, Any]) -> str | None:
        """
        Name what the fields of a line stand for, with the map that reads them so.

        Returns:
            None if no foreign name is among them.
        """
        pairs = _pairs(fields, self._known)
        if not pairs:
            return None
        if not self._told or not set(pairs) <= set(self._pairs):
            self._pairs, self._told = pairs, _hint(list(pairs), fields, self._known)
        return self._told


def _hint(pairs: list[tuple[str, str]], fields: Mapping[str, Any], known: frozenset[str]) -> str:
    meant = {ours for _, ours in pairs}
    note = f"; {INDEX} counts from 0, {PLACE} from 1: take the one that the file means" if INDEX in meant else ""
    if "question_id" not in fields and "question_id" not in meant:
        pairs.insert(0, (LINE, "question_id"))
    if not (meant | fields.keys()) & {"options", "A", "answer_type"}:
        pairs.append(("answer_type", "number"))
        note += "; without options every answer must be a number"
    foreign = sorted(fields.keys() - known - {name.partition(".")[0] for name, _ in pairs} - set(LETTERS))
    rest = f"; left out: {', '.join(foreign)}" if foreign else ""
    told = ", ".join(f"{name} -> {ours}" for name, ours in pairs)
    return f"{told}; read it with --map {','.join(f'{name}={ours}' for name, ours in pairs)}{note}{rest}"


def _pairs(fields: Mapping[str, Any], known: frozenset[str]) -> list[tuple[str, str]]:
    """Pair foreign names with the fields they stand for; each field is taken once."""
    free = [name for name in fields if name not in known and not _is_letter(name)]
    candidates = {_plain(name.rpartition(".")[2]): (name, value) for name, value in reversed(_with_inner(free, fields))}
    pairs: list[tuple[str, str]] = []
    for ours, names in _MEANT.items():
        for meant in names.split():
            name, value = candidates.get(meant, ("", None))
            if name and ours not in fields and (ours != "text" or isinstance(value, str)):
                pairs.append((name, ours))
                break
    given = fields.keys() | {ours for _, ours in pairs}
    if "options" not in given and "A" not in given:
        columns = [n for n in free if _OPTION_COLUMN.fullmatch(_plain(n)) and n not in dict(pairs)]
        pairs += [(name, "options") for name in columns] if len(columns) > 1 else []
    places = [name for name, ours in pairs if ours == "options"] or [n for n in ("options", "A") if n in fields]
    labels = _labels(_reached(fields, places[0])) if places else ()
    return [
        (name, INDEX if ours == "gold" and places and _is_unlabelled(_reached(fields, name), labels) else ours)
        for name, ours in pairs
    ]


def _labels(options: Any) -> tuple[str, ...]:
    try:
        return option_texts(options)[1]
    except InvalidRecord:
        return ()


def _is_unlabelled(gold: Any, labels: tuple[str, ...]) -> bool:
    return is_place(gold) and str(gold).strip() not in labels


def _with_inner(names: Iterable[str], fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """List names with their values, and the names inside an object, such as the question of ARC."""
    found: list[tuple[str, Any]] = []
    for name in names:
        value = fields[name]
        if isinstance(value, dict) and _plain(name) in _MEANT["text"].split():
            found += [(f"{name}.{inner}", below) for inner, below in value.items()]
        else:
            found.append((name, value))
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_letter(name: str) -> bool:
    return len(name) == 1 and name in LETTERS


def is_place(value: Any) -> bool:
    """Whether a value looks like the place of an option, rather than its letter or text."""
    return type(value) is int or (isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,2}\s*", value) is not None)


def no_place_told(gold: Any) -> InvalidRecord:
    """Describe a right answer that is a number where options were given: it may count from 0 or from 1."""
    return InvalidRecord(
        f"gold: {gold} is a place, and may count from 0 or from 1; give the letter or the text of the option, or say"
        f" which with --map gold={INDEX} (from 0) or --map gold={PLACE} (from 1)"
    )
