#!/usr/bin/env bash
# The runs behind docs/results/tasks-1997.md, cheap ones first. A finished trial is never repeated, so it may be
# stopped and started again.
#   bash docs/results/tasks-1997.sh [OUT]
set -euo pipefail
out=${1:-runs/tasks-1997}
export OMP_NUM_THREADS=1
suite() { python -m memcell_memory_tasks.tasks_1997 run "$@" --out "$out"; }

suite 6a,1 --trials 10
suite 2b,3a --trials 5
# is it the output gates, or growing, that keeps cells from abuse?
suite 6a --trials 10 --output-gate-bias=-2,-4
suite 6a --trials 10 --grow 1 --blocks 2
suite 2c --trials 5
suite 5,3c --trials 3
suite 4 --trials 3 --times 28
suite 6b,3b,1-4x1,2a --trials 3
suite 1 --trials 5 --rate 0.1
