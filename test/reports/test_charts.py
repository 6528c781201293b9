"""Charts put values where they belong, and take the page's colours and font."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillmatch_ros.reports.charts import Series, heat_map, line_chart, strip

NAN = math.nan
XLINK = "{http://www.w3.org/1999/xlink}href"
finite = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda value: round(value, 6))


def drawn(svg: str, kind: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}" + kind))


@pytest.mark.slow
@given(
    st.lists(st.tuples(finite, finite | st.just(NAN)), max_size=12),
    st.sampled_from(["line", "dots", "dashed"]),
)
def test_any_values_give_a_well_formed_chart(points: list[tuple[float, float]], style: str) -> None:
    chart = line_chart('a <b> & "c"', "", [Series("x", points, style)], "seconds", "ms")  # type: ignore[arg-type]
    root = ElementTree.fromstring(chart.svg)
    assert root.attrib["role"] == "img" and root.attrib["aria-label"] == 'a <b> & "c"'
    known = any(math.isfinite(y) for _, y in points)
    assert ("nothing measured" in chart.svg) == (not known)
    assert chart.legend == ()


def test_colours_and_font_are_the_pages() -> None:
    chart = line_chart(
        "T", "", [Series("a", [(0, 1.0), (1, 2.0)]), Series("b", [(0, 2.0)], "dots")], "s", "ms"
    )
    assert {"var(--s1)", "var(--s2)", "var(--soft)", "var(--rule)"} <= set(
        re.findall(r"var\(--\w+\)", chart.svg)
    )
    assert "#01" not in chart.svg and "DejaVu" not in chart.svg and "<text" in chart.svg
    assert [name for name, *_ in chart.legend] == ["a", "b"]
    joined = [
        each.attrib.get("style", "") for each in drawn(chart.svg, "path") if "fill: none" in str(each.attrib)
    ]
    assert any("var(--s1)" in style for style in joined) and not any("var(--s2)" in style for style in joined)


def test_ids_are_the_charts_own() -> None:
    first, second = (
        line_chart(title, "", [Series("a", [(0, 1.0)], "dots")], "s", "").svg for title in ("A", "B")
    )
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0] and not ids[0] & ids[1]
    for svg, own in zip((first, second), ids, strict=True):
        referred = {each.attrib[XLINK][1:] for each in drawn(svg, "use")}
        assert referred <= own and set(re.findall(r"url\(#([^)]+)\)", svg)) <= own


def test_higher_values_stand_higher_and_gaps_stay_gaps() -> None:
    chart = line_chart("t", "", [Series("x", [(0, 1.0), (1, 2.0), (2, NAN), (3, 8.0)])], "s", "ms")
    line = next(each for each in drawn(chart.svg, "path") if "var(--s1)" in each.attrib.get("style", ""))
    path = re.findall(r"([ML]) ([\d.]+) ([\d.]+)", line.attrib["d"])
    assert [step for step, *_ in path] == ["M", "L", "M"]
    places = [(float(x), float(y)) for _, x, y in path]
    assert places[0][0] < places[1][0] < places[2][0] and places[0][1] > places[1][1] > places[2][1]
    alone = [each for each in drawn(chart.svg, "use") if "var(--s1)" in each.attrib.get("style", "")]
    assert len(alone) == 1 and float(alone[0].attrib["y"]) == pytest.approx(places[2][1])


@pytest.mark.parametrize(("marked", "runs"), [([1, 1, 0, 1], 2), ([0, 0, 0, 0], 0), ([1, 1, 1, 1], 1)])
def test_a_strip_has_a_bar_for_each_run(marked: list[int], runs: int) -> None:
    svg = strip([0.0, 0.1, 0.2, 0.3], [bool(mark) for mark in marked], "when")
    bars = [each for each in drawn(svg, "path") if "var(--s1)" in each.attrib.get("style", "")]
    assert len(bars) == runs and 'preserveAspectRatio="none"' in svg


def test_bars_of_a_strip_end_halfway_to_the_next_pair() -> None:
    """Of pairs at 0, 1, 3, 4 and 5 s the third lasts from 2 to 3.5 s; the strip from -0.5 to 5.5 s."""
    svg = strip([0.0, 1.0, 3.0, 4.0, 5.0], [False, False, True, False, False], "when")
    width = float(ElementTree.fromstring(svg).attrib["viewBox"].split()[2])
    (bar,) = [each for each in drawn(svg, "path") if "var(--s1)" in each.attrib.get("style", "")]
    across = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", bar.attrib["d"])]
    seconds = [-0.5 + 6 * x / width for x in (min(across), max(across))]
    assert seconds == pytest.approx([2.0, 3.5], abs=0.02)


def test_a_heat_map_is_darkest_where_most_is() -> None:
    chart = heat_map("Coverage", "", np.array([[0.0, 3.0], [12.0, 0.4]]), 0.75)
    cells = [
        each.attrib["style"] for each in drawn(chart.svg, "path") if "opacity" in each.attrib.get("style", "")
    ]
    opacity = [float(re.search(r"opacity: ([\d.]+)", style)[1]) for style in cells]  # type: ignore[index]
    assert np.argmax(opacity) == 2 and np.argmin(opacity) == 0
    assert [text.text for text in drawn(chart.svg, "text")] == ["0", "3", "12", "0.4"]
