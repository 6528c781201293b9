"""What a person sees of the node's benchmark."""

from rich.console import Console
from rich.table import Table

from distillmatch_ros.tools.node_benchmark import AGE_FACTOR, AGE_SLACK_MS, NodeBenchmark


def show_node_benchmark(measured: NodeBenchmark) -> None:
    """The table of a benchmark."""
    table = Table("of a pair", "what it is")
    for column in ("median ms", "p95 ms"):
        table.add_column(column, justify="right")
    for name, what in (
        ("age", "from the receipt of the visible image until all outputs are published"),
        ("engine", "the network alone"),
        ("registration", "network, gain control and geometry"),
        ("transport", "decoding, making and publishing all outputs"),
    ):
        time = getattr(measured, name)
        table.add_row(name, what, f"{time.median:.1f}", f"{time.p95:.1f}")
    start, peak, end = measured.memory_mib
    limit = f"{AGE_FACTOR:g} x {{}} + {AGE_SLACK_MS:g} ms"
    console = Console()
    console.print(table)
    console.print(
        f"{measured.seconds:.0f} s at 640x512, 30 Hz: {measured.pairs_hz:.1f} pairs/s published, "
        f"{measured.superseded} superseded; "
        f"{', '.join(f'{number} {status}' for status, number in measured.statuses.items())}\n"
        f"age within {limit.format('engine')}: {measured.within_engine:.1%} of the pairs, "
        f"within {limit.format('registration')}: {measured.within_registration:.1%}\n"
        f"memory: {start:.0f} MiB, at most {peak:.0f}, {end:.0f} at the end; "
        f"{measured.growth_mib_per_minute:+.2f} MiB a minute",
        highlight=False,
        markup=False,
    )
