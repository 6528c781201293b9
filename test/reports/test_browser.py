"""The page in a real browser: it works by mouse and keyboard, at any width, for screen readers, on paper."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import check_accessibility, check_layout, chromium, opened
from support.recordings import EVIL, entry, images, mixed, recording

from distillmatch_ros.reports.page import Report, write_report
from distillmatch_ros.reports.recording import Images

VISIBLE_ROWS = "[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(Report(mixed()), path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760, 1280])
def test_a_page_fits_and_can_be_read_by_all(browser: Any, file: Path, width: int, scheme: str) -> None:
    with opened(browser, file, width, scheme) as page:
        check_layout(page)
        check_accessibility(page)
        columns = page.evaluate("getComputedStyle(document.querySelector('.cards')).gridTemplateColumns")
        assert len(columns.split()) == (2 if width == 1280 else 1)
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, dark[4:-1].split(","))) < 300) == (scheme == "dark")


@pytest.mark.slow
def test_the_slider_uncovers_the_thermal_image(browser: Any, file: Path) -> None:
    with opened(browser, file) as page:
        slider = page.locator(".slider").first
        after = slider.locator(".after")
        assert "50%" in after.evaluate("image => getComputedStyle(image).clipPath")
        slider.locator("input").focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        assert "60%" in after.evaluate("image => getComputedStyle(image).clipPath")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2)
        at = slider.evaluate("each => parseFloat(each.style.getPropertyValue('--at'))")
        assert at == pytest.approx(25, abs=3)


@pytest.mark.slow
def test_views_are_chosen_and_enlarged_by_keyboard(browser: Any, file: Path) -> None:
    with opened(browser, file) as page:
        card = page.locator("#pair-17")  # rejected: no checkerboard
        assert card.locator(".tabs span").all_text_contents() == ["Slider", "Matches"]
        card.locator("input[type=radio]").first.focus()
        page.keyboard.press("ArrowRight")
        assert card.locator(".view:visible").count() == 1 and not card.locator(".slider").is_visible()
        card.locator(".enlarge").focus()
        page.keyboard.press("Enter")
        dialog = page.locator("dialog")
        assert dialog.is_visible() and dialog.locator("img").evaluate("image => image.width") > 500
        assert "matches of pair 17" in dialog.locator("img").get_attribute("alt")
        check_accessibility(page)
        page.keyboard.press("Escape")
        assert not dialog.is_visible()


@pytest.mark.slow
def test_the_table_filters_and_sorts(browser: Any, file: Path) -> None:
    with opened(browser, file) as page:
        assert page.evaluate(f"{VISIBLE_ROWS}.length") == 40
        page.select_option("select[name=kind]", "FEW_MATCHES")
        assert page.evaluate(f"{VISIBLE_ROWS}.map(row => row.cells[0].textContent)") == ["5", "6"]
        assert page.locator(".filter output").text_content() == "2 of 40 pairs"
        page.fill("input[name=text]", "0.50")
        assert page.evaluate(f"{VISIBLE_ROWS}.map(row => row.cells[0].textContent)") == ["6"]
        page.select_option("select[name=kind]", "")
        page.fill("input[name=text]", "")
        head = page.locator("th", has_text="shift px")
        head.locator("button").focus()
        for order, sign in (("ascending", 1), ("descending", -1)):
            page.keyboard.press("Enter")
            assert head.get_attribute("aria-sort") == order
            shifts = page.evaluate(f"{VISIBLE_ROWS}.map(row => parseFloat(row.cells[7].textContent))")
            known = [sign * shift for shift in shifts if shift == shift]
            assert known == sorted(known) and len(known) == 35
            assert all(shift != shift for shift in shifts[35:])  # what is not known comes last
        page.locator("tbody a").first.click()
        assert page.url.rpartition("#")[2].startswith("pair-")


def test_names_do_nothing(browser: Any, tmp_path: Path) -> None:
    named = [entry(n, name=f"{EVIL}{n}", seconds=None, stamp=None, status=EVIL, error=EVIL) for n in (1, 2)]
    made = recording(named, title=EVIL, about=[(EVIL, EVIL)], problems=[EVIL])
    write_report(Report(made), tmp_path / "evil.html")
    with opened(browser, tmp_path / "evil.html", 360) as page:
        page.wait_for_timeout(200)
        check_layout(page)
        assert page.locator("h1").text_content() == EVIL


@pytest.mark.slow
def test_overlays_alone_and_no_pairs_are_shown_too(browser: Any, tmp_path: Path) -> None:
    shown = recording([entry(1), entry(2)], load=lambda chosen: {1: Images(overlay=images(1).visible)})
    for name, made in (("overlay", shown), ("empty", recording([]))):
        write_report(Report(made), tmp_path / f"{name}.html")
        with opened(browser, tmp_path / f"{name}.html", 360) as page:
            check_layout(page)
            check_accessibility(page)


@pytest.mark.slow
def test_a_page_prints_light_and_whole(browser: Any, file: Path) -> None:
    with opened(browser, file, scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator("nav").is_visible() and not page.locator(".filter").is_visible()
        scroll = page.locator(".scroll")
        assert scroll.evaluate(
            "each => each.scrollHeight <= each.clientHeight + 1"
        )  # all rows, no window on them
        assert len(page.pdf()) > 100_000
