"""The first images of bags: their sizes are known before hours of work."""

from collections.abc import Sequence
from contextlib import suppress

from distillmatch_ros.bags.camera_infos import first_size
from distillmatch_ros.bags.job import BagJob, image_topics
from distillmatch_ros.bags.opening import open_bag
from distillmatch_ros.bags.summary import BagSummary
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.geometry.homography import Size
from distillmatch_ros.stream.sensors import MATCHED


def check_one_rig(jobs: Sequence[BagJob]) -> None:
    """Check that the first images of all bags are of the same sizes, as those of one rig.

    Raises:
        DistillMatchError: they are not.
    """
    if len(jobs) < 2:
        return
    known = [(job, sizes) for job in jobs if (sizes := _sizes(job)) is not None]
    for job, sizes in known[1:]:
        first, others = known[0]
        if sizes != others:
            raise DistillMatchError(
                f"{job.bag}: has {_told(sizes)} images, but {first.bag} has {_told(others)}: they are of two "
                "rigs, or of two settings of one; give the bags of each rig alone"
            )


def _sizes(job: BagJob) -> tuple[Size | None, ...] | None:
    """Sizes of both cameras' first images; None for a bag that cannot be used, as registering it tells."""
    with suppress(DistillMatchError), open_bag(job.bag, *job.others) as bag:
        topics = image_topics(bag, job, BagSummary(str(job.bag), None))
        return tuple(first_size(bag, topics[sensor].name) for sensor in MATCHED)
    return None


def _told(sizes: tuple[Size | None, ...]) -> str:
    known = zip(MATCHED, sizes, strict=True)
    return " and ".join(f"{sensor.value} {size[1]}x{size[0]}" for sensor, size in known if size is not None)
