"""Sections of the demo's page beyond the report of its drive: true errors, and the running node."""

import math
from collections.abc import Mapping

import numpy as np
from jinja2 import PackageLoader

from distillmatch_ros import __version__
from distillmatch_ros.base import machine
from distillmatch_ros.base.files import write_text
from distillmatch_ros.demo.agreement import AGREE_PX, homographies
from distillmatch_ros.demo.drive import EVERY
from distillmatch_ros.demo.run import RATE_HZ, Demo, Live
from distillmatch_ros.images.files import read_image
from distillmatch_ros.reports.charts import Chart, Series, Style, line_chart
from distillmatch_ros.reports.contents import Fact, figure
from distillmatch_ros.reports.page import Report
from distillmatch_ros.reports.pictures import Picture
from distillmatch_ros.reports.recording import Recording


def write_page(demo: Demo) -> None:
    """Write the HTML page of a demo.

    Raises:
        DistillMatchError: the page cannot be written.
    """
    live = demo.live
    page = Report(demo.recording).to_html(
        "demo.html.j2",
        PackageLoader("distillmatch_ros.demo"),
        facts=_facts(demo),
        pairs=len(demo.moments),
        live=live,
        machine=machine.describe(),
        product=f"distillmatch {__version__}",
        why_not_all="" if live is None else _why_not_all(live, len(demo.moments)),
        stills=_stills(demo),
        room=demo.room,
        room_pictures=_room_pictures(demo),
        truth=_truth(demo),
        agreement=[] if live is None else _agreement(live, len(demo.moments)),
    )
    write_text(demo.page, page)


def _facts(demo: Demo) -> list[Fact]:
    pairs = len(demo.moments)
    errors = list(demo.errors(homographies(demo.recording)).values())
    registered = sum(entry.registered for entry in demo.recording.entries)
    median = float(np.median(errors)) if errors else None
    facts = [
        Fact(f"{registered} of {pairs}", "pairs registered by distillmatch bag"),
        Fact(figure(median, " px"), "RMS error of the median pair, against the known geometry"),
        Fact(f"{demo.summary.rate_hz:.1f} /s", "pairs through distillmatch bag on this machine"),
    ]
    compared = demo.compared_errors()
    if compared["tracked"] and compared["passes"]:
        tracked, passes = (float(np.median(compared[name])) for name in ("tracked", "passes"))
        facts.append(
            Fact(
                f"{tracked:.1f} / {passes:.1f} px",
                f"median error of {len(compared['tracked'])} pairs that were tracked / of the same pairs "
                "with a full pass each",
            )
        )
    if demo.live is not None:
        latency = list(_latencies(demo.live.recording).values())
        agreement = demo.live.agreement
        facts += [
            Fact(f"{agreement.first} of {pairs}", "pairs that the node processed"),
            Fact(
                figure(float(np.median(latency)) if latency else None, " ms", 0),
                "median from image to homography, live",
            ),
            Fact(
                f"{agreement.within} of {agreement.homographies}",
                "homographies on which node and bag run agree",
            ),
        ]
    return facts


def _why_not_all(live: Live, pairs: int) -> str:
    if live.agreement.first == pairs:
        return ""
    latencies = list(_latencies(live.recording).values())
    latency = f"{np.median(latencies):.0f} ms" if latencies else "too long"
    interval = f"{1e3 / (RATE_HZ * live.rate):.0f} ms"
    return (
        f"The node processed {live.agreement.first} of the {pairs}: one arrived every {interval}, and "
        f"processing took {latency} (median). When the engine is slower than the cameras, the newest pair is "
        "registered and "
        "older pairs are dropped."
    )


def _stills(demo: Demo) -> list[tuple[str, Picture]]:
    return [
        (
            f"{still.name}, {kind}",
            Picture.of(read_image(path), f"{kind} of the street by {still.name}"),
        )
        for still in demo.stills
        for kind in ("overlay", "matches")
        for path in still.result.pictures
        if path.stem.endswith(kind)
    ]


def _room_pictures(demo: Demo) -> list[tuple[str, Picture]]:
    return [
        (caption, Picture.of(read_image(path), f"the room {caption}"))
        for caption, path in demo.room.pictures.items()
    ]


def _truth(demo: Demo) -> list[Chart]:
    best = {moment.stamp: moment.truth.best_rms_px() for moment in demo.moments}
    offline = demo.errors(homographies(demo.recording))
    live = demo.live and demo.live.recording
    errors = [_series(demo, "distillmatch bag", offline, "line")]
    if live:
        errors.append(_series(demo, "node, live", demo.errors(homographies(live)), "dots"))
    errors.append(_series(demo, "a full pass for each pair", demo.errors(demo.passes), "line"))
    errors.append(_series(demo, "best possible", best, "dashed"))
    charts = [
        line_chart(
            "Error against the true geometry",
            f"RMS distance of one pixel in {EVERY} along either axis from its true position. The street is "
            "not planar: no homography gets below the dashed line.",
            errors,
            "seconds",
            "px",
        )
    ]
    if live:
        registration = _latencies(demo.recording)
        charts.append(
            line_chart(
                "Two latencies",
                "Registration: time that distillmatch bag spends on a pair. Node, live: from the receipt of "
                "a visible frame to that of its homography, as the recorder measures it; this adds the wait "
                "for the thermal frame, two transfers over DDS, and any other load of this machine.",
                [
                    _series(demo, "registration alone", registration, "line"),
                    _series(demo, "node, live", _latencies(live), "dots"),
                ],
                "seconds",
                "ms",
            )
        )
    return charts


def _agreement(live: Live, pairs: int) -> list[tuple[str, str]]:
    found = live.agreement
    return [
        ("pairs in the bag", str(pairs)),
        ("processed by the node", str(found.first)),
        ("processed by the bag run over these pairs", str(found.second)),
        ("homographies from both", str(found.homographies)),
        ("of these, equal to the last bit", str(found.identical)),
        (f"of these, corners within {AGREE_PX:g} px", str(found.within)),
        ("largest corner error between them", figure(found.worst_px, " px", 2)),
        ("rejected by one of the two only", str(found.contradicted)),
    ]


def _series(demo: Demo, name: str, values: Mapping[int, float], style: Style) -> Series:
    first = demo.moments[0].stamp
    points = [((each.stamp - first) / 1e9, values.get(each.stamp, math.nan)) for each in demo.moments]
    return Series(name, points, style)


def _latencies(recording: Recording) -> dict[int, float]:
    return {
        entry.stamp: entry.latency_ms
        for entry in recording.entries
        if entry.stamp is not None and entry.latency_ms is not None
    }
