"""Drives made of aligned pairs: ``python -m distillmatch_ros.evaluation.aligned_drives PAIRS_DIR...``.

Each folder is one drive of a rig with one homography, drawn by the seed, a scene a second. Its pairs go
through a stream in order, as from a bag. A pair's truth is as good as its alignment, which edges check: the
last row leaves out the pairs that they move by more than a limit.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from distillmatch_ros.evaluation.hostile_streams import Moment, knock_by
from distillmatch_ros.evaluation.panning import THERMAL, VISIBLE, Image
from distillmatch_ros.evaluation.reference import alignment_by_edges
from distillmatch_ros.evaluation.streams import Answer, answers_to
from distillmatch_ros.evaluation.warped import RIG, read_aligned, sample_quad
from distillmatch_ros.geometry.homography import Float64, corner_error, corners
from distillmatch_ros.images.gain_control import to_8bit
from distillmatch_ros.images.pairs import read_folder
from distillmatch_ros.registration.probability import RIGHT_PX
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.rig.events import Finding
from distillmatch_ros.stream.parameters import Parameters
from distillmatch_ros.stream.stream import Stream
from distillmatch_ros.visualisation.canvas import displayable

KNOCKS = ((20.0, 0.0), (40.0, 0.0), (60.0, 0.0), (0.0, 3.0))
"""Pixels of the visible image, and degrees, of the knocks at half time."""
OFF_PX = 9.0
"""By how much edges may move corners from where a pair's alignment has them, reference pixels."""


@dataclass(frozen=True, eq=False)
class Drive:
    """Aligned pairs of one folder, all of the visible camera's size.

    Attributes:
        pairs: uint8 (H, W, 3) and (H, W) images.
        truth: float64 (3, 3), thermal to visible pixels, of the rig.
    """

    pairs: Sequence[tuple[Image, Image]]
    truth: Float64

    @classmethod
    def read(cls, folder: Path, seed: int) -> "Drive":
        """Read a folder of aligned pairs; their middle is cut to the camera's aspect.

        Raises:
            DistillMatchError: an image cannot be read, or a pair is not aligned.
        """
        rows, columns = VISIBLE
        width = round(rows * THERMAL[1] / THERMAL[0])  # pixels of both cameras are square
        quad = sample_quad(np.random.default_rng(seed), RIG, width, rows)
        quad[:, 0] += (columns - width) / 2
        frame = corners(THERMAL).astype(np.float32)
        truth = cv2.getPerspectiveTransform(frame, quad.astype(np.float32))
        read = (read_aligned(pair) for pair in read_folder(folder))
        pairs = [(_middle(displayable(visible)), _middle(to_8bit(thermal))) for visible, thermal in read]
        return cls(pairs, np.asarray(truth, np.float64))

    def moments(self, px: float = 0.0, degrees: float = 0.0) -> Iterator[Moment]:
        """The pairs as the rig sees them, knocked at half time."""
        after = knock_by(px, degrees, direction=0.0) @ self.truth
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for number, (visible, thermal) in enumerate(self.pairs):
            truth = self.truth if number < len(self.pairs) / 2 else after
            seen = cv2.warpPerspective(thermal, truth, THERMAL[::-1], flags=flags)
            yield Moment(float(number), visible, np.asarray(seen, np.uint8), truth)

    def references_px(self) -> Float64:
        """What edges move the corners of each pair by, (N,), reference pixels; NaN where nothing tells."""
        off = np.full(len(self.pairs), np.nan)
        for number, pair in enumerate(self.pairs):
            onto = alignment_by_edges(*pair)
            if onto is not None:
                off[number] = corner_error(onto @ self.truth, self.truth, THERMAL, VISIBLE)
        return off


def _middle(image: Image) -> Image:
    """The largest part in the middle with the visible camera's aspect, in its size."""
    rows, columns = image.shape[:2]
    scale = min(rows / VISIBLE[0], columns / VISIBLE[1])
    height, width = (round(scale * side) for side in VISIBLE)
    top, left = (rows - height) // 2, (columns - width) // 2
    how = cv2.INTER_AREA if height > VISIBLE[0] else cv2.INTER_LINEAR
    cut = cv2.resize(image[top : top + height, left : left + width], VISIBLE[::-1], interpolation=how)
    return np.asarray(cut, np.uint8)


def summary(answers: Sequence[Answer]) -> str:
    """Number of pairs, and which part is right, without an answer, and wrong, %."""
    errors = np.array([np.nan if each.error_px is None else each.error_px for each in answers])
    right, none = (errors < RIGHT_PX).mean(), np.isnan(errors).mean()
    wrong = np.mean([each.is_wrong for each in answers])
    return f"{len(answers):6d}  {100 * right:5.1f} / {100 * none:4.1f} / {100 * wrong:.1f}"


def main() -> None:
    """Register the drives, and print what became of their pairs."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="PAIRS_DIR", help="Aligned pairs of a drive."
    )
    parser.add_argument("--mode", default="rig", help="Mode of the streams.")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="Seed of the homographies.")
    parser.add_argument("--knocks", action="store_true", help="By 20, 40, 60 px and 3 degrees at half time.")
    options = parser.parse_args()
    settings = Parameters().changed({"mode": options.mode}).stream
    every: list[Answer] = []
    checked: list[Answer] = []
    print(f"mode {options.mode}: pairs; % within {RIGHT_PX:.0f} px / no answer / wrong; passes until known")
    with Registrar.open() as registrar:
        for number, folder in enumerate(options.folders):
            drive = Drive.read(folder, options.seed + number)
            off = drive.references_px()
            for px, degrees in KNOCKS if options.knocks else ((0.0, 0.0),):
                stream = Stream(registrar, settings)
                answers = list(answers_to(stream, drive.moments(px, degrees)))
                known = [str(each.passes) for each in stream.rig_events if each.finding is Finding.KNOWN]
                name = f"{folder.name}, {px:g} px, {degrees:g} degrees" if options.knocks else folder.name
                print(f"{name:28} {summary(answers)}  {', '.join(known) or '-'}", flush=True)
                every += answers
                checked += [answer for answer, px in zip(answers, off, strict=True) if not px > OFF_PX]
    print(f"{'all':28} {summary(every)}")
    if checked:
        print(f"{f'references within {OFF_PX:.0f} px':28} {summary(checked)}")


if __name__ == "__main__":
    main()
