"""Terminal output of calibrate."""

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from distillmatch_ros.bags.calibration import RigCalibration
from distillmatch_ros.bags.drives import Drives
from distillmatch_ros.cli.view.streams import grid_of_facts, show_bags

_OF_640 = "in a visible image 640 px wide"


def show_calibration(found: RigCalibration, drives: Drives, out: str) -> None:
    """Print what was found, why, and how far it can be relied on."""
    console, facts = Console(), grid_of_facts()
    facts.add_row("written", escape(out))
    kind = "one homography" if found.rig is None else "a rig"
    if found.rig is not None and found.rig.shifted:
        kind += ", and a shift of each frame: the cameras are not triggered together, or the mount gives"
        kind += "" if len(drives.summaries) < 2 else " or was changed between the bags"
    facts.add_row("holds", kind)
    if found.against is not None:
        facts.add_row("no rig", escape(found.against))
    agreement = found.agreement
    made = f"{agreement.pairs} pairs"
    if found.homography is not None and len(drives.summaries) == 1:
        made += f" over {found.homography.seconds:.1f} s"
    made += f"; {agreement.rejected} more were rejected" if agreement.rejected else ""
    facts.add_row("made from", made)
    facts.add_row(
        "agreement",
        f"median {agreement.median_px:.2f} px, 95 % of all pairs within {agreement.p95_px:.2f} px, "
        f"{agreement.beyond:.1%} beyond {agreement.limit_px:g} px, {_OF_640}",
    )
    if found.rig is not None:
        for origin in ("measured", "given", "assumed"):
            names = [name for name, each in found.rig.model.origins.items() if each == origin]
            if names:
                facts.add_row(origin, ", ".join(names))
        for name, depth in zip(("farthest", "nearest"), found.rig.inverse_depths, strict=True):
            if name in found.deviations:
                each, where = found.deviations[name], found.rig.model.distance(depth)
                facts.add_row(
                    f"{name} frame",
                    f"{where}: standard deviation of the map {each.centre:.2f} px at the "
                    f"centre, {each.corner:.2f} px at the corners",
                )
    elif found.homography is not None:
        rows = ("  ".join(f"{value:>12.6g}" for value in row) for row in found.homography.homography)
        facts.add_row("homography", "\n".join(rows))
    for bag, offset in drives.offsets.items():
        advice = "as it is set"
        if offset.differs_from(drives.parameters.thermal_offset):
            advice = f"set thermal_offset to {offset.seconds:.3f}, and calibrate again"
        facts.add_row(
            "time offset",
            f"{offset.seconds:+.3f} s, standard deviation {offset.deviation:.3f}, by the motion in "
            f"{escape(bag)}: {advice}",
        )
    console.print(Panel(facts, expand=False))
    if found.evidence is not None:
        console.print(_evidence(found))
    if drives.summaries:
        show_bags(drives.summaries)


def _evidence(found: RigCalibration) -> Table:
    assert found.evidence is not None, "asked for where there is some"
    title = f"on {found.evidence.pairs} pairs left out of the fit, median px {_OF_640}"
    table = Table("mapping", title=title, title_justify="left")
    for column in ("between edges", "from matches"):
        table.add_column(column, justify="right")
    for kind, each in found.evidence.figures.items():
        mark = " (chosen)" if kind == found.evidence.lasting else ""
        table.add_row(kind + mark, f"{each.edges_px:.2f}", f"{each.matches_px:.2f}")
    return table
