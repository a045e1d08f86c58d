"""A CUDA graph can capture what the programs do: nothing comes from the host, and the host waits for nothing.

Where there is no GPU, the operations are watched on the processor: a tensor made of Python numbers, an index given as a
list or a value that is read back would be a copy between host and device there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from live.bench.network_cases import (  # noqa: E402
    NetworkCase,
    face_case,
    live_case,
    live_frame_case,
    published_case,
)
from live.render.cuda.device import open_device  # noqa: E402
from live.render.cuda.engine import Engine  # noqa: E402
from live.render.kernels.host import host_compiler  # noqa: E402

HOST_BOUND = ("lift_fresh", "_local_scalar_dense", "index.Tensor", "nonzero", "masked_select", "is_nonzero")


class Watch(TorchDispatchMode):  # type: ignore[misc, unused-ignore]
    """Notes the operations that would involve the host."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        name = str(func).removeprefix("aten.")
        if any(name.startswith(bound) for bound in HOST_BOUND):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def test_the_watch_sees_what_it_should() -> None:
    values = torch.arange(6.0)
    for touch in (lambda: values[[1, 2]], lambda: values + torch.tensor([1.0] * 6), lambda: float(values[0])):
        with Watch() as watch:
            touch()
        assert watch.found


@pytest.mark.skipif(host_compiler() is None, reason="no C++ compiler (install g++)")
@pytest.mark.parametrize("make", [published_case, live_case, live_frame_case, face_case])
def test_a_program_needs_nothing_from_the_host(make: Callable[..., NetworkCase]) -> None:
    case = make(open_device("cpu"), small=True)
    engine = Engine(case.program, max_batch=2, prepare=False)
    engine.render([(0, case.frame()), (1, case.frame())])  # the first time may prepare what stays
    run = engine.graph_runner(2)
    with Watch() as watch:
        run()
    assert watch.found == []
    if make is not face_case:  # whose kernels torch does not see
        assert watch.calls > 50
