#!/usr/bin/env bash
# Goes on with the renderer's training on a machine that has a GPU for some minutes and nothing but this repository and
# the folder that `python -m training.renderer.travel` wrote.
#
#   training/renderer/gpu.sh [MINUTES]      default: 6 of training, after about 2 in which samples are drawn
#
# Needs torch, numpy, opencv, scipy, numba, pillow and safetensors; downloads nothing. Weights (averaged), history
# and a preview sheet go to $OUT if it is set; a further call on the same machine resumes. $PYTHON chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
minutes=${1:-6}
device=${DEVICE:-cuda}
work=training/work/renderer
pack=${PACK:-$work/travel}
shards=${SHARDS:-40}
export PYTHONUNBUFFERED=1 PYTHONPATH=. OMP_NUM_THREADS=1

# Whatever ends this, the newest weights are brought out; the trainer saves them as it goes.
bring_out() {
    [ -n "${OUT:-}" ] && [ -f "$work/run/live_pirenderer.safetensors" ] || return 0
    mkdir -p "$OUT"
    cp "$work/run/live_pirenderer.safetensors" "$OUT"/
    if [ -f "$work/run/history.jsonl" ]; then cp "$work/run/history.jsonl" "$OUT"/; fi
    find "$work/run" -name '*.png' | sort | tail -n 1 | xargs -r -I{} cp {} "$OUT"/
}
(while sleep 20; do bring_out; done) &
copier=$!
trap 'kill "$copier" 2>/dev/null || true; bring_out' EXIT

"$python" -m training.renderer.cache --pack "$pack" --out "$work/cache" --shards "$shards" --jobs "$(nproc)" --seconds 120
"$python" -m training.renderer --pack "$pack" --faces "$pack/face_features.safetensors" --device "$device" \
    --batch "${BATCH:-96}" --minutes "$minutes"
