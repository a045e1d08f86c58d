"""One thread for the matrix products of the frame path."""

from __future__ import annotations

from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def use_one_blas_thread() -> None:
    """Tell the BLAS libraries of NumPy and SciPy, for this process, to compute in the calling thread.

    The products of the frame path take tens of microseconds. Shared among threads they are no faster, and OpenBLAS's
    threads spin between one product and the next: 0.3 of a core, which capture and encoding of a small machine need.
    """
    # Loaded here, so that its library is seen, too.
    import scipy.linalg  # noqa: F401

    ThreadpoolController().limit(limits=1, user_api="blas")
