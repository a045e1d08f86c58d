"""`live`: a real-time streaming avatar engine.

One portrait photo, a microphone or a webcam, and a photoreal face that moves with it in a browser, in a video
call or in a recording. Start reading at `docs/ARCHITECTURE.md`.
"""

__version__ = "0.1.0"
