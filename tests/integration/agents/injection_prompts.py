"""
A strict parser of prompts.

It finds the text of each block, and refuses text outside of blocks.
"""

import re
import unicodedata
from typing import NamedTuple

from schemas.prompts import Prompts
from streams.agents.prompts import CONTINUED
from streams.agents.providers.completion import ChatMessage

_FIRST = re.compile(r"<question-([0-9a-f]{16})>\n")

_NEEDED = "\n\t\u200c\u200d\ufe0e\ufe0f"
"""Characters without width that stay, for languages and emoji need them."""

TEMPLATE_TOKENS = ("<|", "<\uff5c", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>", "<bos>", "<eos>")
TEMPLATE_TOKENS += ("<start_of_turn>", "<end_of_turn>", "[SYSTEM_PROMPT]", "[TOOL_CALLS]", "<think>", "</think>")


class Section(NamedTuple):
    """One block of a prompt."""

    name: str
    label: str
    text: str


def mark_of(messages: tuple[ChatMessage, ...]) -> str:
    """Give the mark of a prompt."""
    found = _FIRST.match(messages[1].content)
    assert found is not None
    return found[1]


def sections(messages: tuple[ChatMessage, ...], reminder: str = Prompts().reminder) -> list[Section]:
    """
    Parse a prompt.

    Raises:
        AssertionError: It is not two messages; or the second holds anything but well-formed blocks and the reminder,
            or the mark anywhere but in the tags.
    """
    assert [message.role for message in messages] == ["system", "user"]
    mark, lines = mark_of(messages), messages[1].content.split("\n")
    tag = re.compile(rf'<(?P<end>/?)(?P<name>[a-z-]+)-{mark}(?: id="(?P<label>A\d+)")?>')
    found: list[Section] = []
    outside: list[str] = []
    inside: list[str] | None = None
    for line in lines:
        match = tag.fullmatch(line)
        if match is None:
            (outside if inside is None else inside).append(line)
        elif match["end"]:
            assert inside is not None
            assert found[-1].name == match["name"]
            found[-1] = found[-1]._replace(text="\n".join(inside))
            inside = None
        else:
            assert inside is None
            found.append(Section(match["name"], match["label"] or "", ""))
            inside = []
    assert inside is None
    assert "\n".join(outside) == reminder
    assert messages[1].content.lower().count(mark) == 2 * len(found)
    return found


def letters_in(options: str) -> str:
    """Give the letters with which the lines of an options block begin; every other line continues one."""
    lines = options.split("\n")
    assert all(re.match("[A-Z]: ", line) or line.startswith(CONTINUED) for line in lines)
    return "".join(line[0] for line in lines if not line.startswith(CONTINUED))


def check_characters(messages: tuple[ChatMessage, ...]) -> None:
    """Check that the data hold no invisible character and no token of a chat template."""
    text = messages[1].content
    unseen = {
        f"U+{ord(character):04X}"
        for character in set(text)
        if character not in _NEEDED and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }
    assert not unseen
    assert not [token for token in TEMPLATE_TOKENS if token in text]
