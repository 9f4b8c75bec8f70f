"""
Removal of a model's thoughts, which do not vote.

Thoughts are marked by tags (`<think>`, `[THINK]`) or stand in another channel than `final` (the harmony format).
"""

import re
from collections.abc import Mapping, Sequence

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.v2.characters import plain
from streams.processors.answers.v2.cues import answer_cues, clause_before

_NAMES = r"(?:seed:)?(?:antthinking|think|thinking|thoughts?|reasoning|scratchpad)"
# The first character stands alone, so that `re` skips to it.
_TOKEN = compile_ascii(
    rf"[<\[\u25c1](?i:(?P<open>{_NAMES}(?:\s[^<>\n]{{0,60}})?>|think(?:\]|\u25b7)"
    r"|\|(?:begin_of_thought|start_thinking|begin_of_reasoning)\|>)"
    rf"|(?P<close>/{_NAMES}\s?>|/think(?:\]|\u25b7)|\|(?:end_of_thought|end_thinking|end_of_reasoning)\|>)"
    r"|(?P<final>\|channel\|>\s?final\b[^<\n]{0,80}<\|message\|>)"
    r"|(?P<channel>\|channel\|>\s?(?:analysis|commentary)\b[^<\n]{0,80}<\|message\|>)"
    r"|(?P<end>\|(?:end|return|call)\|>|\|start\|>(?:assistant\b)?))"
)
# The same format where a server has dropped its control tokens.
_BARE_START, _BARE_FINAL = "analysis", "assistantfinal"

_CLOSES: Mapping[str | None, tuple[str, ...]] = {"open": ("close", "final"), "channel": ("end", "final")}
"""Kinds of tokens that end a thought, by the kind that began it."""

# --- the last words of a thought -----------------------------------------------------------------------------------

_LAST_CHARACTERS = 600
"""Only so much of a thought's end is searched for a final answer."""

_STOP = compile_ascii(r"(?:\s|</?s>|<\|[a-z_]{1,20}\|>|<end>){1,40}\Z")
_LABEL = compile_ascii(r"[\s*_(\[\\a-z{$\"']{0,30}[A-Za-z0-9][.)]\s")
_LINE_END = compile_ascii(r"[ *_#]{0,4}\n")
_SENTENCE_END = compile_ascii(r"[.!?]['\")*]{0,4}\s|[\u3002\uff01\uff1f].|\n")
_CUT_OFF = compile_ascii(
    r"(?i:[,:;(\u2013\u2014-]|\b(?:or|and|but|if|not|the|an?|is|of|to|that|which|either|nor))\s{0,4}\Z"
)
_ENDED = compile_ascii(r"[.!)\]}*_$\"'`>\u3002\uff01]\Z")
_UNSURE = compile_ascii(
    r"\b(?:think|guess|believe|seems?|hmm+|wait|maybe|perhaps|check|verify|whether|suppose|assume)\b"
)
_BOX = compile_ascii(r"\\boxed\{[^{}\n]{1,80}(?:\{[^{}\n]{0,80}\}[^{}\n]{0,80}){0,4}\}[\s$\\\])}.*]{0,12}\Z")
_HASH_LINE = compile_ascii(r"(?:\A|\n)####\s?[^\n]{1,60}\Z")


def spoken(text: str) -> str:
    """
    Give what a model said apart from its thoughts; a text without thoughts as it is.

    A closing tag that nothing opened ends a thought that began before the text. An opening tag within a line that
    nothing closes is only spoken of. Of a thought that is never closed an explicit final answer at its end counts ("So
    the answer is (C).", "**Final answer:** C", a box), and only if nothing else was said.
    """
    # What a removal lays bare is looked at once more: "analysis" at the beginning of what is left.
    while (said := _spoken_once(text)) != text:
        text = said
    return text


def _spoken_once(text: str) -> str:
    if text.lstrip().startswith(_BARE_START) and _BARE_FINAL in text:
        text = text.rpartition(_BARE_FINAL)[2]
    tokens = list(_TOKEN.finditer(text))
    if not tokens:
        return text
    said, thought = _parted(text, tokens)
    if thought is not None and not said.strip():
        return _final_answer(_last_part(thought))
    return said.lstrip()


def _parted(text: str, tokens: Sequence[re.Match[str]]) -> tuple[str, str | None]:
    """Part what is said from a thought that is never closed."""
    last = {
        kind: max((token.start() for token in tokens if token.lastgroup in _CLOSES[kind]), default=-1)
        for kind in _CLOSES
    }
    said: list[str] = []
    opened, start = None, 0
    for token in tokens:
        kind = token.lastgroup
        if opened is None:
            if kind in _CLOSES:
                if token.start() > last[kind] and not _begins_line(text, start, token.start()):
                    continue
                opened = kind
            # A line end instead of the token: what it parted must not join to another token.
            said += text[start : token.start()], "\n"
            if kind == "close":
                said.clear()
        elif kind in _CLOSES[opened]:
            opened = None
        else:
            continue
        if kind == "final":
            said.clear()
        start = token.end()
    return ("".join(said) + text[start:], None) if opened is None else ("".join(said), text[start:])


def _begins_line(text: str, start: int, position: int) -> bool:
    """Whether only spaces part a position from its line's start, or from *start*, where a token ends."""
    spaces = text[max(start, position - 40) : position]
    line = spaces.rpartition("\n")[2]
    return not line.strip() and (line != spaces or position - 40 <= start)


def _last_part(thought: str) -> str:
    """Give what follows the last token in a thought, but for tokens at its end."""
    end = len(thought)
    for token in reversed(list(_TOKEN.finditer(thought))):
        if thought[token.end() : end].strip():
            return thought[token.end() : end]
        end = token.start()
    return thought[:end]


def _final_answer(thought: str) -> str:
    """Give the sentence that ends a thought, if it states a final answer; otherwise nothing."""
    tail = _STOP.sub("", plain(thought.rstrip()[-_LAST_CHARACTERS:]))
    ended = _BOX.search(tail) or _HASH_LINE.search(tail)
    start = None if ended is None else ended.start()
    for cue in answer_cues(tail):
        if cue.standing == "plain" and not cue.negated and _ends_with_answer(tail, cue.end):
            start = cue.start
    if start is None:
        return ""
    answer = tail[start - len(clause_before(tail, start)) :]
    # A token in full-width characters would be taken for one the next time.
    return "" if _UNSURE.search(answer.lower()) or _TOKEN.search(answer) else answer


def _ends_with_answer(tail: str, position: int) -> bool:
    """Whether what is stated at a position is whole, and nothing follows it."""
    content = tail[position:].strip().rstrip("}`\n ")
    apart = tail[position - 1] in ":=>" or _LINE_END.match(tail, position) is not None
    label = _LABEL.match(content) if apart else None
    if not content or _CUT_OFF.search(content) or _SENTENCE_END.search(content, label.end() if label else 0):
        return False
    return apart or _ENDED.search(tail) is not None
