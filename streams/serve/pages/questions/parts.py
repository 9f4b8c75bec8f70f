"""Parts of a page about one question."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from streams.audit.explain.explanation import Explanation
from streams.audit.explain.page.layout import page_model
from streams.audit.explain.page.markup import block_nodes
from streams.audit.explain.page.model import Block, PageModel, Quote
from streams.drawing.elements import Node, element
from streams.serve.pages.questions.tree import event_tree


class QuestionPart(NamedTuple):
    """A part of the page under a heading."""

    title: str
    anchor: str
    nodes: Sequence[Node]


class QuestionShown(NamedTuple):
    """What the page of a question shows, besides what can be done with it."""

    model: PageModel
    asked: Sequence[Node]
    """The question with its options."""
    parts: Sequence[QuestionPart]


def question_shown(told: Explanation, *, full: bool) -> QuestionShown:
    """
    Lay a question out.

    Args:
        told: Its explanation.
        full: Whether texts are shown whole; else their beginnings.
    """
    model = page_model(told, full=full)
    first, *others = model.parts
    parts = [QuestionPart(part.title, _anchor(part.title), list(_nodes(part.blocks))) for part in others]
    tree = QuestionPart("Tree of events", "tree", [event_tree(told)])
    return QuestionShown(model, list(_nodes(first.blocks)), [*parts[:-1], tree, *parts[-1:]])


def _nodes(blocks: Sequence[Block]) -> Iterator[Node]:
    """Write blocks; what several agents said stands side by side."""
    for quoted, found in groupby(blocks, key=lambda block: isinstance(block, Quote) and bool(block.who)):
        nodes = [node for block in found for node in block_nodes(block)]
        if quoted:
            yield element("div", nodes, class_="cards")
        else:
            yield from nodes


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")
