"""A real browser for pages: the system's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
SEVERE = {"serious", "critical"}


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser, with a profile of its own; a test is skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> Iterator[Any]:
    """A page of a file, whose pictures are there; whatever it complained of fails the test."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(f"a dialog: {dialog.message}") or dialog.dismiss())
    page.on("request", lambda request: said.append(request.url) if is_remote(request.url) else None)
    page.goto(path.absolute().as_uri())
    page.wait_for_function("[...document.images].every(image => image.complete)")
    yield page
    assert said == []
    page.close()


def is_remote(url: str) -> bool:
    """Whether it leads beyond the file itself."""
    return not url.startswith(("file:", "data:"))


def check_layout(page: Any) -> None:
    """Nothing reaches beyond the window, and every picture that is shown has something to show."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    broken = "[...document.images].filter(image => image.src && !image.naturalWidth).map(image => image.alt)"
    assert page.evaluate(broken) == []


def check_accessibility(page: Any) -> None:
    """The rules of axe-core find nothing serious."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    found = axe.Axe().run(page).response["violations"]
    severe = [rule for rule in found if rule["impact"] in SEVERE]
    assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in severe] == []
