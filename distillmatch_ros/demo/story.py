"""What the demo's page says."""

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.files import write_text
from distillmatch_ros.demo.drive import RGB, THERMAL
from distillmatch_ros.demo.outputs import AGREE_PX, Output, read_pictures
from distillmatch_ros.demo.page import Fact, Picture, Plot, Section, to_html
from distillmatch_ros.demo.plots import Look, Series
from distillmatch_ros.demo.run import BAG, DRIVE, LIVE, RATE_HZ, Demo, Live
from distillmatch_ros.images.files import read_image
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.offline.bag.typestore import ros2_messages
from distillmatch_ros.stream.outputs import NODE

SHOWN = 3  # moments of the drive


def write_page(demo: Demo) -> None:
    """Write the page of a demo.

    Raises:
        DistillMatchError: it cannot be written.
    """
    lead = (
        f"Two cameras drive along a synthetic street, whose geometry is known. {len(demo.moments)} pairs of "
        "images went through "
    )
    if demo.live is not None:
        speed = "in real time" if demo.live.rate == 1 else f"at {demo.live.rate:.2g} of real time"
        lead += f"the running ROS 2 node {speed}, and then through "
    lead += "distillmatch bag."
    if demo.live is not None and len(demo.live.outputs) < len(demo.moments):
        lead += f" {_why_not_all(demo.live, len(demo.moments))}"
    write_text(
        demo.page,
        to_html(
            "Which thermal pixel looks where?",
            lead,
            _facts(demo),
            [*_pictures(demo), _measured(demo), _agreement(demo)],
        ),
    )


def _why_not_all(live: Live, pairs: int) -> str:
    latency = f"{np.median(list(live.latency_ms.values())):.0f} ms" if live.latency_ms else "too long"
    interval = f"{1e3 / (RATE_HZ * live.rate):.0f} ms"
    return (
        f"The node answered {len(live.outputs)} of the {pairs}: one came every {interval} and an answer took "
        f"{latency} (median). When the engine is slower than the cameras, the newest pair is registered and "
        "those before it are dropped."
    )


def _facts(demo: Demo) -> list[Fact]:
    pairs = len(demo.moments)
    errors = list(_errors(demo, demo.bag).values())
    facts = [
        Fact(
            _px(float(np.median(errors))) if errors else "none",
            "rms error of the median pair, against the known geometry",
        ),
        Fact(f"{demo.summary.rate_hz:.1f} /s", "pairs through distillmatch bag on this machine"),
    ]
    if demo.live is None:
        return [Fact(f"{len(errors)} of {pairs}", "pairs registered"), *facts]
    latency = list(demo.live.latency_ms.values())
    agreement = demo.live.agreement
    return [
        Fact(f"{agreement.first} of {pairs}", "pairs that the node took up and answered"),
        Fact(f"{np.median(latency):.0f} ms" if latency else "none", "median from image to homography, live"),
        *facts,
        Fact(
            f"{agreement.within} of {agreement.homographies}", "homographies on which node and bag run agree"
        ),
    ]


def _pictures(demo: Demo) -> list[Section]:
    answered = demo.bag if demo.live is None else demo.live.outputs
    there = [moment for moment in demo.moments if moment.stamp in answered] or list(demo.moments)
    places = np.linspace(0, len(there) - 1, SHOWN + 2).round().astype(int)[1:-1]
    moments = [there[place] for place in dict.fromkeys(places.tolist())]
    visible = _images(demo, DRIVE, RGB, {moment.stamp for moment in moments})
    thermal = _images(demo, DRIVE, THERMAL, {moment.stamp + moment.skew for moment in moments})
    source = BAG if demo.live is None else LIVE
    overlay = _images(demo, source, f"{NODE}/overlay", {moment.stamp for moment in moments})
    moments = [moment for moment in moments if moment.stamp in overlay]
    pictures = []
    for moment in moments:
        time = f"{_seconds(demo, moment.stamp):.1f} s"
        pictures.append(Picture(visible[moment.stamp], f"visible, {time}"))
        heat = cv2.applyColorMap(to_8bit(thermal[moment.stamp + moment.skew]), cv2.COLORMAP_INFERNO)
        pictures.append(Picture(np.asarray(heat, np.uint8), "thermal, as its camera saw it"))
        pictures.append(Picture(overlay[moment.stamp], "thermal laid over visible"))
    by = "distillmatch bag" if demo.live is None else "the running node"
    stills = [
        Picture(np.asarray(read_image(path), np.uint8), still.name)
        for kind in ("overlay", "matches")
        for still in demo.stills
        for path in still.result.pictures
        if path.stem.endswith(kind)
    ]
    return [
        Section("What the cameras saw, and what came out", f"The overlays were published by {by}.", pictures),
        Section(
            "Two stills", "The same street by day and after dark: overlay, and matches that agree.", stills, 2
        ),
    ]


def _measured(demo: Demo) -> Section:
    live = demo.live.outputs if demo.live else {}
    latency = demo.live.latency_ms if demo.live else {}
    registration = dict(zip(demo.bag, demo.summary.registration_ms, strict=False))
    best = {moment.stamp: moment.truth.best_rms_px() for moment in demo.moments}
    skew = {moment.stamp: moment.skew / 1e6 for moment in demo.moments}

    def series(name: str, values: Mapping[int, float], look: Look) -> list[Series]:
        points = [(_seconds(demo, m.stamp), values.get(m.stamp, math.nan)) for m in demo.moments]
        return [Series(name, points, look)] if values else []

    def both(offline: Mapping[int, float], online: Mapping[int, float]) -> list[Series]:
        return [*series("distillmatch bag", offline, "line"), *series("node, live", online, "dots")]

    return Section(
        "Measured",
        "Each point is one pair. Where the node has no point, it did not answer that pair.",
        plots=[
            Plot(
                "Latency",
                "Of the node: from the visible image to its homography, as a recorder receives the two. "
                "Of the bag run: registration alone.",
                [*series("registration alone", registration, "line"), *series("node, live", latency, "dots")],
                "ms",
            ),
            Plot(
                "Skew",
                "By how much the thermal frame was taken later than the visible one.",
                series("skew", skew, "dots"),
                "ms",
            ),
            Plot(
                "Inliers",
                "Correspondences that agree with the homography.",
                both(*({stamp: o.inliers for stamp, o in run.items()} for run in (demo.bag, live))),
                "",
            ),
            Plot(
                "Drift against the truth",
                "Distance of the pixels from where they truly belong, root mean square. The street is not "
                "flat: no homography gets below the dashed line.",
                [
                    *both(_errors(demo, demo.bag), _errors(demo, live)),
                    *series("best possible", best, "dashed"),
                ],
                "px",
            ),
        ],
    )


def _agreement(demo: Demo) -> Section:
    if demo.live is None:
        return Section(
            "Live",
            "ROS 2 is not installed here, so that the node did not run. pip install '.[ros]' brings it where "
            "there are wheels for it; a ROS installation has to be sourced.",
        )
    found = demo.live.agreement
    return Section(
        "Do node and bag run agree?",
        "Both run the same code from pairing on. What a pair gives depends on the pairs before it: the bag "
        "run is given the pairs that the node answered, and no others.",
        rows=[
            ("pairs in the bag", str(len(demo.moments))),
            ("answered by the node", str(found.first)),
            ("answered by the bag run given these", str(found.second)),
            ("homographies from both", str(found.homographies)),
            ("of these, equal to the last bit", str(found.identical)),
            (f"of these, corners within {AGREE_PX:g} px", str(found.within)),
            ("greatest distance of a corner", _px(found.worst_px)),
            ("rejected by one of the two only", str(found.contradicted)),
        ],
    )


def _errors(demo: Demo, outputs: Mapping[int, Output]) -> dict[int, float]:
    """Error of each homography, root mean square, visible pixels."""
    truth = {moment.stamp: moment.truth for moment in demo.moments}
    return {
        stamp: truth[stamp].rms_px(output.homography)
        for stamp, output in outputs.items()
        if output.homography is not None and stamp in truth
    }


def _images(demo: Demo, bag: str, topic: str, stamps: set[int]) -> dict[int, NDArray[Any]]:
    messages = ros2_messages()
    read = read_pictures(demo.out / bag, topic, stamps)
    return {stamp: messages.to_frame(message).image for stamp, message in read}


def _seconds(demo: Demo, stamp: int) -> float:
    return (stamp - demo.moments[0].stamp) / 1e9


def _px(value: float) -> str:
    return f"{value:.2g} px" if value < 1 else f"{value:.1f} px"
