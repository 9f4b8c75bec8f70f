"""The text of one completion, sound or faulty."""

import json
from dataclasses import dataclass, replace

from infra.models.library import LibraryQuestion
from infra.models.replies import ModelReply
from schemas.panels import Role
from schemas.questions import LETTERS

VERY_LONG_CHARS = 1_100_000
"""More than a megabyte by either unit (10**6 or 2**20), and little more, to test a client's limit."""

_REFUSAL = "I'm sorry, but I can't help with that request."
# No parser finds an answer in it: there is no statement, no option letter and no digit.
_OTHER_LANGUAGE = "Hyvä kysymys, mutta tarvitsen lisää tietoa ennen kuin voin sanoa mitään varmaa."


@dataclass(frozen=True)
class PlayedCompletion:
    """
    Contents of the one choice in a response.

    Attributes:
        content: The text; None if a refusal or a tool call stands in its place.
        finish_reason: stop, length, content_filter, tool_calls or error.
        refusal: Words of a model that refuses to fill the given schema.
        tool: Name of a called tool, without arguments.
    """

    content: str | None
    finish_reason: str = "stop"
    refusal: str | None = None
    tool: str | None = None

    @property
    def tokens(self) -> int:
        """Length in tokens, taken as four characters each, rounded up."""
        return tokens(self.content or self.refusal or self.tool or "")


def tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    return -(-len(text) // 4)


def complete(reply: ModelReply, role: Role, *, structured: bool) -> PlayedCompletion:
    """Write a reply as text, or as a JSON object of the role's form."""
    if not structured:
        return PlayedCompletion(reply.text)
    if role == "dispatcher":
        return PlayedCompletion(
            json.dumps({"sub_questions": [line for line in reply.text.splitlines() if line.strip()]})
        )
    return PlayedCompletion(json.dumps({"analysis": reply.text, "answer": reply.answer}))


def spoil(fault: str | None, reply: ModelReply, question: LibraryQuestion, key: str) -> ModelReply:
    """Change the answer, if the fault is one of content."""
    match fault:
        case "wrong-letter":
            wrong = _no_answer(question)
            return ModelReply(f"Nothing else is left. The answer is ({wrong}).", wrong)
        case "very-long":
            line = (reply.text.strip() or "Let us think about it again.") + "\n"
            return reply._replace(text=line * -(-VERY_LONG_CHARS // len(line)))
        case "other-language":
            return ModelReply(_OTHER_LANGUAGE, None)
        case "echo-key":
            return reply._replace(text=f"{reply.text}\nYour key is {key}.")
    return reply


def disfigure(fault: str | None, completion: PlayedCompletion, *, structured: bool) -> PlayedCompletion:
    """Change the form of the answer, if the fault is one of form."""
    match fault:
        case "empty":
            return replace(completion, content="")
        case "refusal" if structured:
            return PlayedCompletion(None, refusal=_REFUSAL)
        case "refusal":
            return PlayedCompletion(_REFUSAL, "content_filter")
        case "truncated":
            content = completion.content or ""
            return PlayedCompletion(content[: len(content) // 2], "length")
        case "finish-error":
            content = completion.content or ""
            return PlayedCompletion(content[: len(content) // 2], "error")
        case "tool-call":
            return PlayedCompletion(None, "tool_calls", tool="search")
    return completion


def _no_answer(question: LibraryQuestion) -> str:
    """Give the letter after the last option; to a number, a letter."""
    if question.answer_type == "number":
        return LETTERS[-1]
    return LETTERS[len(question.options)] if len(question.options) < len(LETTERS) else "AA"
