"""A talking avatar driven by a local speech synthesiser: text in, film out, nothing leaves the machine.

    python examples/push_tts.py "Hello, I am the astronaut." -o hello.mp4

espeak-ng makes the sound (install it with your package manager); `AvatarStream` makes the pictures. A voice agent does
the same with its own synthesiser and shows the frames instead of storing them.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np

from live.errors import LiveError
from live.frames import AUDIO_RATE, AudioChunk
from live.motion.speech.push import AvatarStream
from live.render import create_renderer
from live.studio import LocalStudio
from live.transport.recorder import Recorder


def synthesise(text: str, voice: str) -> tuple[bytes, int]:
    """Speak with espeak-ng: 16-bit mono PCM and its sample rate.

    Raises:
        LiveError: espeak-ng is not installed, or it knows no such voice.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise LiveError("espeak-ng is not installed.", "Install it: apt install espeak-ng, or brew install espeak-ng.")
    done = subprocess.run([program, "-v", voice, "--stdout", text], capture_output=True, check=False)
    if done.returncode or not done.stdout:
        raise LiveError(f"espeak-ng cannot speak with the voice {voice!r}.", "See: espeak-ng --voices")
    with wave.open(io.BytesIO(done.stdout)) as reader:
        return reader.readframes(reader.getnframes()), reader.getframerate()


async def speak(text: str, voice: str, portrait: str | None, output: Path, size: int) -> None:
    """Push the speech in small pieces, as a synthesiser would deliver it, and store what comes back."""
    pcm, rate = await asyncio.to_thread(synthesise, text, voice)
    avatar = LocalStudio().load(portrait)
    stream = AvatarStream(create_renderer(avatar, size=(size, size)), avatar.rest, realtime=False)
    recorder = Recorder(output, sound=True, fps=25, blocking=True)
    try:
        for start in range(0, len(pcm), 4096):
            stream.push_audio(pcm[start : start + 4096], rate)
        until = stream.waiting + 0.5
        async for frame in stream:
            recorder.push_audio(AudioChunk(frame.audio, frame.pts, frame.frame.trace.capture_ns))
            recorder.push_video(frame.frame)
            print(f"\r{frame.pts:5.2f} s of {until:.2f} s", end="", file=sys.stderr)
            if frame.pts + len(frame.audio) / AUDIO_RATE >= until:
                break
    finally:
        stream.close()
        recorder.close()
    loudest = int(np.abs(np.frombuffer(pcm, np.dtype("<i2")).astype(np.int32)).max())
    print(f"\n{output}: {until:.1f} s, loudest sample {loudest}", file=sys.stderr)


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("-o", "--output", type=Path, default=Path("speech.mp4"))
    parser.add_argument("--voice", default="en-us", help="a voice of espeak-ng")
    parser.add_argument("--portrait", help="a photo or the name of an avatar; default: the astronaut that ships")
    parser.add_argument("--size", type=int, default=512)
    options = parser.parse_args()
    try:
        asyncio.run(speak(options.text, options.voice, options.portrait, options.output, options.size))
    except LiveError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
