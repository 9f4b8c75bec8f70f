"""Pictures and self-contained pages."""

import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.drawing.charts import (
    Dot,
    Estimate,
    Polyline,
    bar_chart,
    estimates_chart,
    line_chart,
    plain_number,
    reliability_chart,
    scatter_chart,
)
from streams.drawing.elements import element, number, plain, write
from streams.drawing.flow import NARROW, Box, Group, flow_chart
from streams.drawing.heat_maps import heat_map
from streams.drawing.labels import LETTER, WIDTH
from streams.drawing.page import figure, page, section, table
from streams.drawing.rows import Shift, Span, Spans, SumOfParts, shifts_chart, spans_chart, sums_chart
from streams.drawing.scales import Scale, around, round_step

HOSTILE = '<script>alert(1)</script>" onload="x" <svg/onload=x> &amp; \u202e\x00'
values = st.floats(-1e9, 1e9, allow_nan=False)


class Tags(HTMLParser):
    """Collects the tags, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def pictures(label: str) -> list[ET.Element]:
    """Draw one picture of each kind, with one label everywhere."""
    return [
        estimates_chart(label, [Estimate(label, 0.5, 0.4, 0.6)]),
        bar_chart(label, [Estimate(label, 3.0)]),
        scatter_chart(label, [Dot(label, 1.0, 0.5), Dot(label, 1.0, 0.5)], label, label, [(1.0, 0.5)]),
        line_chart(label, [Polyline(label, [(0.0, 0.1), (1.0, 0.2)])], label, label),
        reliability_chart(label, [(0.5, 0.4, 10)]),
        heat_map(label, [label], [label], {(label, label): 0.5}, str),
        *(flow_chart(label, [Group(label, label, [Box(label, [label], label)])], width) for width in (WIDTH, NARROW)),
        sums_chart(label, [SumOfParts(label, [(label, 1.0), (label, -0.5)], label)], mark=(0.5, label)),
        shifts_chart(label, [Shift(label, 0.5, 0.7, label), Shift(label, 0.1, None, label)], plain_number),
        spans_chart(label, [Spans(label, [Span(0.0, 5.0, label)], label)], plain_number),
    ]


def test_text_of_strangers_stays_text() -> None:
    """A label full of markup makes no tag and no attribute, in pictures, tables and headings."""
    content = [figure(one, HOSTILE, table([HOSTILE], [[HOSTILE]]), [(HOSTILE, 1)]) for one in pictures(HOSTILE)]
    hostile = Tags(page(HOSTILE, section(HOSTILE, *content)))
    other = "x" * len(plain(HOSTILE))
    content = [figure(one, other, table([other], [[other]]), [(other, 1)]) for one in pictures(other)]
    harmless = Tags(page(other, section(other, *content)))
    assert hostile.tags == harmless.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in harmless.attributes]


def test_page_needs_no_other_host() -> None:
    """A page names no address, holds no script, and forbids both."""
    written = page("Title", element("p", "text"), *pictures("label"))
    found = Tags(written)
    assert "script" not in found.tags
    assert not {name for name, _ in found.attributes} & {"src", "href", "srcset", "action", "xlink:href"}
    assert "://" not in written
    assert "url(" not in written
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'") in (
        found.attributes
    )


def test_characters_that_turn_text_are_shown_as_codes() -> None:
    """Controls and marks of direction cannot change what a reader sees."""
    assert plain("a\u202eb\x00c\u2067d\ne") == "a<U+202E>b<U+0000>c<U+2067>d\ne"


def test_picture_speaks() -> None:
    """Each picture has a role and a name for those who cannot see it."""
    for picture in pictures("Accuracy by arm"):
        assert (picture.get("role"), picture.get("aria-label")) == ("img", "Accuracy by arm")
        assert picture.findtext("title") == "Accuracy by arm"


def test_texts_stand_between_elements_in_order() -> None:
    """Texts and elements keep the order in which they are given; what is None is left out."""
    made = element(
        "p", "a ", element("b", "c"), " d", None, [" e", element("i", "f")], " g", class_="x", aria_label=None
    )
    assert write(made) == '<p class="x">a <b>c</b> d e<i>f</i> g</p>'


@given(st.lists(values, min_size=1), st.integers(2, 8))
def test_round_ends_hold_all_values(given_values: list[float], about: int) -> None:
    """The ends around values hold them all, and the ticks between are some, few and inside."""
    low, high = around(given_values, about=about)
    slack = (high - low) * 1e-6
    assert low - slack <= min(given_values)
    assert max(given_values) <= high + slack
    ticks = Scale(low, high, 0, 100).ticks(about)
    assert 1 <= len(ticks) <= 3 * about + 3
    assert all(low - slack <= tick <= high + slack for tick in ticks)


@given(values, values, values)
def test_places_stay_inside_the_picture(low: float, high: float, value: float) -> None:
    """Whatever the value, its place lies between the ends of the scale."""
    low, high = sorted((low, high))
    assert 62 <= Scale(low, high, 62, 700).at(value) <= 700


@pytest.mark.parametrize(("step", "rounded"), [(0.0, 1.0), (0.013, 0.02), (0.2, 0.2), (3.0, 5.0), (70.0, 100.0)])
def test_round_step(step: float, rounded: float) -> None:
    """Steps are 1, 2 or 5 times a power of ten."""
    assert round_step(step) == pytest.approx(rounded)


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0"), (0.000123456, "0.000123"), (12.345, "12.3"), (1234567.0, "1,234,567"), (2.0, "2")],
)
def test_numbers_are_written_without_exponents(value: float, written: str) -> None:
    """Three digits are shown, and no exponent."""
    assert plain_number(value) == written


@given(values)
def test_attribute_has_no_negative_zero(value: float) -> None:
    """A number in an attribute has at most two decimals and is never -0."""
    written = number(value)
    assert written != "-0"
    assert abs(float(written) - value) <= 0.0050001


def test_empty_pictures_are_drawn() -> None:
    """Without any value there is still a picture."""
    assert estimates_chart("none", []).tag == "svg"
    assert scatter_chart("none", [], "x", "y").tag == "svg"
    assert line_chart("none", [], "x", "y").tag == "svg"
    assert bar_chart("none", []).tag == "svg"
    assert reliability_chart("none", []).tag == "svg"
    assert heat_map("none", [], [], {}, str).tag == "svg"


def test_marks_of_direction_are_shown_as_their_codes() -> None:
    """Characters that turn or hide what follows are shown, and change nothing."""
    assert plain("a\u202eb\u200fc\u061cd\u2028e") == "a<U+202E>b<U+200F>c<U+061C>d<U+2028>e"


@settings(max_examples=20)
@given(st.lists(st.text("ab cd", min_size=1, max_size=60), min_size=1, max_size=9), st.sampled_from([WIDTH, NARROW]))
def test_boxes_of_a_course_hold_their_texts(names: list[str], width: int) -> None:
    """Every box of a flow lies in the picture, and no line of it is longer than the box."""
    drawn = flow_chart("t", [Group("g", name, [Box(name, [name], "A") for name in names]) for name in names], width)
    for box in drawn.iter("g"):
        frame = box.find("rect")
        if frame is not None:
            wide, left = float(frame.attrib["width"]), float(frame.attrib["x"])
            assert left >= 0
            assert left + wide <= width + 0.1
            assert all(LETTER * len(line.text or "") <= wide for line in box.findall("text"))


def test_names_of_points_stand_apart() -> None:
    """Names of points that lie close together overlap neither each other nor another point."""
    dots = [Dot(f"agent number {place}", 3 + place % 3 / 10, 0.7 + place / 500) for place in range(9)]
    dots += [Dot("", 3.5, 0.7), Dot("", 4.0, 0.71)]
    drawn = scatter_chart("price", dots, "calls", "accuracy")
    at = [(float(name.attrib["x"]), float(name.attrib["y"]), name.text or "") for name in drawn.iter("text")]
    boxes = [(x, x + LETTER * len(name), y) for x, y, name in at if name.startswith("agent")]
    points = [(float(point.attrib["cx"]), float(point.attrib["cy"])) for point in drawn.iter("circle")]
    boxes += [(x - 5, x + 5, y + 4) for x, y in points]
    assert len(boxes) == 20
    names, marks = boxes[:9], boxes[9:]
    for place, one in enumerate(names):
        for other in [*names[:place], *marks]:
            assert abs(one[2] - other[2]) >= 9 or one[0] >= other[1] or other[0] >= one[1]
