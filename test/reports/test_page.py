"""The page is whole by itself, says what was measured, and takes no name for markup."""

import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
from support.recordings import EVIL, entry, images, mixed, recording

from distillmatch_ros.cli.schemas import schema
from distillmatch_ros.reports.movement import coverage
from distillmatch_ros.reports.page import Report, write_report
from distillmatch_ros.reports.recording import Images

VOID = {"meta", "img", "input", "path", "use", "br", "rect"}


class Page(HTMLParser):
    """Checks that tags are closed in their order, and collects texts, attributes and references."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def references(self) -> set[str]:
        return {
            str(value)[:16]
            for _, attrs in self.tags
            for name, value in attrs.items()
            if name in ("src", "href")
        }


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(Report(mixed()).to_html())


@pytest.mark.slow
def test_a_page_holds_everything_it_shows(page: Page) -> None:
    assert all(each.startswith(("data:image/webp", "#")) for each in page.references)
    html = Report(mixed(3)).to_html()
    assert set(re.findall(r"https?://[^\s\"')]*", html)) <= {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
    }  # fmt: skip
    assert "url(" not in re.sub(r"url\(#", "", html) and "@import" not in html


def test_a_page_says_what_was_measured(page: Page) -> None:
    for said in (
        "35 of 40",
        "FEW_MATCHES",
        "DEGENERATE",
        "Coverage of inliers",
        "Drift to the right",
        "Skew",
    ):
        assert said in page.text, said
    rows = [attrs for tag, attrs in page.tags if tag == "tr" and "data-kind" in attrs]
    assert len(rows) == 40 and sum(row["data-kind"] == "OK" for row in rows) == 35
    cards = [attrs["id"] for tag, attrs in page.tags if tag == "article"]
    assert len(cards) == 12 and "pair-17" in cards and "pair-23" in cards
    alternatives = [attrs.get("alt") for tag, attrs in page.tags if tag == "img" and attrs.get("src")]
    assert all(alternatives) and "matches of pair 17: 0 of 60 are inliers" in alternatives
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_pairs_that_were_tracked_have_no_matches_to_tell() -> None:
    tracked = [entry(number, "TRACKED" if number % 3 else "OK") for number in range(1, 13)]
    found = Report(recording(tracked))
    assert coverage(tracked) == coverage([each for each in tracked if each.status == "OK"])
    page = Page(found.to_html())
    assert found.verdict.level.value == "good" and "12 of 12" in page.text and "54 of 60" in page.text
    assert "0 of 0" not in page.text and page.text.count("TRACKED, 0.0 px") >= 1


def test_names_are_never_markup() -> None:
    entries = [entry(1, name=EVIL, seconds=None, status=EVIL, error=EVIL), entry(2, seconds=None)]
    made = recording(entries, title=EVIL, about=[(EVIL, EVIL)], problems=[EVIL], dropped={}, frames={})
    found = Page(Report(made).to_html())
    assert not [tag for tag, attrs in found.tags if "onerror" in attrs or attrs.get("src") == "x"]
    assert found.text.count(EVIL) >= 6


def test_a_page_without_pairs_or_pictures_is_a_page(tmp_path: Path) -> None:
    empty = Page(Report(recording([])).to_html())
    assert "no pairs" in empty.text and not [tag for tag, _ in empty.tags if tag == "table"]
    bare = [entry(n, visible_size=None, correspondences=None, skew_ms=None, latency_ms=None) for n in (1, 2)]
    without = Page(Report(recording(bare, load=lambda chosen: {})).to_html())
    assert "Skew" not in without.text and "Coverage" not in without.text and "skew ms" not in without.text
    overlays = recording(bare, load=lambda chosen: {1: Images(overlay=images(1).visible), 2: Images()})
    write_report(Report(overlays), tmp_path / "new/r.html")
    shown = Page((tmp_path / "new/r.html").read_text())
    assert [attrs["alt"] for tag, attrs in shown.tags if tag == "img" and attrs.get("src")] == [
        "overlay of pair 1, as recorded"
    ]


@pytest.mark.slow
def test_three_hundred_pairs_stay_below_15_megabytes() -> None:
    entries = [entry(n, "FEW_INLIERS" if n % 20 == 0 else "OK") for n in range(1, 301)]
    large = recording(entries, load=lambda chosen: {each.number: images(each.number, 6) for each in chosen})
    assert len(Report(large).to_html().encode()) < 15e6


def test_the_record_is_for_programs() -> None:
    record = Report(mixed()).record()
    jsonschema.validate(record, schema("report"))
    assert record["level"] == "partly" and record["pairs"] == 40 and record["statuses"]["FEW_MATCHES"] == 2
    assert record["advice"][0].keys() == {"topic", "seen", "remedy"} and 0 < record["coverage"] <= 1
