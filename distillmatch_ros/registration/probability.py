"""The probability that a homography is correct: a logistic model of its figures, fitted to trials.

Platt scaling (Platt 1999) of several figures: `evaluation.probability` fits it to pairs with known
homographies and to pairs without one. The coefficients are specific to one network, on whose matches the
figures depend.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import yaml

from distillmatch_ros.base import configuration
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import write_text
from distillmatch_ros.geometry.homography import Float64
from distillmatch_ros.registration.quality import Quality

RIGHT_PX = 10.0
"""Corner error below which a homography counts as correct, reference pixels."""
ENDING = ".probability.yaml"
FEATURES = (
    "log_inliers",
    "inlier_ratio",
    "spread",
    "rms_px",
    "log_corner_std",
    "edge_correlation",
    "log_peak_prominence",
    "second_peak_ratio",
)

_HEADER = "# Coefficients of the probability that a homography is correct: distillmatch fit-probability.\n"


def features(quality: Quality) -> Float64:
    """Features of the model, float64 (8,), in the order of `FEATURES`."""
    prominence = quality.peak_prominence or 0.0
    return np.array(
        [
            math.log(max(quality.inliers, 1)),
            quality.inlier_ratio,
            quality.spread,
            min(quality.rms_px, 10.0),
            math.log(min(max(quality.corner_std_px, 0.1), 100.0)),
            quality.edge_correlation or 0.0,
            math.log(max(prominence, 0.01)),
            min(quality.second_peak_ratio or 0.0, 2.0),
        ]
    )


def with_odds(probability: float, factor: float) -> float:
    """A probability whose odds are so many times as great."""
    odds = probability / max(1 - probability, 1e-9) * factor
    return odds / (1 + odds)


@dataclass(frozen=True)
class ProbabilityModel:
    """The coefficients for one network.

    Attributes:
        weights_sha256: hash of the network's weights, as in its metadata.
        intercept: log-odds for features of 0.
        coefficients: log-odds per unit of each of `FEATURES`.
        samples: number of trials in the fit.
        calibration_error: expected calibration error on held-out pairs, 10 bins, in [0, 1].
    """

    weights_sha256: str
    intercept: float
    coefficients: dict[str, float]
    samples: int
    calibration_error: float

    def __call__(self, quality: Quality) -> float:
        """The probability that the corner error is below `RIGHT_PX`, in [0, 1]."""
        weights = [self.coefficients[name] for name in FEATURES]
        odds = self.intercept + float(np.dot(weights, features(quality)))
        return 1 / (1 + math.exp(-max(min(odds, 50.0), -50.0)))

    def save(self, path: Path) -> None:
        """Write a YAML file.

        Raises:
            DistillMatchError: the file cannot be written.
        """
        write_text(path, _HEADER + yaml.safe_dump(asdict(self), sort_keys=False))

    @classmethod
    def load(cls, path: Path) -> "ProbabilityModel":
        """Read a YAML file.

        Raises:
            DistillMatchError: the file cannot be read, or has other features than this version.
        """
        model = configuration.load(cls, path, f"models/light{ENDING}")
        if set(model.coefficients) != set(FEATURES):
            raise DistillMatchError(
                f"{path}: holds other features than {', '.join(FEATURES)}; make it again with "
                "`distillmatch fit-probability`"
            )
        return model


def find_model(network: Path, weights_sha256: str) -> ProbabilityModel | None:
    """Load the model beside a network if it was fitted to the network's weights.

    Raises:
        DistillMatchError: a file of that kind cannot be read.
    """
    for path in sorted(network.parent.glob(f"*{ENDING}")):
        model = ProbabilityModel.load(path)
        if model.weights_sha256 == weights_sha256:
            return model
    return None
