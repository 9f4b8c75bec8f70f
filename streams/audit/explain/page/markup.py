"""Explanation of one question as a self-contained page."""

from collections.abc import Callable, Iterator

from streams.audit.explain.explanation import Explanation
from streams.audit.explain.page.layout import page_model
from streams.audit.explain.page.model import (
    Block,
    Calls,
    Choices,
    Facts,
    Grid,
    PageModel,
    Quote,
    Say,
    Shifts,
    Steps,
    SumsShown,
)
from streams.drawing.charts import plain_number
from streams.drawing.elements import Node, element
from streams.drawing.flow import flow_chart
from streams.drawing.page import both_widths, figure, page, section, table
from streams.drawing.rows import shifts_chart, spans_chart, sums_chart


def explanation_page(told: Explanation, *, full: bool = False) -> str:
    """
    Write the page of an explanation: one file, without scripts, that asks no other host for anything.

    Args:
        told: The explanation.
        full: Whether texts are shown whole; else their beginnings.
    """
    return render(page_model(told, full=full))


def render(model: PageModel) -> str:
    """Write the page of a model."""
    parts = [section(part.title, [block for one in part.blocks for block in block_nodes(one)]) for part in model.parts]
    return page(f"{model.question_id}: {model.answer or 'no decision yet'}", _heading(model), parts)


def _heading(model: PageModel) -> Node:
    answer = None
    if model.answer:
        look = "answer chosen" if model.state == "decided" else "answer"
        answer = element("p", element("span", model.answer, class_=look), f" {model.answer_text}", class_="lead")
    return element(
        "header",
        element("p", "Explanation of a decision", class_="quiet over"),
        element("h1", model.question_id),
        answer,
        element("ul", [element("li", line) for line in model.summary], class_="facts"),
    )


def block_nodes(block: Block) -> Iterator[Node]:
    """Write one block of a page."""
    match block:
        case Say(lines, "list"):
            yield element("ul", [element("li", line) for line in lines])
        case Say(lines, look):
            yield from (element("p", line, class_=look if look != "plain" else None) for line in lines)
        case Facts(pairs):
            if pairs:
                listed = [part for name, said in pairs for part in (element("dt", name), element("dd", said))]
                yield element("dl", listed)
        case Choices():
            yield _choices(block)
        case Quote():
            yield _quote(block)
        case Grid():
            yield from _grid(block)
        case Steps() | SumsShown() | Shifts() | Calls():
            yield _picture(block)


def _choices(block: Choices) -> Node:
    rows = []
    for choice in block.choices:
        badge = element("span", choice.answer, class_="answer chosen" if choice.chosen else "answer")
        note = element("span", choice.ballots, class_="quiet") if choice.ballots else None
        rows.append(element("li", badge, element("span", choice.text, dir="auto"), note))
    return element("ul", rows, class_="choices")


def _quote(block: Quote) -> Node:
    more = f"… {block.left_out:,} characters more; --full shows them" if block.left_out else None
    return element(
        "div",
        element(
            "p", element("b", f"{block.who} ") if block.who else None, element("span", block.about, class_="quiet")
        ),
        element("blockquote", block.text, dir="auto") if block.text else None,
        element("p", more, class_="quiet") if more else None,
        class_="said",
    )


def _grid(block: Grid) -> Iterator[Node]:
    if not block.rows:
        return
    drawn = table(block.head, block.rows, block.figures)
    yield element("details", element("summary", block.folded), drawn) if block.folded else drawn


def _picture(block: Steps | SumsShown | Shifts | Calls) -> Node:
    return figure(both_widths(_drawer(block)), block.caption)


def _drawer(block: Steps | SumsShown | Shifts | Calls) -> Callable[[int], Node]:
    match block:
        case Steps():
            return lambda width: flow_chart(block.title, block.groups, width)
        case SumsShown():
            return lambda width: sums_chart(block.title, block.rows, width, mark=block.mark, most=block.most)
        case Shifts():
            return lambda width: shifts_chart(block.title, block.rows, plain_number, width)
        case Calls():
            return lambda width: spans_chart(block.title, block.rows, lambda ms: f"{plain_number(ms)} ms", width)
