"""Texts, numbers and pictures as templates write them."""

import copy
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup, escape

from schemas.quantities import instant_of_ms
from streams.audit.figures import count_of, ratio, short, usd
from streams.drawing.elements import Node, plain, write
from streams.serve.pages.glossary import WORDS


def shown(value: object) -> object:
    """Show marks that nobody sees, and that change the direction of what follows, as their code."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def said(text: object) -> Markup:
    """Write what somebody else wrote: as text, in a direction of its own."""
    return Markup('<bdi dir="auto">{}</bdi>').format(plain(str(text)))


def advice(text: object) -> Markup:
    """Write a message or a remedy of ours as a sentence; what stands between backticks is code."""
    parts = plain(str(text)).split("`")
    if len(parts) % 2 == 0:
        return said(text)
    parts[0] = parts[0][:1].upper() + parts[0][1:]
    joined = Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )
    return Markup('<bdi dir="auto">{}</bdi>').format(joined)


def begin(text: object, most: int = 120) -> str:
    """Cut a text to its beginning, in one line."""
    line = " ".join(str(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def picture(node: Node) -> Markup:
    """
    Write elements of `streams.drawing`, whose texts they escape themselves.

    The policy of the pages forbids styles of elements: the widths that pictures carry become classes. What scrolls
    sideways can be reached by keyboard.
    """
    return Markup(write(_fitted(copy.deepcopy(node))))


def _fitted(node: Node) -> Node:
    for each in node.iter():
        if each.get("class") == "scroll":
            each.attrib.update({"tabindex": "0", "role": "group", "aria-label": "scrolls sideways where it is wide"})
        style = each.attrib.pop("style", "")
        names = [
            f"{'most' if name == 'max-width' else 'legible'}-{min(max(round(float(size)), 1), 120)}"
            for name, size in re.findall(r"(max-width|--legible): ([\d.]+)rem", style)
        ]
        if names:
            each.set("class", " ".join([*each.get("class", "").split(), *names]))
    return node


def word(name: str, text: str | None = None) -> Markup:
    """
    Write one of our words with its definition: it shows under the pointer and at the focus, and leads to the glossary.

    Args:
        name: The word, as the glossary has it.
        text: How it is written here, if otherwise.
    """
    return Markup('<a class="word" href="/words#{}" title="{}">{}</a>').format(
        name.replace(" ", "-"), WORDS[name], text or name
    )


def moment(at: str) -> Markup:
    """Write an instant as people read it, in UTC."""
    try:
        read = datetime.fromisoformat(at)
    except ValueError:
        return escape(at)
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M:%S} UTC</time>').format(at, read)


def ms(value: float | None) -> str:
    """Write milliseconds."""
    return "unknown" if value is None else f"{value:,.0f} ms"


def money(nusd: float) -> str:
    """Write nano-dollars as dollars, with as many decimals as a column of sums needs."""
    amount = nusd / 10**9
    return f"${amount:,.2f}" if amount >= 100 else f"${amount:,.6f}" if amount < 1 else f"${amount:,.4f}"


def moment_ms(at_ms: int) -> Markup:
    """Write milliseconds since 1970 as people read an instant, in UTC."""
    return moment(instant_of_ms(at_ms))


def anchor(question_id: str) -> str:
    """Give the name of a question's element in a page: of few characters, whatever the id has."""
    return "q-" + hashlib.sha256(question_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def question_path(question_id: str) -> str:
    """Give the address of a question's page; it stays the same for good."""
    return "/q?" + urlencode({"id": question_id})


FILTERS: Mapping[str, Callable[..., Any]] = {
    "advice": advice,
    "anchor": anchor,
    "begin": begin,
    "money": money,
    "moment": moment,
    "moment_ms": moment_ms,
    "ms": ms,
    "picture": picture,
    "plural": count_of,
    "question_path": question_path,
    "ratio": ratio,
    "said": said,
    "short": short,
    "usd": usd,
}
"""Filters of every template."""
