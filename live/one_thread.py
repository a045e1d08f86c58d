"""One thread for the small computations of the frame path."""

from __future__ import annotations

from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def compute_in_one_thread() -> None:
    """Tell the BLAS libraries of NumPy and SciPy, and OpenCV, for this process, to compute in the calling thread.

    The products and warps of the frame path take tens to hundreds of microseconds. Shared among threads they are no
    faster, and the other threads spin between one task and the next: OpenBLAS's took 0.3 of a core, OpenCV's 0.1, which
    capture and encoding of a small machine need.
    """
    # Loaded here, so that its library is seen, too.
    import cv2
    import scipy.linalg  # noqa: F401

    ThreadpoolController().limit(limits=1, user_api="blas")
    cv2.setNumThreads(1)
