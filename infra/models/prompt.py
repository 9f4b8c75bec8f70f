"""
The contents of a prompt: data blocks, role, embedded instructions.

The data blocks decide the role; embedded instructions are lines of data that read like orders.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from schemas.panels import Role

_BLOCK = re.compile(
    # Tags stand alone on their lines, so that a prompt may speak of them elsewhere.
    r"^<(?P<name>[a-z]+(?:-[a-z]+)*)-(?P<mark>[0-9a-f]{16})(?: [^>\n]*)?>\n(?P<text>.*?)^</(?P=name)-(?P=mark)>",
    re.MULTILINE | re.DOTALL,
)

_ORDER = re.compile(
    # "The answer is" tells; "answer with" orders.
    r"\b(?:answer(?!s?\s+(?:is|was)\b)|ignore|disregard|forget|output|print|repeat|reply|respond|reveal|say|write)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Prompt:
    """
    The text of all messages, and the blocks of data in it.

    Attributes:
        text: Messages one after the other.
        blocks: Texts of each kind of block in order. A block inside another one is text of the outer one: data cannot
            add blocks.
    """

    text: str
    blocks: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def role(self) -> Role:
        """Who is asked: analyses go to the merger, seats are filled by the dispatcher."""
        if "analysis" in self.blocks:
            return "merger"
        return "dispatcher" if "seats" in self.blocks else "analyst"

    @property
    def orders(self) -> list[str]:
        """Lines of the data that a model without any caution would obey, by kind of block and then in order."""
        lines = (line for texts in self.blocks.values() for text in texts for line in text.splitlines())
        return [line for line in lines if _ORDER.search(line)]


def read_prompt(text: str) -> Prompt:
    """Find the blocks: `<NAME-MARK ...>`, lines of text, `</NAME-MARK>`, where the mark is 16 hex digits."""
    blocks: dict[str, tuple[str, ...]] = {}
    for block in _BLOCK.finditer(text):
        blocks[block["name"]] = (*blocks.get(block["name"], ()), block["text"].removesuffix("\n"))
    return Prompt(text, MappingProxyType(blocks))
