#!/usr/bin/env bash
# Does it help to leave out channels in training? Every run behind "Channels that are left out in training" in
# docs/results/microsleep.md, and its tables. What is finished is not repeated.
#   bash docs/results/channel-dropout.sh [OUT] [FOLDER OF eegmmidb-eyes]
set -euo pipefail
out=${1:-runs/channel-dropout} eyes=${2:-../shared/data/eegmmidb-eyes}
export OMP_NUM_THREADS=1
mkdir -p "$out"
train() {
  local name=$1; shift
  if [ -e "$out/$name/robustness.tsv" ]; then return; fi
  echo "== $name"
  memcell train microsleep --data eyes --data.path "$eyes" --split loso --control none --baselines few --robustness all \
    "$@" --out "$out/$name" 2>&1 | tee "$out/$name.txt"
}
# the seed of the split also draws what is left out, and the folds by which settings are chosen
for channels in O1,C3 O1,O2,C3,C4; do
  name=${channels//,/-}
  for seed in 0 1; do train "$name-all-$seed" --channels "$channels" --split-seed "$seed"; done
  for seed in 0 1 2; do
    train "$name-dropout-$seed" --channels "$channels" --split-seed "$seed" --channel-dropout 0.3
  done
done
python "$(dirname "$0")/channel_dropout.py" "$out"
