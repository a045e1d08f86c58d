"""Recording to a file: H.264 and AAC through PyAV, sound and picture in sync by their media time.

The file is written in fragments of about a second, each complete in itself, so that it plays up to the last of them
even when the program is killed.
"""

from __future__ import annotations

import queue
import threading
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from live.errors import MediaError
from live.frames import AUDIO_RATE, AudioChunk, Image, RenderedFrame

TIME_BASE: Final = Fraction(1, 90_000)
"""Unit of the pictures' time stamps; frame rates may vary."""

WAITING_FRAMES: Final = 30
"""Pictures that may wait for the encoder; later ones are dropped and counted."""

WAITING_ITEMS: Final = 300
"""Pictures and chunks that may wait together: three seconds of sound."""

SILENCE_AFTER: Final = 1.0
"""Seconds by which sound may stay behind the picture before silence takes its place (an unplugged microphone)."""

AAC_FRAME: Final = 1024
"""Samples of an AAC frame."""

CONTAINERS: Final = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""File name endings that can be written."""


class Recorder:
    """A `Sink` that writes a file, on a thread of its own.

    Time starts at 0 with whatever comes first. The picture size is that of the first frame; others are scaled to it.

    Args:
        path: where to write; the ending chooses the container (`CONTAINERS`). An existing file is replaced.
        sound: whether sound will come. Gaps in it are filled with silence.
        fps: expected frame rate, for rate control only.
        quality: constant rate factor of x264, 0..51, smaller is better.
        blocking: whether `push_*` wait for the encoder instead of dropping (offline rendering).

    Raises:
        MediaError: the file cannot be written.
    """

    def __init__(
        self, path: Path | str, *, sound: bool = True, fps: float = 25.0, quality: int = 18, blocking: bool = False
    ) -> None:
        self.path = Path(path)
        container = CONTAINERS.get(self.path.suffix.lower())
        if container is None:
            raise MediaError(
                f"{self.path.name} is not a film that can be written.", f"End the name in {', '.join(CONTAINERS)}."
            )
        self.dropped = 0
        self.frames = 0
        self._blocking = blocking
        self._error: MediaError | None = None
        self._closed = False
        self._waiting: queue.Queue[RenderedFrame | AudioChunk | None] = queue.Queue(WAITING_ITEMS)
        self._writer = _Writer(self.path, container, sound, fps, quality)
        self._thread = threading.Thread(target=self._write, name="live-recorder", daemon=True)
        self._thread.start()

    @property
    def duration(self) -> float:
        """Seconds written so far."""
        return self._writer.duration

    def push_video(self, frame: RenderedFrame) -> None:
        """Store a picture.

        Raises:
            MediaError: writing has failed, for example because the disk is full.
        """
        if not self._blocking and self._waiting.qsize() >= WAITING_FRAMES:
            self.dropped += 1
            return
        self._put(frame)

    def push_audio(self, chunk: AudioChunk) -> None:
        """Store sound.

        Raises:
            MediaError: writing has failed.
        """
        if self._writer.sound:
            self._put(chunk)

    def close(self) -> None:
        """Write what is waiting and finish the file. Safe to call twice.

        Raises:
            MediaError: writing has failed.
        """
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _put(self, item: RenderedFrame | AudioChunk) -> None:
        if self._error is not None:
            raise self._error
        if self._closed:
            return
        try:
            self._waiting.put(item, block=self._blocking)
        except queue.Full:
            self.dropped += 1

    def _write(self) -> None:
        while (item := self._waiting.get()) is not None:
            if self._error is None:
                self._attempt(item)
        self._attempt(None)

    def _attempt(self, item: RenderedFrame | AudioChunk | None) -> None:
        """Write an item, or the file's end; after a failure the thread only empties the queue."""
        try:
            if item is None:
                self._writer.finish()
            elif isinstance(item, AudioChunk):
                self._writer.write_sound(item)
            else:
                self._writer.write_picture(item.image, item.pts)
                self.frames += 1
        except Exception as error:  # whatever it is, the thread must live on to empty the queue
            if self._error is None:
                self._error = MediaError(
                    f"Writing {self.path} failed: {error}.", "Check that the disk has room and is still there."
                )


class _File:
    """The file below the container. A failed write is remembered here and hidden from FFmpeg, whose mp4 writer crashes
    the process when it is closed after one."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self._error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence) if self._error is None else offset

    def tell(self) -> int:
        return self._file.tell()

    def check(self) -> None:
        """Raises the `OSError` of an earlier write."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self._file.close()
        self.check()


class _Writer:
    """The encoders and the container; used by the recorder's thread."""

    def __init__(self, path: Path, container: str, sound: bool, fps: float, quality: int) -> None:
        self.sound = sound
        self.duration = 0.0
        self._quality = quality
        self._hides_priming = container == "matroska"
        self._fps = Fraction(fps).limit_denominator(1001)
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if container != "matroska" else {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _File(path)
        except OSError as error:
            raise MediaError(f"{path} cannot be written ({error}).", "Choose another folder or name.") from error
        self._container = av.open(
            self._file, "w", format=container, options=options, container_options={"flush_packets": "1"}
        )
        self._video: av.VideoStream | None = None
        self._audio: av.AudioStream | None = None
        self._origin: float | None = None
        self._last_pts = -1
        self._heard = 0  # samples accepted
        self._encoded = 0  # samples given to the encoder
        self._block: list[NDArray[np.int16]] = []
        self._early: list[AudioChunk] = []

    def write_picture(self, image: Image, pts: float) -> None:
        height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
        if self._video is None:
            self._begin(width, height, pts)
        assert self._video is not None and self._origin is not None
        stamp = round((pts - self._origin) / TIME_BASE)
        if stamp <= self._last_pts:
            return
        self._last_pts = stamp
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
        frame = frame.reformat(
            width=self._video.width,
            height=self._video.height,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts, frame.time_base = stamp, TIME_BASE
        self._container.mux(self._video.encode(frame))
        self._file.check()
        self.duration = pts - self._origin
        behind = self.duration - self._heard / AUDIO_RATE
        if self.sound and behind > SILENCE_AFTER:
            self._accept(np.zeros(round((behind - SILENCE_AFTER / 2) * AUDIO_RATE), np.int16))

    def write_sound(self, chunk: AudioChunk) -> None:
        if self._origin is None:
            # The streams of a file are fixed when its first packet is written, and only a picture tells its size.
            self._early.append(chunk)
            if len(self._early) > WAITING_ITEMS:
                self._early.pop(0)
            return
        samples = chunk.samples
        gap = round((chunk.pts - self._origin) * AUDIO_RATE) - self._heard
        if gap < 0 and abs(gap) > AUDIO_RATE // 200:
            samples = samples[min(len(samples), -gap) :]
        elif gap > AUDIO_RATE // 50:
            self._accept(np.zeros(gap, np.int16))
        self._accept(samples)

    def finish(self) -> None:
        if self._video is not None:
            missing = round(self.duration * AUDIO_RATE) - self._heard
            if self.sound and missing > 0:
                self._accept(np.zeros(missing, np.int16))
            if self._audio is not None:
                self._encode(np.concatenate(self._block) if self._block else np.zeros(0, np.int16))
                self._mux_sound(self._audio.encode())
            self._container.mux(self._video.encode())
        self._container.close()
        self._file.close()

    def _begin(self, width: int, height: int, pts: float) -> None:
        video = self._container.add_stream("libx264", rate=self._fps)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        context = video.codec_context
        context.time_base = TIME_BASE
        # One second between key frames: a fragment, which is what a crash may cost.
        context.gop_size = max(1, round(self._fps))
        context.options = {
            "preset": "veryfast",
            "crf": str(self._quality),
            "bf": "0",
            "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
        }
        self._video = video
        if self.sound:
            self._audio = self._container.add_stream("aac", rate=AUDIO_RATE, layout="mono")
            self._audio.codec_context.bit_rate = 128_000
        self._origin = min([pts, *(chunk.pts for chunk in self._early[:1])])
        early, self._early = self._early, []
        for chunk in early:
            self.write_sound(chunk)

    def _accept(self, samples: NDArray[np.int16]) -> None:
        self._heard += len(samples)
        self._block.append(samples)
        if sum(map(len, self._block)) >= AAC_FRAME:
            joined = np.concatenate(self._block)
            whole = len(joined) // AAC_FRAME * AAC_FRAME
            for start in range(0, whole, AAC_FRAME):
                self._encode(joined[start : start + AAC_FRAME])
            self._block = [joined[whole:]]

    def _encode(self, samples: NDArray[np.int16]) -> None:
        if self._audio is None or not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, self._encoded, Fraction(1, AUDIO_RATE)
        self._encoded += len(samples)
        self._mux_sound(self._audio.encode(frame))

    def _mux_sound(self, packets: list[av.Packet[av.AudioStream]]) -> None:
        for packet in packets:
            # AAC's first packet lies before time 0 and holds nothing. Matroska notes that; mp4 fragments cannot, and
            # would shift all other packets, but not the first picture, to make room for it.
            if self._hides_priming or (packet.pts is not None and packet.pts >= 0):
                self._container.mux(packet)
