"""Descriptions of the statuses for users."""

from distillmatch_ros.registration.gate import Status


def meaning(status: Status) -> str:
    """Description of a status."""
    return {
        Status.OK: "the homography can be relied on",
        Status.TRACKED: "the homography was tracked on the images' edges since the last full pass",
        Status.FEW_MATCHES: "too few correspondences: dark, low-contrast, or different scenes?",
        Status.FEW_INLIERS: "the correspondences do not agree on a homography",
        Status.DEGENERATE: "no plausible homography, or edges or earlier pairs contradict it",
        Status.HELD: "an earlier homography was kept",
        Status.FIXED: "the calibrated homography was used",
        Status.STALE_THERMAL: "the thermal stream has frozen",
    }[status]
