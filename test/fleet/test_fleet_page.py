"""The page of a fleet: what it says of the bags, and that it works in a real browser."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from support.browser import check_accessibility, check_layout, chromium, opened
from support.recordings import EVIL
from support.tables import write_pairs
from typer.testing import CliRunner

from distillmatch_ros.cli import app
from distillmatch_ros.fleet.overview import overview
from distillmatch_ros.fleet.page import verdict
from distillmatch_ros.fleet.stored import StoredBags
from distillmatch_ros.fleet.table_reading import find_table

ROWS = (
    "[...document.querySelectorAll('#table tbody tr')].filter(row => !row.hidden)"
    ".map(row => row.cells[0].textContent)"
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("table")
    for name, shift in (("mon", 1.0), ("tue", 2.0), ("wed", 3.0), ("moved", 30.0)):
        write_pairs(place, name, shift)
    write_pairs(place, "dark", 0.0, status="FEW_MATCHES")
    return place


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


def report(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_the_verdict_counts_what_needs_inspection(table: Path) -> None:
    fleet = overview(StoredBags(find_table(str(table))))
    judged = verdict(fleet)
    assert judged.level.value == "partly" and judged.headline == "2 of 5 bags need inspection."
    assert judged.reasons[0] == "Verdicts on the 5 bags: 1 poor, 4 good." and "2 rigs" in judged.reasons[1]
    assert judged.advice[0].seen == "1 of 5 bags: dark."
    steady = verdict(replace(fleet, bags=[bag for bag in fleet.bags if not bag.needs_look]))
    assert steady.level.value == "good" and steady.headline == "No bag needs inspection."
    unread = verdict(replace(fleet, unread=["x.bag: not a bag"]))
    assert unread.headline == "2 of 5 bags need inspection, and 1 bag could not be read."
    many = verdict(replace(fleet, bags=[bag for bag in fleet.bags if bag.name == "dark"] * 7))
    assert many.level.value == "poor" and "dark and 2 more." in many.advice[0].seen


@pytest.mark.slow
def test_the_page_in_a_browser(browser: Any, table: Path, tmp_path: Path) -> None:
    result = report(table, "-o", tmp_path / "fleet.html", "--json", tmp_path / "fleet.json")
    assert result.exit_code == 0 and "2 need inspection" in result.stdout, result.output
    assert [bag["bag"] for bag in json.loads((tmp_path / "fleet.json").read_text())][:2] == ["dark", "moved"]
    for width, scheme in ((360, "dark"), (1280, "light")):
        with opened(browser, tmp_path / "fleet.html", width, scheme) as page:
            check_layout(page)
            check_accessibility(page)
    with opened(browser, tmp_path / "fleet.html") as page:
        assert page.locator("svg circle, svg use").count() >= 8
        page.select_option("select[name=kind]", "poor")
        assert page.evaluate(ROWS) == ["dark"]
        assert page.locator(".filter output").text_content() == "1 of 5 bags"
        page.select_option("select[name=kind]", "")
        page.locator("th", has_text="shift px").locator("button").click()
        assert page.evaluate(ROWS)[-1] == "dark"
        page.locator("td.file a", has_text="moved").click()
        assert "moved" in page.locator("h1").text_content()


def test_names_do_nothing(browser: Any, tmp_path: Path) -> None:
    write_pairs(tmp_path / "table", EVIL.replace("/", "%2F"), 0.0, status="FEW_MATCHES")
    result = report(tmp_path / "table", "-o", tmp_path / "fleet.html")
    assert result.exit_code == 0, result.output
    with opened(browser, tmp_path / "fleet.html", 360) as page:
        page.wait_for_timeout(200)
        check_layout(page)
        assert EVIL in page.locator("#table tbody").text_content()


def test_what_a_table_lacks_is_told(table: Path, tmp_path: Path) -> None:
    result = report(table, "-o", tmp_path / "x.html", "--source", tmp_path)
    assert result.exit_code == 2 and "leave out --source" in result.stderr
    result = report("memory://nothing", "-o", tmp_path / "x.html")
    assert result.exit_code == 2 and "holds no bag=NAME" in result.stderr
    assert not (tmp_path / "x.html").exists()


def links(page: Path) -> list[str]:
    return re.findall(r'<td class="file"><a href="([^"]+)"', page.read_text())


@pytest.mark.parametrize(
    ("pages", "number"),
    [
        pytest.param("all", 5, marks=pytest.mark.slow),
        pytest.param("starred", 2, marks=pytest.mark.slow),
        ("none", 0),
    ],
)
def test_pages_of_bags_are_written_beside_that_of_the_fleet(
    table: Path, tmp_path: Path, pages: str, number: int
) -> None:
    page = tmp_path / "a fleet.html"
    result = CliRunner().invoke(app, ["fleet", str(table), "--report", str(page), "--reports", pages])
    assert result.exit_code == 0 and "a fleet.html" in result.stdout, result.output
    found = [tmp_path / unquote(link) for link in links(page)]
    assert len(found) == number and all("<h1>" in each.read_text() for each in found)
    if number:
        assert "27.0 px" in (tmp_path / "a fleet_reports/moved.html").read_text()  # the fleet's reason
        page.unlink()
        again = report(table, "-o", page)
        assert again.exit_code == 2 and "--overwrite" in again.stderr and not page.exists()


def test_options_that_do_not_fit_are_rejected(table: Path, tmp_path: Path) -> None:
    result = report(table, "-o", tmp_path / "x.html", "--reports", "some")
    assert result.exit_code == 2 and "'some'" in result.stderr
    result = report(table, "-o", tmp_path / "x.html", "--group-by", "robot")
    assert result.exit_code == 2 and "no such field" in result.stderr
    assert not (tmp_path / "x.html").exists()
