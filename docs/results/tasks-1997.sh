#!/usr/bin/env bash
# The runs behind docs/results/tasks-1997.md, cheap ones first. A finished trial is never repeated, so it may be
# stopped and started again.
#   bash docs/results/tasks-1997.sh [OUT]
set -euo pipefail
out=${1:-runs/tasks-1997}
export OMP_NUM_THREADS=1
suite() { python -m memcell_memory_tasks.tasks_1997 run "$@"; }

suite 6a,1 --out "$out/paper" --trials 10
suite 2c,2b,3a --out "$out/paper" --trials 5
# is it the output gates, or growing, that keeps cells from abuse?
suite 1 --out "$out/abuse" --trials 10
suite 1 --out "$out/abuse" --trials 10 --output-gate-bias 0
suite 1 --out "$out/abuse" --trials 10 --output-gate-bias 0 --grow 1 --blocks 3
suite 4,5,3c --out "$out/paper" --trials 3
suite 6b,3b,1-4x1 --out "$out/paper" --trials 3
suite 2a --out "$out/paper" --trials 3
