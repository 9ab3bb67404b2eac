#!/usr/bin/env bash
# Does training differ when products are of bfloat16 numbers (--mixed-precision)? The same seeds with and without it, on
# recall and nights (simulated recall; real nights of Sleep-EDF as powers) and on scikit-learn's digits.
#   bash docs/results/bfloat16.sh [OUT] [FOLDER OF sleep-edf] [WHAT…]     recall digits nights
# The outcome of each, the best validation loss, is declared before its first run, and so is the rule: it does not differ
# beyond the seeds' noise if the 95 % interval of the difference, bfloat16 less float32, lies within plus and minus the
# standard deviation of float32's losses over seeds; it differs if the interval leaves out 0 and p <= .05; else undecided.
# A finished run is never repeated, so the script may be stopped and started again.
set -euo pipefail
export OMP_NUM_THREADS=1
out=${1:-runs/bfloat16} sleep=${2:-../shared/data/sleep-edf}; shift || true; shift || true
what=("$@"); [ ${#what[@]} -gt 0 ] || what=(recall digits nights)
compare() {
  local name=$1; shift; echo "== $name"
  memcell compare "$@" --sweep mixed_precision=no,yes --patience 0 --min-updates 0 --primary validation_loss \
    --seeds 24 --first-seed 500 --jobs "${JOBS:-1}" --out "$out/$name"
}
for name in "${what[@]}"; do
  case $name in
    recall) compare "$name" memory --task recall --lag 30 --hidden-size 64 --epochs 8 ;;
    digits) compare "$name" memory --task sequential_digits --hidden-size 64 --epochs 8 ;;
    nights) compare "$name" microsleep --data sleep-edf-powers --data.path "$sleep" --data.powers absolute \
              --context none --epochs 15 ;;
    *) echo "bfloat16.sh: '$name' is none of recall digits nights" >&2; exit 2 ;;
  esac
done
