"""
Bundle of the readers of answers.

It is for a machine without this program. `python -m infra.verifier.bundle_answers` writes read_answers.py: the modules
of streams/processors/answers, and those of the rule `odds` that read texts, as they are, each as one text, and a few
lines that load them. It shares our code, and says so.
"""

from collections.abc import Iterator
from pathlib import Path

from schemas.odds import MOST_GIVEN
from schemas.questions import LETTERS

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(__file__).with_name("read_answers.py")
SOURCE = "streams/processors/answers"
EVIDENCE = tuple(
    f"streams/processors/odds/{name}.py" for name in ("numbers", "equations", "question_facts", "evidence")
)

_HEAD = '''"""
Readings of answers, for verify.py.

Written by infra/verifier/bundle_answers.py; do not edit it. This is the code of the program that writes receipts, from
streams/processors/answers and streams/processors/odds, so it is no second opinion: it only lets the reading be done
again. It needs CPython 3.11.5, as the program does: an older `re` reads some texts otherwise.
"""

import importlib
import sys
import types

OLDEST = (3, 11, 5)
TOO_OLD = ""
if sys.version_info < OLDEST:
    TOO_OLD = f": read_answers.py needs CPython 3.11.5, and this is {sys.version.split()[0]}"
'''

_LOADER = '''

class _Finder:
    """Imports the modules below, under their own names; packages above them are empty."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in MODULES:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, _Finder, is_package=any(other.startswith(name + ".") for other in MODULES))

    @staticmethod
    def create_module(spec):
        return types.ModuleType(spec.name)

    @staticmethod
    def exec_module(module):
        exec(compile(MODULES[module.__name__], module.__name__, "exec"), module.__dict__)


_WANTED = (
    "streams.processors.answers.extractor",
    "streams.processors.answers.reading",
    "schemas.questions",
    "streams.processors.odds.question_facts",
    "streams.processors.odds.evidence",
)


def _load():
    """Import the readers, and leave nothing of it behind under names that the program itself has."""
    ours = [name for name in sys.modules if name.partition(".")[0] in ("schemas", "streams")]
    kept = {name: sys.modules.pop(name) for name in ours}
    sys.meta_path.insert(0, _Finder)
    try:
        readers, reading, questions, facts, evidence = map(importlib.import_module, _WANTED)
        texts = questions.QuestionAsked, facts.facts_of, evidence.evidence_of
        return readers.EXTRACTORS, reading.Options, questions.OptionDigest, *texts
    finally:
        sys.meta_path.remove(_Finder)
        for name in MODULES:
            sys.modules.pop(name, None)
        sys.modules.update(kept)


if not TOO_OLD:
    _EXTRACTORS, _OPTIONS, _DIGEST, _QUESTION, _FACTS_OF, _EVIDENCE_OF = _load()


def read(extractor, text, options, structured):
    """
    Read an answer.

    Args:
        extractor: Name and version of the rules.
        text: What the agent wrote.
        options: The options as the panel carries them (text, or {"sha256": ...}); a list of None if only their number
            is known; None where the answer is a number.
        structured: The answer, if the agent gave it apart from the text.

    Returns:
        The answer, or None; and the rule that read it.
    """
    known = None
    if options is not None and None in options:
        known = _OPTIONS.unknown(len(options))
    elif options is not None:
        known = _OPTIONS.of([one if isinstance(one, str) else _DIGEST(one["sha256"]) for one in options])
    found = _EXTRACTORS[extractor].read(text, known, structured)
    return found.answer, found.source


def evidence_problem(question, carried, decision, events):
    """
    Read again what the rule `odds` takes from texts.

    Args:
        question, decision: The events.
        carried: The panel's member `odds`.
        events: All events of the receipt with their topics, by id.

    Returns:
        What is not as the texts say; None if everything is.
    """
    asked = _QUESTION(question["text"], tuple(question["options"]))
    facts = _FACTS_OF(asked, option_shapes=carried["settings"]["option_shapes"])
    if _plain(facts) != carried["facts"]:
        return "the panel's facts of the question are not those of its text"
    for ballot, said in zip(decision["counted"], decision["odds"]["evidence"]):
        text = events[ballot["analysis_id"]][1]["text"]
        if _plain(_EVIDENCE_OF(ballot["agent"], ballot["answer"], text, facts)) != said:
            return f"the evidence of {ballot['agent']} is not that of its text"
    return None


def _plain(read):
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(read).items()}
'''

_ODDS = f'''"""The names that the evidence takes from the schemas."""


from dataclasses import dataclass

MOST_GIVEN = {MOST_GIVEN}
Grounds = QuestionKind = str


@dataclass(frozen=True)
class Evidence:
    """What one counted answer rests on."""

    agent: str
    grounds: str
    uses: object
    repeats: object


@dataclass(frozen=True)
class QuestionFacts:
    """What the rule must know of a question's text."""

    kind: str
    negated: bool
    given: object
    values: tuple
    shapes: object
'''

_QUESTIONS = f'''"""The names that the readers take from the schemas."""


from dataclasses import dataclass

LETTERS = "{LETTERS}"


@dataclass(frozen=True)
class QuestionAsked:
    """A question."""

    text: str
    options: tuple


@dataclass(frozen=True)
class OptionDigest:
    """An option for which its hash stands."""

    sha256: str
'''

_EMPTY = ("schemas", "streams", "streams.processors", "streams.processors.odds")


def modules() -> Iterator[tuple[str, str]]:
    """Give name and source of every module in the bundle."""
    for name in _EMPTY:
        yield name, ""
    yield "schemas.questions", _QUESTIONS
    yield "schemas.odds", _ODDS
    for path in sorted([*(ROOT / SOURCE).rglob("*.py"), *(ROOT / name for name in EVIDENCE)]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path.read_text("utf-8")


def bundle() -> str:
    """Write the file."""
    lines = [_HEAD, "MODULES = {"]
    for name, source in modules():
        lines.append(f"    # {name}\n    {name!r}: {_quoted(source)},")
    return "\n".join([*lines, "}"]) + _LOADER


def _quoted(source: str) -> str:
    """Quote a module so that it can be read: a line of source is a line of the bundle."""
    if not source:
        return '""'
    return "(\n" + "\n".join(f"        {line!r}" for line in source.splitlines(keepends=True)) + "\n    )"


if __name__ == "__main__":
    TARGET.write_text(bundle(), encoding="utf-8")
    print(f"wrote {TARGET}")
