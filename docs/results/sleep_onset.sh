#!/bin/sh
# The tables of docs/results/sleep_onset.md. Usage: sh docs/results/sleep_onset.sh SLEEP_EDF DREAMS OUT
#   SLEEP_EDF  folder of the nights of powers (data set 'sleep-edf-powers')
#   DREAMS     folder of EDF+ files with hypnograms
#   OUT        where the runs go
set -e
export OMP_NUM_THREADS=1
memcell train sleep_onset --data sleep-edf-powers --data.path "$1" --data.powers absolute --split loso --control none --out "$3/sleep-edf"
memcell train sleep_onset --data "$2" --split loso --control none --robustness none --out "$3/dreams"
for run in sleep-edf dreams; do
    echo "== $run"
    grep -E "weighted_error|^name" "$3/$run/intervals.tsv"
    grep -E "^score|^weighted_error" "$3/$run/differences.tsv"
    cat "$3/$run/groups.tsv"
done
