#!/usr/bin/env bash
# Everything that can only be known on a GPU, once, on a machine that has one: the tests for it, training and
# prediction through the command line, and the benchmark. At most 30 minutes, by time limits; one H200 is plenty.
#   bash docs/results/gpu.sh [OUT]          OUT: a folder for what is found (runs/gpu)
# What failed is listed at the end, the exit code is 1 then, and the rest ran all the same. Wants the
# installation for tests: pip install -e '.[test]', and a CUDA build of torch.
set -uo pipefail
export OMP_NUM_THREADS=1
out=${1:-runs/gpu}
if ! python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  echo "gpu.sh: torch sees no GPU here ($(python -c 'import torch; print(torch.__version__)')); nothing was run" >&2
  exit 2
fi
mkdir -p "$out"
failed=()
# stage NAME SECONDS COMMAND…: what it prints goes to OUT/NAME.txt too
stage() {
  local name=$1 limit=$2 begun=$SECONDS; shift 2
  echo "== $name: $*"
  timeout "$limit" "$@" 2>&1 | tee "$out/$name.txt"
  local code=${PIPESTATUS[0]}
  echo "== $name: exit code $code after $((SECONDS - begun)) s" | tee -a "$out/$name.txt"
  [ "$code" -eq 0 ] || failed+=("$name (exit code $code)")
}

{
  date -u; nvidia-smi; memcell --version
  python -c 'import torch; print("torch", torch.__version__, "cuda", torch.version.cuda, "cudnn", torch.backends.cudnn.version())'
  python -c 'import triton; print("triton", triton.__version__)'
} 2>&1 | tee "$out/machine.txt"

tests=tests/core/device
# first what fails at once where something is wrong, then the product over cells and normalizers
stage tests-training 360 python -m pytest -q -n 4 --maxprocesses 4 -p no:cacheprovider --show-capture=no "$tests/test_cuda_training.py" -m ""
stage tests-ways 450 python -m pytest -q -n 6 --maxprocesses 6 -p no:cacheprovider --show-capture=no "$tests/test_cuda.py" -m ""

recall=(memory --task recall --streams 16 --trials 20 --lag 40 --time-steps 20 --window 20 --epochs 8
        --min-updates 200 --patience 0 --control none --learning-rate 0.01)
run() { local name=$1 limit=$2; shift 2; rm -rf "${out:?}/$name"; stage "$name" "$limit" memcell train "$@" --out "$out/$name"; }
run train-lstm 45 "${recall[@]}" --device cuda
run train-lstm-cpu 45 "${recall[@]}" --device cpu
run train-cifg 90 "${recall[@]}" --device cuda --cell cifg --normalizer layer --policy burn_in
run train-mixed 90 "${recall[@]}" --device cuda --cell cifg --mixed-precision
run train-microsleep 90 microsleep --device cuda --epochs 3 --min-updates 0 --policy carry
stage evaluate 45 memcell evaluate microsleep "$out/train-microsleep"
if [ "$(nvidia-smi -L | wc -l)" -ge 2 ]; then
  rm -rf "$out/train-two"
  stage train-two 90 python -m torch.distributed.run --standalone --nproc-per-node 2 -m memcell train \
    "${recall[@]}" --device cuda --out "$out/train-two"
fi

# what auto takes on a GPU, and its peers; each way is verified first against the eager loop in float64
stage bench-own 150 memcell bench cells --device cuda --cell lstm --cell gru --cell rnn --normalizer none \
  --backends eager,torch,inductor --hidden-size 128,512 --batch-size 32,128 --what train,infer,memory --rounds 5 \
  --json "$out/bench-own.json"
stage bench-others 200 memcell bench cells --device cuda --cell lstm97 --cell cifg --cell peephole --cell lstm \
  --normalizer none --normalizer layer --backends eager,inductor --hidden-size 256 --batch-size 128 \
  --what train,infer,memory,first-use --rounds 5 --json "$out/bench-others.json"
stage bench-batch 120 memcell bench cells --device cuda --cell lstm --normalizer batch --backends eager,inductor \
  --hidden-size 128 --batch-size 128 --what train,infer --rounds 5 --json "$out/bench-batch.json"

echo "figures and logs: $out"
if [ ${#failed[@]} -gt 0 ]; then printf 'FAILED: %s\n' "${failed[@]}" | tee "$out/failed.txt"; exit 1; fi
echo "all stages passed"
