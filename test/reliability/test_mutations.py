"""Images, CSV files and bags with random damage: an answer or an error in a line, within time and memory."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import ROOT
from support.bags import FORMATS, INFO, RGB, THERMAL, Drive, write_bag

from distillmatch_ros.bags.reading import Bag
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.compressed import decode_compressed
from distillmatch_ros.images.files import read_image, read_thermal
from distillmatch_ros.images.pairs import read_csv

SECONDS = 20.0
MEMORY_KB = 150 << 10


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, taken out, doubled, or the end cut off."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(max(len(found), 1))
        match chance.randrange(5):
            case 0 | 1:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                found[at : at + 4] = chance.choice(
                    [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\x75\x30"]
                )
            case 3:
                del found[at : at + chance.randint(1, 64)]
            case _:
                found[at:at] = found[at : at + chance.randint(1, 64)]
    return bytes(found[: chance.randint(len(found) // 2, len(found))] if chance.random() < 0.2 else found)


def images() -> list[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 255, (48, 64), np.uint8), rng.integers(0, 255, (48, 64, 3), np.uint8)
    deep = (grey.astype(np.uint16) << 6) + 20000
    found = [
        (suffix, cv2.imencode(suffix, colour)[1].tobytes())
        for suffix in (".png", ".jpg", ".bmp", ".webp", ".tiff")
    ]
    return [
        *found,
        *((suffix, cv2.imencode(suffix, deep)[1].tobytes()) for suffix in (".png", ".tiff", ".pgm")),
    ]


def tried(use: Callable[[], object]) -> None:
    """Use a file: it may be rejected, with a reason."""
    begin = time.monotonic()
    with suppress(DistillMatchError):
        use()
    assert time.monotonic() - begin < SECONDS


def run(kind: str, count: int, folder: Path) -> None:
    chance = random.Random(kind)
    if kind == "images":
        originals = images()
        for number in range(count):
            suffix, data = originals[number % len(originals)]
            path = folder / f"a{suffix}"
            path.write_bytes(mutated(data, chance) or b"x")
            tried(lambda path=path: (read_image(path), read_thermal(path)))
            tried(lambda path=path: decode_compressed(path.read_bytes(), "mono16; png compressed"))
    elif kind == "csv":
        text = "visible,thermal\n" + "".join(f'"a{n}.png","b {n}.png"\n' for n in range(40))
        for _ in range(count):
            (folder / "pairs.csv").write_bytes(mutated(text.encode(), chance))
            tried(lambda: read_csv(folder / "pairs.csv"))
    else:
        for each in FORMATS:
            (folder / each).mkdir()
            path = write_bag(folder / each, each, Drive(pairs=3, size=(8, 10)))
            file = path if path.is_file() else next(f for f in path.iterdir() if f.suffix != ".yaml")
            data = file.read_bytes()
            for _ in range(count // len(FORMATS)):
                file.write_bytes(mutated(data, chance))
                tried(lambda path=path: read_bag(path))
            shutil.rmtree(folder / each)


def read_bag(path: Path) -> int:
    with Bag(path) as bag:
        return sum(1 for _ in bag.messages((RGB, THERMAL, INFO)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "count"), [("images", 1200), ("csv", 200), ("bags", 600)])
def test_two_thousand_mutations(kind: str, count: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, __file__, kind, str(count), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "test")])},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) < MEMORY_KB


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    # ru_maxrss starts at the size of the process that forked this one; VmHWM does not.
    status = Path("/proc/self/status").read_text()
    print(status.partition("VmHWM:")[2].split()[0])
