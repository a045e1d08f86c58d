"""`live.one_thread`: no library shares the frame path's small computations among threads."""

from __future__ import annotations

import cv2
from threadpoolctl import threadpool_info

from live.one_thread import compute_in_one_thread


def test_blas_and_opencv_compute_in_the_calling_thread() -> None:
    compute_in_one_thread.cache_clear()
    cv2.setNumThreads(2)
    compute_in_one_thread()
    assert cv2.getNumThreads() == 1
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    assert libraries
    assert all(library["num_threads"] == 1 for library in libraries)
