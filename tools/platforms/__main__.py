"""Makes environments of other platforms, tries the package in each, and writes docs/reference/platforms.md.

    python -m tools.platforms OUT                          # in the checkout; all, an hour
    python -m tools.platforms OUT --only debian13 --only kilted

Another Debian is unpacked by debootstrap from the archive of this machine's apt, and entered as a chroot;
other processors are emulated. What this machine does not allow is skipped, with the reason. OUT keeps logs,
results and what was unpacked, for the next run. Exit code 1 if a platform fails.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tools.platforms.checks import Check, Outcome, try_out
from tools.platforms.environments import ENVIRONMENTS, UNTRIED
from tools.platforms.material import Material
from tools.platforms.page import page

ROOT = Path(__file__).resolve().parents[2]
NAMES = [each.name for each in ENVIRONMENTS]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for environments, logs and results")
    chosen = f"try this platform, may be repeated: {', '.join(NAMES)}"
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=chosen)
    written = "the page to write (default %(default)s)"
    parser.add_argument("--page", type=Path, default=ROOT / "docs/reference/platforms.md", help=written)
    return parser.parse_args()


def read(file: Path) -> Outcome:
    record = json.loads(file.read_text())
    return Outcome(**{**record, "checks": tuple(Check(**each) for each in record["checks"])})


def main() -> int:
    options = read_options()
    out = options.out.resolve()
    material = Material.make(ROOT, out / "material", sys.executable)
    outcomes = {name: read(out / f"{name}.json") for name in NAMES if (out / f"{name}.json").exists()}
    failed = False
    for environment in ENVIRONMENTS:
        if options.only and environment.name not in options.only:
            continue
        first = outcomes.get(NAMES[0]) if environment.name != NAMES[0] else None
        reference = None if first is None or first.homography is None else np.array(first.homography)
        outcome = try_out(environment, material, out, reference)
        outcomes[environment.name] = outcome
        (out / f"{environment.name}.json").write_text(json.dumps(asdict(outcome), indent=2) + "\n")
        options.page.write_text(page(ENVIRONMENTS, outcomes, UNTRIED))
        print(f"{environment.name}: {outcome.skipped or outcome.platform}", flush=True)
        for check in outcome.checks:
            failed |= check.state == "failed"
            print(f"  {check.name}: {check.state}, {check.found} ({check.seconds:.0f} s)", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
