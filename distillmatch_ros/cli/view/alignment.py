"""Terminal output of align."""

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from distillmatch_ros.bags.aligned_pairs import AlignRecord
from distillmatch_ros.cli.view.streams import grid_of_facts


def show_alignment(record: AlignRecord, out: str) -> None:
    """Print what was kept, what was left out and why, and the expected error."""
    grid = grid_of_facts()
    height, width = record["size"]
    kept = ", ".join(f"{number} in {part}" for part, number in record["kept"].items())
    grid.add_row("written", escape(out))
    grid.add_row("pairs", f"{kept}, of {record['read']}")
    for reason, number in record["left_out"].items():
        grid.add_row("left out", f"{number} {reason}")
    known = "intrinsics in transforms.json and cameras.txt" if record["camera"] else "intrinsics unknown"
    grid.add_row("grid", f"{width}x{height}, {record['frame']} camera, {known}")
    expected = record["expected_error"]
    if (below := expected["below_10_px"]) is not None:
        grid.add_row("error", f"below 10 px of an image 640 wide in {below:.1%} of the pairs, as expected")
    for place, px in (expected["rig_deviation_px"] or {}).items():
        grid.add_row(
            "rig", f"{place}: {px['centre']:.1f} px at the centre, {px['corner']:.1f} px at the corners"
        )
    Console().print(Panel(grid, expand=False))
