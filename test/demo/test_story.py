"""The demo's page is a report and the truth; it is looked at in a real browser."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.browser import check_accessibility, check_layout, chromium, opened
from support.recordings import VISIBLE, homography, mixed

from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.demo.agreement import compare, homographies
from distillmatch_ros.demo.drive import Moment
from distillmatch_ros.demo.room import RoomDemo
from distillmatch_ros.demo.run import Demo, Live
from distillmatch_ros.demo.story import write_page
from distillmatch_ros.demo.truth import TruePoints
from distillmatch_ros.geometry.homography import transform


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    """40 pairs whose truth is where the first homography puts them; the node answered all but one."""
    recording = mixed()
    places = np.random.default_rng(0).random((50, 2)) * (127, 95)
    truth = TruePoints(places, transform(homography(), places))
    moments = tuple(Moment(entry.stamp or 0, 2_000_000, truth) for entry in recording.entries)
    live = replace(recording, entries=recording.entries[1:], live=True)
    agreement = compare(homographies(live), homographies(recording), (96, 128), VISIBLE)
    summary = BagSummary("drive.mcap", "bag.mcap", registration_ms=[40.0] * 40, seconds=2)
    cv2.imwrite(str(tmp_path / "room.png"), np.zeros((96, 128, 3), np.uint8))
    room = RoomDemo(5.2, 0.0, 312_456, {"by depth": tmp_path / "room.png"})
    return Demo(
        tmp_path, (), room, moments, Live(0.5, live, agreement), recording, summary, homographies(recording)
    )


@pytest.mark.slow
def test_a_page_says_how_far_from_the_truth_the_drive_was(demo: Demo) -> None:
    write_page(demo)
    page = demo.page.read_text()
    for said in (
        "at 0.5 of real time",
        "35 of 40",
        "39 of 40",
        "models/MODEL_CARD.md",
        "Error against the true geometry",
        "from 5.2 to 0.0 px, and 312 456 points carry",
    ):
        assert said in page, said
    assert "The node processed 39 of the 40: one arrived every 400 ms, and processing took" in page
    assert "<dd>0.2 px</dd>" in page  # the median pair is moved by 0.2 px
    assert "Two latencies" in page and "equal to the last bit" in page


@pytest.mark.slow
def test_a_page_without_the_node_says_so(demo: Demo) -> None:
    write_page(replace(demo, live=None))
    page = demo.page.read_text()
    assert "the node did not run" in page and "Two latencies" not in page and "node, live" not in page


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_the_demos_page_in_a_browser(demo: Demo, width: int) -> None:
    write_page(demo)
    with chromium() as browser, opened(browser, demo.page, width) as page:
        check_layout(page)
        check_accessibility(page)
        assert page.locator("#truth .chart").count() == 2 and page.locator("#pairs article").count() == 12
