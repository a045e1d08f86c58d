"""Real-time VP8 and H264 encoders: no look-ahead, no reordering, bitrate pinned, keyframes on request only."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
from av.video.frame import PictureType

from live.errors import MediaError
from live.frames import Image
from live.transport.encoded import VIDEO_TIME_BASE, VideoCodec

KEYFRAME_DISTANCE: Final = 3000
"""Pictures between keyframes nobody asked for."""

BUFFER: Final = 0.3
"""Seconds of the rate controller's buffer: how long a burst may take to drain through a link of just the bitrate."""


def default_bitrate(width: int, height: int, fps: float) -> int:
    """Bits per second that leave a talking face without visible artefacts: about 0.5 bit per pixel at 256², falling
    with the size; between 0.4 and 6 Mb/s."""
    pixels = width * height
    bits_per_pixel = 0.5 * (65_536 / pixels) ** 0.25
    return int(min(6e6, max(4e5, bits_per_pixel * pixels * fps)))


class VideoEncoder:
    """One stream of one codec. Not thread-safe: one encoding thread.

    Args:
        codec: `VP8` (libvpx) or `H264` (x264, constrained baseline).
        fps: nominal frame rate, for the rate controller.
        bitrate: bits per second; `None` chooses by the size of the pictures.
    """

    def __init__(self, codec: VideoCodec, fps: float = 25.0, bitrate: int | None = None) -> None:
        self._codec: VideoCodec = codec
        self._fps = fps
        self._bitrate = bitrate
        self._context: av.VideoCodecContext | None = None

    @property
    def codec(self) -> VideoCodec:
        """What it makes."""
        return self._codec

    def encode(self, image: Image, ticks: int, keyframe: bool) -> tuple[bytes, bool]:
        """Encode uint8 (H, W, 3) RGB that is presented at `ticks` (90 kHz, increasing).

        Returns the bitstream (empty if the encoder skipped the picture) and whether it is a keyframe. A changed size
        starts a new stream with a keyframe.

        Raises:
            MediaError: the codec is missing or failed; the next picture starts a new stream.
        """
        height, width = image.shape[:2]
        context = self._context
        try:
            if context is None or (context.width, context.height) != (width, height):
                context = self._context = self._open(width, height)
                keyframe = True
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts = ticks
            frame.time_base = VIDEO_TIME_BASE
            frame.pict_type = PictureType.I if keyframe else PictureType.NONE
            packets = context.encode(frame)
        except (av.FFmpegError, ValueError) as error:
            self._context = None
            raise MediaError(
                f"The {self._codec} encoder failed: {error}.", "Choose the other video codec in the page's settings."
            ) from error
        return b"".join(bytes(p) for p in packets), any(p.is_keyframe for p in packets)

    def _open(self, width: int, height: int) -> av.VideoCodecContext:
        rate = self._bitrate or default_bitrate(width, height, self._fps)
        context = av.CodecContext.create("libvpx" if self._codec == "VP8" else "libx264", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        context.bit_rate = rate
        context.time_base = VIDEO_TIME_BASE
        context.framerate = Fraction(self._fps).limit_denominator(1001)
        context.gop_size = KEYFRAME_DISTANCE
        context.max_b_frames = 0
        context.thread_count = 1 if width * height <= 640 * 480 else 2
        context.options = self._vp8_options(rate) if self._codec == "VP8" else self._h264_options(rate)
        if self._codec == "H264":
            context.profile = "Constrained Baseline" if "Constrained Baseline" in context.profiles else "Baseline"
        return context

    @staticmethod
    def _vp8_options(rate: int) -> dict[str, str]:
        return {
            "deadline": "realtime",
            "cpu-used": "-8",  # negative: this speed, not one that follows the load of the machine
            "lag-in-frames": "0",
            "error-resilient": "default",
            "auto-alt-ref": "0",
            "minrate": str(rate),
            "maxrate": str(rate),
            "bufsize": str(int(rate * BUFFER)),
            "rc_init_occupancy": str(int(rate * BUFFER * 0.6)),
            "undershoot-pct": "100",
            "overshoot-pct": "15",
            "max-intra-rate": "600",  # a keyframe is at most six average pictures, so that it does not arrive late
            "qmin": "4",
            "qmax": "56",
            "static-thresh": "1",
        }

    @staticmethod
    def _h264_options(rate: int) -> dict[str, str]:
        return {
            "preset": "superfast",
            "tune": "zerolatency",
            "level": "3.1",
            "forced-idr": "1",
            "maxrate": str(rate),
            "bufsize": str(int(rate * BUFFER)),
            "x264-params": "scenecut=0:sliced-threads=0:repeat-headers=1:annexb=1:open-gop=0",
        }
