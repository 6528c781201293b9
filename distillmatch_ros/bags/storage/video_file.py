"""Video files, as cameras and screen recorders write them: each video stream is a topic of images."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from heapq import merge
from pathlib import Path
from typing import Any

from distillmatch_ros.bags.storage.blocks import OnLoss, Raw, StorageFile
from distillmatch_ros.bags.storage.loss import Loss
from distillmatch_ros.bags.typestore import ros2_messages, ros2_types
from distillmatch_ros.bags.video import LIMITS, pixels_of
from distillmatch_ros.base.errors import needing
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.sizes import check_size

IMAGE = "sensor_msgs/msg/Image"


class VideoFile(StorageFile):
    """A file of one or more video streams.

    Its topics are called by the file, ``/rgb`` for rgb.mp4, and of several streams ``/rig/0``, ``/rig/1``.
    Stamps and times of receipt are those of the file, which begins at 0: files of two cameras are taken to
    have been started together.
    """

    def __init__(self, path: Path, name: str, report: OnLoss) -> None:
        """Open a file.

        Raises:
            DistillMatchError: PyAV is not installed, or the frames are too large.
            OSError: the file cannot be read as video.
        """
        super().__init__(name, report)
        self._path = path
        with closing(self._open()) as container:
            streams = container.streams.video
            if not streams:
                raise ValueError("holds no video")
            for stream in streams:
                check_size(stream.height, stream.width, name)
            stem = re.sub(r"\W", "_", Path(name).stem)
            self._numbers = {
                f"/{stem}" if len(streams) == 1 else f"/{stem}/{number}": number
                for number in range(len(streams))
            }
            self._end = int((container.duration or 0) * 1000)  # of microseconds
            cut_off = _is_cut_off(path)
            if cut_off:
                self._report(Loss(name, "breaks off: it was cut off, or not closed", position=-1))
            for topic, number in self._numbers.items():
                stream = streams[number]
                estimate = self._end / SECOND * float(stream.average_rate or 0)
                self.topics[topic] = IMAGE
                self.counts[topic] = stream.frames or max(1, round(estimate))
        if cut_off:  # the file tells what it held
            self.counts = Counter({topic: self._packets(number) for topic, number in self._numbers.items()})

    @property
    def span(self) -> tuple[int, int] | None:
        return 0, self._end

    def messages(self, topics: Collection[str]) -> Iterator[Raw]:
        wanted = ((topic, number) for topic, number in self._numbers.items() if topic in topics)
        return merge(*(self._frames(*each) for each in wanted), key=lambda raw: raw.received)

    def _frames(self, topic: str, number: int) -> Iterator[Raw]:
        """The frames of one stream, each a serialised message as in other files."""
        types, messages = ros2_types(), ros2_messages()
        with closing(self._open()) as container:
            container.streams.video[number].codec_context.options = LIMITS
            for frame in container.decode(video=number):
                stamp = max(0, int((frame.pts or 0) * frame.time_base * SECOND))
                message = messages.image(Frame(*pixels_of(frame), stamp, topic.strip("/")))
                yield Raw(topic, IMAGE, stamp, types.serialize_cdr(message, IMAGE))

    def _packets(self, number: int) -> int:
        """How many packets of a stream there are, a frame each."""
        with closing(self._open()) as container:
            return sum(packet.size > 0 for packet in container.demux(video=number))

    def close(self) -> None:
        """Nothing is open between readings."""

    def _open(self) -> Any:
        with needing("video"):
            import av
        try:
            return av.open(str(self._path))
        except av.error.InvalidDataError as error:
            raise ValueError("not a video, or one without its index: not closed, or cut off") from error


def _is_cut_off(path: Path) -> bool:
    """Whether a file is shorter than its outermost parts say: FFmpeg passes over that in silence."""
    size, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position < size:
            file.seek(position)
            head = file.read(20)
            if head[:4] == b"RIFF":  # AVI; 0 until it is closed
                length = 8 + int.from_bytes(head[4:8], "little")
                position += length + length % 2 if length > 8 else size + 1
            elif head[:4] in (b"\x1aE\xdf\xa3", b"\x18S\x80g"):  # the two elements of Matroska
                number = 9 - head[4].bit_length()  # bytes of a length, whose first bits tell how many
                length = int.from_bytes(head[4 : 4 + number], "big") - (1 << 7 * number)
                endless = length == (1 << 7 * number) - 1  # a live stream
                position = size if endless else position + 4 + number + length
            elif head[4:8].isalnum():  # MP4
                length = int.from_bytes(head[:4], "big")
                length = int.from_bytes(head[8:16], "big") if length == 1 else length or size - position
                position += max(length, 8)
            else:
                return False
    return position > size
