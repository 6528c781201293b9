"""What calibrates a rig: its geometry where evidence is for it, else one homography."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from typing_extensions import TypedDict

from distillmatch_ros.bags.depth_scale import believed, scale_of_observations
from distillmatch_ros.bags.drives import Drives
from distillmatch_ros.bags.summary import BagRecord
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.mapping import HomographyMapping, ImageMapping
from distillmatch_ros.rig.evidence import Evidence, judge
from distillmatch_ros.rig.learning import KnownRig, LearnedRig, learn
from distillmatch_ros.rig.metres import Scale
from distillmatch_ros.rig.quality import Agreement, distances_from
from distillmatch_ros.rig.uncertainty import Deviations, map_deviations
from distillmatch_ros.stream.calibration import Calibration
from distillmatch_ros.stream.sensors import Sensor

WRONG = 0.25
"""Fraction of pairs beyond the limit of their agreement from which on nothing is written."""
DOUBTFUL = 0.05
"""The same, from which on there is a warning."""


@dataclass(frozen=True, eq=False)
class RigCalibration:
    """What was found.

    Attributes:
        homography: one homography for all pairs; None if their matches support none.
        rig: the rig; None where evidence is against it, or there are too few pairs.
        evidence: on pairs left out; None if there are too few pairs.
        against: why there is no rig; None if there is one.
        agreement: of what is to be used, with every pair.
        distances: what it is made from: median distance of each pair's matches, reference pixels.
        scale: of the rig, by depth; None if it was not asked for.
    """

    homography: Calibration | None
    rig: LearnedRig | None
    evidence: Evidence | None
    against: str | None
    agreement: Agreement
    distances: Sequence[float] = field(repr=False)
    scale: Scale | None = None

    @property
    def mapping(self) -> ImageMapping:
        """Of all pairs: the homography, or the rig in the middle of the inverse depths that it has seen."""
        if self.rig is not None:
            return self.rig.middle
        assert self.homography is not None, "without a rig there is a homography"
        return self.homography.mapping

    @property
    def deviations(self) -> dict[str, Deviations]:
        """Of the rig's map at the nearest and the farthest frame; empty without a rig."""
        if self.rig is None:
            return {}
        far, near = self.rig.inverse_depths
        found = {
            "nearest": map_deviations(self.rig.model, near),
            "farthest": map_deviations(self.rig.model, far),
        }
        return {name: each for name, each in found.items() if each is not None}

    def with_baseline(self, metres: float) -> "RigCalibration":
        """The same with the rig in metres, by the distance of its cameras."""
        return replace(self, rig=None if self.rig is None else self.rig.with_baseline(metres))

    @property
    def doubt(self) -> str | None:
        """What speaks against using it, in a line; None if nothing does."""
        beyond = self.agreement.beyond
        if beyond < DOUBTFUL:
            return None
        return (
            f"{beyond:.0%} of {self.agreement.pairs} pairs are farther than {self.agreement.limit_px:g} px "
            f"from it (median {self.agreement.median_px:.1f} px, 95 % within "
            f"{self.agreement.p95_px:.1f} px, in a "
            "visible image 640 px wide)"
        )


def calibrate(drives: Drives, known: KnownRig | None = None, with_depth: bool = False) -> RigCalibration:
    """Find out what maps all pairs of some drives.

    A rig that is to be kept, or that maps by depth, has to be as good as the pairs alone. That one homography
    comes close to the planes of its frames says nothing against it.

    Args:
        drives: the pairs.
        known: what was known about the rig before.
        with_depth: whether the rig is to map by depth.

    Raises:
        DistillMatchError: there are too few pairs, or neither a rig nor a homography holds for them; or depth
            does not tell the rig's scale.
    """
    if drives.accumulator is None:
        raise DistillMatchError("calibration: there is no pair; check topics and times")
    homography, problem = None, None
    try:
        homography = drives.accumulator.fit(drives.parameters.stream.gate)
    except DistillMatchError as error:
        problem = error
    still = None if homography is None else homography.mapping
    is_wanted = with_depth or (known is not None and known.fixed)
    rig, evidence, against = _rig(drives, None if is_wanted else still, known)
    scale = None
    if rig is not None and with_depth:
        rig, scale = _in_metres(rig, drives)
    mapping = still if rig is None else rig
    if mapping is None:
        raise DistillMatchError(f"{problem}\nnor is there a rig: {against}") from problem
    distances = distances_from(mapping, drives.inliers)
    agreement = Agreement.of(distances, drives.pairs - len(drives.inliers))
    found = RigCalibration(homography, rig, evidence, against, agreement, distances.tolist(), scale)
    if agreement.beyond > WRONG:
        raise DistillMatchError(
            f"calibration: {found.doubt}: no {'rig' if rig else 'one homography'} holds for these pairs. "
            f"{'' if against is None else against + '. '}Record rigidly mounted cameras without zoom, "
            "triggered together or at rest, and one rig alone"
        )
    return found


def _rig(
    drives: Drives, homography: HomographyMapping | None, known: KnownRig | None
) -> tuple[LearnedRig | None, Evidence | None, str | None]:
    """The rig if evidence is for it, the evidence, and why there is no rig."""
    cameras = drives.camera(Sensor.THERMAL), drives.camera(Sensor.VISIBLE)
    observed = drives.observations
    try:
        evidence = judge(observed, *cameras, known, homography)
    except DistillMatchError as error:
        return None, None, str(error)
    if evidence.lasting == "one homography":
        return None, evidence, evidence.against
    shifted = evidence.lasting == "rig with a shift"
    return learn(observed, *cameras, shifted, known), evidence, None


def _in_metres(rig: LearnedRig, drives: Drives) -> tuple[LearnedRig, Scale | None]:
    """The rig with its scale by depth; it may have one already."""
    if not rig.model.is_metric:
        found = scale_of_observations(rig, drives.observations)
        scale = believed(found, "give --baseline-m", {*drives.unused, *_missing(drives)})
        return rig.with_baseline(scale.metres, scale.origins), scale
    return rig, Scale.of(rig.model, rig.measured) if rig.measured else None


def _missing(drives: Drives) -> Iterator[str]:
    """What pairs without a depth image say."""
    for summary in drives.summaries:
        if missing := summary.dropped["depth missing"]:
            yield f"{summary.bag}: {missing} pairs have no depth within depth_tolerance"


class FiguresRecord(TypedDict):
    """How well a kind of mapping fits pairs left out; see `FitFigures`."""

    edges_px: float
    matches_px: float


class CalibrationRecord(TypedDict):
    """The result of ``calibrate`` as a JSON object.

    Attributes:
        out: the file.
        kind: ``homography`` or ``rig``.
        pairs: number of pairs; ``rejected`` of them had no homography of their own.
        rejected: see ``pairs``.
        agreement_px: ``median`` and ``p95`` of the distances of every pair's matches, px of 640.
        beyond: fraction of pairs beyond 10 px.
        left_out: number of pairs that judged; 0 if there were too few.
        figures: by kind of mapping, on pairs left out.
        against: why there is no rig; null if there is one.
        homography: thermal to visible pixels; of a rig, the closest one in the middle of its inverse depths.
        origins: what is measured, given or assumed of the rig, by quantity.
        deviations_px: standard deviations of the rig's map at ``centre`` and ``corner``, by distance.
        scale: distance of the cameras by depth, m, and standard deviations as fractions: of it, and of the
            parallax by which depth maps pixels; null without depth.
        time_offsets: advised ``thermal_offset`` by bag, s, with its standard deviation.
        warning: what speaks against using the file; null if nothing does.
        bags: what became of each bag.
        errors: images that could not be read.
    """

    out: str
    kind: str
    pairs: int
    rejected: int
    agreement_px: dict[str, float]
    beyond: float
    left_out: int
    figures: dict[str, FiguresRecord]
    against: str | None
    homography: list[list[float]]
    origins: dict[str, str]
    deviations_px: dict[str, dict[str, float]]
    scale: dict[str, float] | None
    time_offsets: dict[str, dict[str, float]]
    warning: str | None
    bags: list[BagRecord]
    errors: list[str]


def record(found: RigCalibration, drives: Drives, out: str) -> CalibrationRecord:
    """A calibration as a JSON object."""
    agreement, evidence = found.agreement, found.evidence
    return {
        "out": out,
        "kind": "homography" if found.rig is None else "rig",
        "pairs": drives.pairs,
        "rejected": agreement.rejected,
        "agreement_px": {"median": round(agreement.median_px, 3), "p95": round(agreement.p95_px, 3)},
        "beyond": round(agreement.beyond, 4),
        "left_out": 0 if evidence is None else evidence.pairs,
        "figures": {}
        if evidence is None
        else {
            kind: {"edges_px": round(each.edges_px, 3), "matches_px": round(each.matches_px, 3)}
            for kind, each in evidence.figures.items()
        },
        "against": found.against,
        "homography": found.mapping.homography.tolist(),
        "origins": {} if found.rig is None else dict(found.rig.model.origins),
        "deviations_px": {
            name: {"centre": round(each.centre, 3), "corner": round(each.corner, 3)}
            for name, each in found.deviations.items()
        },
        "scale": None
        if found.scale is None
        else {
            "metres": round(found.scale.metres, 5),
            "deviation": round(found.scale.deviation, 4),
            "parallax": round(found.scale.parallax, 4),
        },
        "time_offsets": {
            bag: {"seconds": round(each.seconds, 4), "deviation": round(each.deviation, 4)}
            for bag, each in drives.offsets.items()
        },
        "warning": found.doubt,
        "bags": [summary.record() for summary in drives.summaries],
        "errors": drives.errors,
    }
