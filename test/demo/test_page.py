"""The page holds everything it shows; its charts put values where they belong."""

import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.demo.page import Fact, Picture, Plot, Section, to_html
from distillmatch_ros.demo.plots import HEIGHT, WIDTH, Series, legend, line_chart, ticks

NAN = math.nan
finite = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda value: round(value, 6))


def drawn(chart: str, kind: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(chart).iter("{http://www.w3.org/2000/svg}" + kind))


@given(finite, finite)
def test_ticks_are_few_round_and_enclose_what_they_are_for(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    marks = ticks(low, high)
    assert 2 <= len(marks) <= 8
    rounding = 1e-9 * max(abs(low), abs(high))
    assert marks[0] <= low + rounding and marks[-1] >= high - rounding
    steps = np.diff(marks)
    assert steps.min() > 0 and np.allclose(steps, steps[0], rtol=1e-4)


def test_ticks_of_the_usual_cases() -> None:
    assert ticks(0, 60) == [0, 20, 40, 60]
    assert ticks(0, 3.7) == [0, 1, 2, 3, 4]
    assert ticks(-0.3, 0.9) == [-0.5, 0, 0.5, 1]
    assert ticks(5, 5)[0] <= 5 <= ticks(5, 5)[-1]


@given(
    st.lists(st.tuples(finite, finite | st.just(NAN)), max_size=20),
    st.sampled_from(["line", "dots", "dashed"]),
)
def test_chart_is_well_formed_and_stays_inside(points: list[tuple[float, float]], look: str) -> None:
    chart = line_chart('a <b> & "c"', [Series("x", points, look)], "s", "ms")  # type: ignore[arg-type]
    places = [
        tuple(map(float, place.split(",")))
        for line in drawn(chart, "polyline")
        for place in line.attrib["points"].split()
    ]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    known = sum(math.isfinite(y) for _, y in points)
    assert len(places) == known and len(drawn(chart, "circle")) == (known if look == "dots" else 0)
    assert ("nothing measured" in chart) == (known == 0)


def test_higher_values_stand_higher_and_gaps_stay_gaps() -> None:
    chart = line_chart("t", [Series("x", [(0, 1.0), (1, 2.0), (2, NAN), (3, 8.0)])], "s", "ms")
    first, second = (line.attrib["points"].split() for line in drawn(chart, "polyline"))
    (x0, y0), (x1, y1) = (map(float, place.split(",")) for place in first)
    ((x3, y3),) = (map(float, place.split(",")) for place in second)
    assert x0 < x1 < x3 and y0 > y1 > y3
    labels = [text.text for text in drawn(chart, "text")]
    assert {"0", "2", "8 ms", "s"} <= set(labels)


def test_legend_names_the_series() -> None:
    assert re.findall(r"</i>(.+?)</li>", legend([Series("a<b", []), Series("c", [])])) == ["a&lt;b", "c"]


class Tags(HTMLParser):
    """Checks that tags are closed in their order, and collects what the page refers to."""

    VOID = ("meta", "img", "circle", "polyline", "path")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        assert tag != "script"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_page_is_whole_by_itself() -> None:
    image = np.zeros((720, 960, 3), np.uint8)
    page = to_html(
        "Title & more",
        "Lead.",
        [Fact("3", "pairs <live>")],
        [
            Section("One", "Text.", pictures=[Picture(image, "A street")]),
            Section("Two", "Text.", plots=[Plot("Skew", "How.", [Series("a", [(0, 1.0)])], "ms")]),
            Section("Three", "Text.", rows=[("pairs", "3")]),
        ],
    )
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert [reference[:23] for reference in tags.references] == ["data:image/jpeg;base64,"]
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "Title &amp; more" in page and "pairs &lt;live&gt;" in page and 'width="640" height="480"' in page
    assert "prefers-color-scheme: dark" in page


def test_chart_colours_are_defined_for_both_themes() -> None:
    page = to_html("t", "l", [], [])
    light, dark = page.split("prefers-color-scheme: dark")
    for name in set(re.findall(r"var\((--\w+)\)", page)):
        assert f"{name}:" in light and f"{name}:" in dark, name
