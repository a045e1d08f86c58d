"""Speech → motion: a microphone, a file or a synthesiser makes the face speak."""

from live.motion.speech.driver import SpeechDriver
from live.motion.speech.offline import motion_for

__all__ = ["SpeechDriver", "motion_for"]
