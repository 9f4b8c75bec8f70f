"""
Prompts and reply schemas of live agents.

A prompt is the policy's instruction, untrusted text in marked blocks, and a reminder.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

from schemas.canonical import canonical_json, content_id
from schemas.prompts import Prompts
from schemas.questions import LETTERS
from streams.agents.agent import Task
from streams.agents.providers.completion import ChatMessage

MARK_DIGITS = 16
"""Hex digits of the mark. A text that contains its own mark takes about 2^64 tries; another mark is used then."""

MOST_ANALYSIS_CHARACTERS = 8_000
"""
Longest part of an analysis that a merge agent reads; of a longer one only the end is kept, where the answer stands.
About 2,000 tokens, so that the largest panel, 64, fits into 128,000. Of 18,400 recorded analyses, 99 in 100 have fewer
than 2,000 characters.
"""

CONTINUED = "   | "
"""Prefix of an option's second and further lines: only the first line of an option begins with a letter."""

_LINE_ENDS = re.compile("\r\n?|[\x85\u2028\u2029]")

# As explicit ranges, not by Unicode category: each Python brings its own Unicode version, and the request must be the
# same on all of them. Line feed and tab stay. So do single joiners and emoji selectors, which Persian, Hindi and emoji
# need; three of them in a row occur in no language, and can carry hidden bits.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]|[\u200c\u200d\ufe0e\ufe0f]{3,}"
)

# Control tokens of chat templates (ChatML, Llama, Mistral, Gemma, DeepSeek). Most providers treat them as text inside a
# message; a server that does not would end the message here.
_TEMPLATE = re.compile(
    "<(?=[|\uff5c]|/?(?:s|bos|eos|think|(?:start|end)_of_turn)>|<?/?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK)\])"
)


class Block(NamedTuple):
    """One tagged block of untrusted data."""

    name: str
    text: str
    label: str = ""
    """Distinguishes blocks of the same name. Label and name never come from the data."""


def messages_of(task: Task, prompts: Prompts, *, alone: bool) -> tuple[ChatMessage, ...]:
    """
    Build an agent's prompt: a system message, and a user message with all data and the reminder.

    Each block is enclosed in tags that end in a mark: a hash of all data that occurs in none of it. `visible` writes
    out invisible characters, line ends and chat template tokens of the data. The prompt holds no agent names, no
    question id and no subject.

    Args:
        task: The seat; the number of the attempt changes nothing.
        prompts: Texts of the policy. Placeholders are filled in the instruction only, never in data or the reminder.
        alone: Whether the policy has one agent only; as an analyst it gets the `baseline` instruction.

    Returns:
        The same bytes for the same task and policy, on any machine.
    """
    blocks = tuple(_blocks(task))
    mark = _mark_of(blocks)
    parts = [_tagged(block, mark) for block in blocks]
    if prompts.reminder:
        parts.append(prompts.reminder)
    return ChatMessage("system", _instruction(task, prompts, alone, mark)), ChatMessage("user", "\n".join(parts))


def schema_of(task: Task) -> dict[str, Any]:
    """
    Give the JSON schema of a reply, within what OpenAI's strict mode accepts.

    A dispatcher's list has no length in the schema: OpenAI accepts `minItems`, but other providers with the same
    interface reject the request. The instruction states the number of sub-questions; the reply parser drops any excess.
    """
    if task.role == "dispatcher":
        return _object(sub_questions={"type": "array", "items": {"type": "string"}})
    letters = {"enum": list(LETTERS[: len(task.options)])} if task.answer_type == "choice" else {}
    return _object(analysis={"type": "string"}, answer={"type": "string"} | letters)


def visible(text: str) -> str:
    """
    Write out the invisible parts of untrusted text, so that a model reads what a person sees.

    Line ends become line feeds. Control characters, bidirectional controls, tag characters and other characters without
    width are written out, as `[U+202E]`; none is dropped. Tokens of chat templates get a space after their first
    character, as in `< |im_start|>`, so that no server interprets them.
    """
    text = _UNSEEN.sub(_written_out, _LINE_ENDS.sub("\n", text))
    return _TEMPLATE.sub(r"\g<0> ", text)


def shown_option(text: str) -> str:
    """Write out an option; its further lines cannot look like another option."""
    return visible(text).replace("\n", f"\n{CONTINUED}")


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _written_out(match: re.Match[str]) -> str:
    return "".join(f"[U+{ord(character):04X}]" for character in match[0])


def _instruction(task: Task, prompts: Prompts, alone: bool, mark: str) -> str:
    roles = {
        "analyst": prompts.baseline if alone else prompts.analyst,
        "dispatcher": prompts.dispatcher,
        "merger": prompts.merger,
    }
    chosen = roles[task.role]
    text = chosen.choice if task.answer_type == "choice" else chosen.number
    letters = f"A to {LETTERS[len(task.options) - 1]}" if task.options else ""
    # Safe one after the other: no inserted value contains braces.
    for place, value in (("{mark}", mark), ("{letters}", letters), ("{seats}", str(task.seats))):
        text = text.replace(place, value)
    return text


def _blocks(task: Task) -> Iterator[Block]:
    yield Block("question", visible(task.text))
    if task.options:
        yield Block("options", "\n".join(map(_option, LETTERS, task.options)))
    if task.sub_question is not None:
        yield Block("sub-question", visible(task.sub_question))
    if task.role == "merger":
        for number, analysis in enumerate(task.analyses, 1):
            yield Block("analysis", _cut(visible(analysis)), f"A{number}")
    if task.role == "dispatcher":
        yield Block("seats", str(task.seats))


def _option(letter: str, text: str) -> str:
    return f"{letter}: {shown_option(text)}"


def _tagged(block: Block, mark: str) -> str:
    label = f' id="{block.label}"' if block.label else ""
    return f"<{block.name}-{mark}{label}>\n{block.text}\n</{block.name}-{mark}>"


def _cut(analysis: str) -> str:
    over = len(analysis) - MOST_ANALYSIS_CHARACTERS
    return f"[The first {over} characters are left out.]\n{analysis[over:]}" if over > 0 else analysis


def _mark_of(blocks: Sequence[Block]) -> str:
    """Hash all data into a mark that occurs in none of it, in upper or lower case."""
    held = [block.text.lower() for block in blocks]
    marks = (content_id(canonical_json([n, *map(list, blocks)]))[:MARK_DIGITS] for n in count())
    return next(mark for mark in marks if not any(mark in text for text in held))
