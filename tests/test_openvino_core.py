"""OpenVINO is loaded silently: no telemetry, and compiled networks go where the engine keeps its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from live.openvino_core import new_core
core = new_core()
assert not any(n.startswith("openvino_telemetry.") for n in sys.modules), "telemetry was loaded"
print(core.get_property("CACHE_DIR"))
"""


def test_no_telemetry_and_a_cache_of_our_own(tmp_path: Path) -> None:
    environment = {"LIVE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "cache" / "openvino")
    assert not (tmp_path / "intel").exists()
