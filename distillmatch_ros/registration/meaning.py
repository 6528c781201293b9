"""Statuses in words."""

from distillmatch_ros.registration.gate import Status


def meaning(status: Status) -> str:
    """What a status says about its pair."""
    return {
        Status.OK: "the homography can be relied on",
        Status.TRACKED: "the homography was tracked on the images' edges since the last full pass",
        Status.FEW_MATCHES: "too few correspondences: too dark, too even, or not the same scene?",
        Status.FEW_INLIERS: "the correspondences do not agree on a homography",
        Status.DEGENERATE: "the correspondences do not pin a plausible homography down",
        Status.HELD: "an earlier homography was kept",
        Status.FIXED: "the calibrated homography was used",
        Status.STALE_THERMAL: "the thermal stream has frozen",
    }[status]
