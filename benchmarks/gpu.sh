#!/usr/bin/env bash
# Everything that needs a GPU, in under ten minutes: kernel and backend tests, then the benchmarks.
#
#   benchmarks/gpu.sh          on a machine with an NVIDIA GPU
#   benchmarks/gpu.sh --dry    the same steps on the processor with tiny sizes; its figures mean nothing
#
# Needs Python 3.11 or later with torch (CUDA 13), cupy-cuda13x, numpy, opencv, scipy, numba, pillow, threadpoolctl,
# safetensors, pytest and hypothesis; downloads nothing. Results go to benchmarks/results/ (a dry run's to a temporary
# folder), and to $OUT if it is set.
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
tests=$(printf 'tests/test_%s.py ' kernel_build kernel_sampling kernel_meshes kernel_norms kernel_output kernel_tables \
    kernel_posing device_face cuda_engine cuda_live cuda_renderer batcher batch_planner)
versions='import torch, numpy, cv2, scipy, numba; print(*(f"{m.__name__} {m.__version__}" for m in (torch, numpy, cv2, scipy, numba)))'
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
    step machine 45 bash -c "nvidia-smi || true; $python -c '$versions'"
    step tests 120 "$python" -m pytest -p no:cacheprovider -rfEs $workers -m gpu $tests
    step render 300 "$python" -m live.bench.render_cuda --device $device $batches --budget 290 --out "$results"
    step sessions 80 "$python" -m live.bench.sessions $sessions --out "$results"
    step sessions-geometry 60 "$python" -m live.bench.sessions $sessions --program geometry --out "$results"
    # The rest of the tests compares the host build of the kernels with the processor's renderer.
    step host-tests 150 "$python" -m pytest -p no:cacheprovider -rfEs $workers -m "not gpu" $tests
}

echo "== done in $((SECONDS - began)) s; results in $results${OUT:+ and $OUT}"
for report in "$results"/*-render.md "$results"/*-sessions*.md; do
    [ -f "$report" ] && cat "$report"
done
grep -E "^[0-9]+ (passed|failed)|passed|failed" "$log" | grep -E "in [0-9.]+s" || true
if [ -n "$failed" ]; then
    echo "failed:$failed (see $log)"
    exit 1
fi
