"""Video: packets of H.264, H.265 and others in messages, decoded by FFmpeg through PyAV."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.base.errors import DistillMatchError, needing
from distillmatch_ros.images.sizes import MAX_PIXELS

if TYPE_CHECKING:
    from av import VideoFrame

_CODECS = {
    "h264": re.compile(r"h\.?264|avc|x264", re.IGNORECASE),
    "hevc": re.compile(r"h\.?265|hevc|x265", re.IGNORECASE),
    "av1": re.compile(r"av1", re.IGNORECASE),
    "vp9": re.compile(r"vp9", re.IGNORECASE),
    "vp8": re.compile(r"vp8", re.IGNORECASE),
    "mjpeg": re.compile(r"mjpeg", re.IGNORECASE),
}
LIMITS = {"max_pixels": str(MAX_PIXELS)}
"""Options of FFmpeg's decoders: frames that their header says to be larger are not decoded."""
_GREY = {"uint8": "mono8", "uint16": "mono16", "float32": "32FC1"}
"""Encodings of grey frames, whose values are kept, in any byte order; all others become BGR."""


def codec_of(format_: str) -> str | None:
    """FFmpeg's decoder for a format such as ``h265`` or ``libx264;yuv420p;bgr8``; None for other formats."""
    name = format_.partition(";")[0].strip()
    return next((codec for codec, pattern in _CODECS.items() if pattern.search(name)), None)


class VideoDecoder:
    """Decodes the packets of one stream in their order, from the first key frame on."""

    def __init__(self, format_: str) -> None:
        """Open a decoder.

        Raises:
            DistillMatchError: PyAV is not installed, or there is no decoder for the format.
        """
        codec = codec_of(format_)
        if codec is None:
            raise DistillMatchError(
                f"{format_!r:.60} video: unknown; record one of {', '.join(_CODECS)}, or images"
            )
        with needing("video"):
            import av
        self._codec: Any = av.CodecContext.create(codec, "r")
        self._codec.options = LIMITS
        self._av = av
        self._codec.thread_type = "NONE"  # threads would hold back a frame each
        self._stamps: dict[int, int] = {}
        self._number = 0

    def decode(self, stamp: int, data: bytes | None) -> Iterator[tuple[int, NDArray[Any], str]]:
        """Decode a packet.

        Args:
            stamp: stamp of the packet's frame, ns.
            data: the packet; None at the end of the stream.

        Yields:
            Stamp, image and encoding of each frame that is complete now; it may be one of an earlier packet.

        Raises:
            ValueError: the packet cannot be decoded.
        """
        packet = None
        if data is not None:
            packet = self._av.Packet(data)
            packet.pts = packet.dts = self._number
            self._stamps[self._number] = stamp
            self._number += 1
        try:
            frames = self._codec.decode(packet)
        except self._av.FFmpegError as error:
            raise ValueError(f"a packet of video cannot be decoded ({error})") from error
        for frame in frames:
            yield self._stamps.pop(frame.pts or 0, stamp), *pixels_of(frame)


def pixels_of(frame: "VideoFrame") -> tuple[NDArray[Any], str]:
    """The pixels of a frame, (H, W) or (H, W, 3) BGR, and their encoding.

    A frame that its file says to be turned for display, as phones do, is turned.
    """
    grey = frame.format.name.startswith("gray")
    image = frame.to_ndarray() if grey else frame.to_ndarray(format="bgr24")
    upright = np.rot90(image, round(frame.rotation / 90))
    return np.ascontiguousarray(upright), _GREY[image.dtype.name] if grey else "bgr8"
