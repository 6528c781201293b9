"""Terminal output of benchmark-node."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distillmatch_ros.tools.node_benchmark import AGE_FACTOR, AGE_SLACK_MS, NodeBenchmark


def show_node_benchmarks(measured: Sequence[NodeBenchmark]) -> None:
    """Print benchmarks side by side."""
    table = Table("640x512, 30 Hz", *(_name(each.pass_seconds) for each in measured))
    for name in _figures(measured[0]):
        table.add_row(escape(name), *(_figures(each)[name] for each in measured))
    console = Console()
    console.print(table)
    console.print(
        "age: from the receipt of the visible image until its outputs are published; registration: "
        "tracking, or a full pass; transport: decoding, making and publishing outputs; "
        "jitter: of the corners from pair to pair, with static cameras",
        highlight=False,
        markup=False,
    )


def _name(pass_seconds: float) -> str:
    return f"a pass every {pass_seconds:g} s" if pass_seconds else "a pass for each pair"


def _figures(of: NodeBenchmark) -> dict[str, str]:
    times = {
        f"{name} median / p95 [ms]": "-" if time is None else f"{time.median:.1f} / {time.p95:.1f}"
        for name, time in (
            ("age", of.age),
            ("registration", of.registration),
            ("engine, where waited for", of.engine),
            ("transport", of.transport),
        )
    }
    start, peak, end = of.memory_mib
    return {
        "measured [s]": f"{of.seconds:.0f}",
        "pairs [1/s]": f"{of.pairs_hz:.1f}",
        "superseded pairs": str(of.superseded),
        "statuses": ", ".join(f"{number} {status}" for status, number in of.statuses.items()),
        "tracked": f"{of.tracked:.1%}",
        "full passes [1/s]": f"{of.passes_hz:.2f}",
        "processor cores of the node": f"{of.cores:.2f}",
        **times,
        f"age within {AGE_FACTOR:g} x registration + {AGE_SLACK_MS:g} ms": f"{of.within_registration:.1%}",
        "jitter [px of 640]": "-" if of.jitter_px is None else f"{of.jitter_px:.2f}",
        "memory at start, peak, end [MiB]": f"{start:.0f}, {peak:.0f}, {end:.0f}",
        "memory growth [MiB/min]": f"{of.growth_mib_per_minute:+.2f}",
    }
