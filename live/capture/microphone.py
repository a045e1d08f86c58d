"""The local microphone, through PortAudio."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from live.capture.resampling import BLOCK, Blocks, StreamResampler
from live.capture.retry import DeviceSource
from live.errors import DeviceError
from live.frames import AUDIO_RATE, AudioChunk
from live.protocols import AudioCallback, StateCallback, VideoCallback

SILENT: Final = 1.5
"""Seconds without a block after which the microphone counts as unplugged: PortAudio often does not say so."""

DRIFT: Final = 0.08
"""Seconds by which the sample count may leave the monotonic clock before media time jumps after it."""

PORTAUDIO_HINT: Final = (
    "Install it: `sudo apt install libportaudio2` (Debian, Ubuntu), `brew install portaudio` (macOS), "
    "then `pip install --force-reinstall sounddevice`."
)

_open_streams = 0
_open_lock = threading.Lock()


def portaudio() -> Any:
    """The `sounddevice` module.

    Raises:
        DeviceError: it or the PortAudio library is not installed.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise DeviceError(f"The sound library PortAudio is not there ({error}).", PORTAUDIO_HINT) from error
    return sounddevice


class Microphone(DeviceSource):
    """Delivers 10 ms chunks of mono 48 kHz sound, resampled where the device speaks another rate.

    A microphone that is missing, busy or unplugged is reported and tried again until `stop`.

    Args:
        device: PortAudio's number or (part of) the name; `None` is the system's default.
        epoch_ns: monotonic instant of media time 0; default: now.
    """

    def __init__(self, device: int | str | None = None, epoch_ns: int | None = None) -> None:
        super().__init__("The microphone", epoch_ns)
        self._device = device

    def start(self, on_audio: AudioCallback | None, on_video: VideoCallback | None, on_state: StateCallback) -> None:
        """Begin to listen.

        Raises:
            DeviceError: PortAudio is not installed.
        """
        portaudio()
        if on_audio is None:
            return
        self._keep_open(lambda works: self._listen(on_audio, works), on_state)

    def _listen(self, on_audio: AudioCallback, works: Callable[[], None]) -> None:
        global _open_streams
        sounddevice = portaudio()
        with _open_lock:
            if _open_streams == 0:
                # PortAudio lists the devices once, at start; only a restart sees one that was plugged in since.
                if sounddevice._initialized:  # else the last restart failed, and there is nothing to end
                    sounddevice._terminate()
                sounddevice._initialize()
            _open_streams += 1
        try:
            self._stream(sounddevice, on_audio, works)
        except (sounddevice.PortAudioError, ValueError, OSError) as error:
            raise _explain(error, self._device) from error
        finally:
            with _open_lock:
                _open_streams -= 1

    def _stream(self, sounddevice: Any, on_audio: AudioCallback, works: Callable[[], None]) -> None:
        info = sounddevice.query_devices(self._device, kind="input")
        rate = _supported_rate(sounddevice, self._device, round(info["default_samplerate"]))
        converter = ChunkMaker(rate, self._epoch_ns, on_audio)
        heard = threading.Event()

        def block(indata: NDArray[np.int16], frames: int, stream_time: Any, status: Any) -> None:
            # How long ago the last sample of this block was captured, as far as the driver knows.
            age = stream_time.currentTime - stream_time.inputBufferAdcTime - frames / rate
            age = age if 0.0 <= age < 0.5 else 0.0
            converter.feed(indata[:, 0], time.monotonic_ns() - round(age * 1e9))
            heard.set()

        with sounddevice.InputStream(
            device=self._device,
            samplerate=rate,
            channels=1,
            dtype="int16",
            blocksize=rate // 100,
            latency="low",
            callback=block,
        ):
            while not self._stop.is_set():
                if not heard.wait(SILENT):
                    raise DeviceError("The microphone stopped delivering sound.", "Check that it is plugged in.")
                heard.clear()
                works()
                self._stop.wait(0.25)


class ChunkMaker:
    """Turns blocks as a device delivers them into 10 ms chunks whose media time counts samples.

    Sound is the master clock, so media time advances with the samples; only when it has left the monotonic clock by
    `DRIFT` (a device that lost samples, or a crystal that is off after many minutes) does it jump to it.

    Args:
        rate: Hz of the blocks.
        epoch_ns: monotonic instant of media time 0.
        on_audio: given every complete chunk.
    """

    def __init__(self, rate: int, epoch_ns: int, on_audio: AudioCallback) -> None:
        self._rate = rate
        self._epoch_ns = epoch_ns
        self._on_audio = on_audio
        self._resampler = None if rate == AUDIO_RATE else StreamResampler()
        self._blocks = Blocks(BLOCK)
        self._pts: float | None = None

    def feed(self, samples: NDArray[np.int16], capture_ns: int) -> None:
        """Accept int16 (n,) samples at `rate`, the last of which was captured at `capture_ns`."""
        if self._resampler is not None:
            samples = self._resampler.feed_samples(samples, self._rate)
        # `cut` joins into a new array, so the device may reuse its buffer.
        blocks = list(self._blocks.cut(samples))
        for i, block in enumerate(blocks):
            # Instants count back from the end of what just arrived.
            end_ns = capture_ns - round((len(blocks) - 1 - i) * BLOCK / AUDIO_RATE * 1e9)
            by_clock = (end_ns - self._epoch_ns) / 1e9 - len(block) / AUDIO_RATE
            if self._pts is None or abs(by_clock - self._pts) > DRIFT:
                self._pts = by_clock
            self._on_audio(AudioChunk(block, self._pts, end_ns))
            self._pts += len(block) / AUDIO_RATE


def _supported_rate(sounddevice: Any, device: int | str | None, default_rate: int) -> int:
    try:
        sounddevice.check_input_settings(device=device, channels=1, dtype="int16", samplerate=AUDIO_RATE)
    except sounddevice.PortAudioError:
        return default_rate
    return AUDIO_RATE


def _explain(error: Exception, device: int | str | None) -> DeviceError:
    text = str(error)
    which = "The microphone" if device is None else f"The microphone {device!r}"
    if isinstance(error, ValueError) or "querying device" in text or "No Default" in text or "-1" in text:
        return DeviceError(f"{which} was not found.", "Plug one in; `live doctor` lists what there is.")
    if "unavailable" in text or "busy" in text.lower() or "-9985" in text:
        return DeviceError(f"{which} is used by another program.", "Close that program; it will be tried again.")
    return DeviceError(f"{which} cannot be opened ({text}).", "Check the system's sound settings and permissions.")
