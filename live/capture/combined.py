"""Several sources as one: a webcam for the pictures and a microphone for the sound."""

from __future__ import annotations

from live.protocols import AudioCallback, Source, StateCallback, VideoCallback


class CombinedSource:
    """Takes pictures from one source and sound from another. Both must count media time from the same instant.

    Args:
        video: delivers the pictures; its sound is ignored.
        audio: delivers the sound; its pictures are ignored.
    """

    def __init__(self, video: Source, audio: Source) -> None:
        self._video = video
        self._audio = audio

    def start(self, on_audio: AudioCallback | None, on_video: VideoCallback | None, on_state: StateCallback) -> None:
        """Start both.

        Raises:
            DeviceError, MediaError: from one of them; the other is stopped.
        """
        self._audio.start(on_audio, None, on_state)
        try:
            self._video.start(None, on_video, on_state)
        except Exception:
            self._audio.stop()
            raise

    def stop(self) -> None:
        """Stop both."""
        self._video.stop()
        self._audio.stop()
