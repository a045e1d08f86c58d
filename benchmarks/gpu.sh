#!/usr/bin/env bash
# Everything that needs a GPU, in under ten minutes: kernel and backend tests, then the benchmarks.
#
#   benchmarks/gpu.sh          on a machine with an NVIDIA GPU
#   benchmarks/gpu.sh --dry    the same steps on the processor with tiny sizes; its figures mean nothing
#
# Needs Python 3.11 or later with torch (CUDA 13), cupy-cuda13x, numpy, opencv, scipy, numba, pytest and hypothesis;
# downloads nothing. Results go to benchmarks/results/ (a dry run's to a temporary folder), and to $OUT if it is set.
# Every step has its own time limit, so one that fails or hangs does not lose the rest. $PYTHON chooses the interpreter.
set -u
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
export PYTHONUNBUFFERED=1 PYTHONPATH=. OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}
began=$SECONDS
limit=585

if [ "${1:-}" = "--dry" ]; then
    device=cpu sessions="--dry --seconds 0.5 --counts 1" batches="" results=$(mktemp -d)
else
    device=cuda sessions="--device cuda --seconds 4" batches="--batches 1,4,16,64" results=benchmarks/results
fi
# Tests run side by side where pytest-xdist is at hand: most of them are the processor's.
workers=""
if [ "$(nproc)" -ge 8 ] && "$python" -c "import xdist" 2>/dev/null; then workers="-n 4"; fi
mkdir -p "$results"
started=$(mktemp)
trap 'rm -f "$started"' EXIT
log=$results/gpu.log
: >"$log"
failed=""

# step NAME SECONDS COMMAND...: runs it with a limit, shortened to what is left of the ten minutes.
step() {
    local name=$1 allowed=$2 left=$((limit - SECONDS + began))
    shift 2
    [ "$left" -lt "$allowed" ] && allowed=$left
    if [ "$allowed" -lt 15 ]; then
        echo "== $name: left out, no time" | tee -a "$log"
        failed="$failed $name"
        return
    fi
    echo "== $name (at $((SECONDS - began)) s, limit $allowed s)" | tee -a "$log"
    timeout --kill-after=5 "$allowed" "$@" >>"$log" 2>&1
    local status=$?
    if [ "$status" -ne 0 ]; then
        failed="$failed $name"
        echo "   failed with status $status; last lines:" | tee -a "$log"
        tail -n 15 "$log" | sed 's/^/   | /'
    fi
    # What there is so far is safe even if the machine goes away.
    if [ -n "${OUT:-}" ]; then
        mkdir -p "$OUT"
        find "$results" -maxdepth 1 -type f -newer "$started" -exec cp {} "$OUT"/ \;
    fi
}

# $batches, $sessions and $workers hold several words on purpose.
# shellcheck disable=SC2086
{
    step machine 20 bash -c "nvidia-smi || true; $python -c 'import torch, numpy; print(torch.__version__, numpy.__version__)'"
    step tests 180 "$python" -m pytest -q -p no:cacheprovider -rs $workers \
        tests/test_kernel_build.py tests/test_kernel_sampling.py tests/test_kernel_meshes.py tests/test_kernel_norms.py \
        tests/test_kernel_output.py tests/test_kernel_tables.py tests/test_kernel_posing.py tests/test_device_face.py \
        tests/test_cuda_engine.py tests/test_cuda_live.py tests/test_cuda_renderer.py tests/test_batcher.py \
        tests/test_batch_planner.py
    step render 190 "$python" -m live.bench.render_cuda --device $device $batches \
        --parts kernels,published,live,frames,baselines --budget 140 --out "$results"
    step sessions 90 "$python" -m live.bench.sessions $sessions --out "$results"
    step sessions-geometry 80 "$python" -m live.bench.sessions $sessions --program geometry --out "$results"
    step compile 90 "$python" -m live.bench.render_cuda --device $device --batches 1 --name compile \
        --parts published,live,compile --budget 60 --out "$results"
}

echo "== done in $((SECONDS - began)) s; results in $results${OUT:+ and $OUT}"
for report in "$results"/*-render.md "$results"/*-sessions*.md "$results"/*-compile.md; do
    [ -f "$report" ] && cat "$report"
done
grep -E "^[0-9]+ (passed|failed)|passed|failed" "$log" | grep -E "in [0-9.]+s" || true
if [ -n "$failed" ]; then
    echo "failed:$failed (see $log)"
    exit 1
fi
