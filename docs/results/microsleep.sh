#!/usr/bin/env bash
# Every run behind docs/results/microsleep.md, in order. What is finished is not repeated, so the script may be
# stopped and started again.
#   bash docs/results/microsleep.sh [OUT] [FOLDER OF sleep-edf] [FOLDER OF eeg-eye-state] [FOLDER OF eegmmidb-eyes] [DREAMS AS EDF]
# DREAMS AS EDF is what dreams-sleep/to_edf.py writes; without it that run is left out.
set -euo pipefail
out=${1:-runs/microsleep} sleep=${2:-../shared/data/sleep-edf} state=${3:-../shared/data/eeg-eye-state}
eyes=${4:-../shared/data/eegmmidb-eyes} dreams=${5:-}
export OMP_NUM_THREADS=1
train() {
  local name=$1; shift
  echo "== $name"
  if [ -e "$out/$name/scores.json" ]; then return; fi
  if [ -e "$out/$name/config.toml" ]; then set -- --resume "$out/$name"; else set -- "$@" --out "$out/$name"; fi
  memcell train microsleep "$@" 2>&1 | tee "$out/$name.txt"
}
mkdir -p "$out"

# with no option typed but data and labels; then with one option another way each
if [ -n "$dreams" ]; then
  patients=(--data "$dreams" --data.positive "Sleep stage W" --split loso
            --data.negative "Sleep stage 1,Sleep stage 2,Sleep stage 3,Sleep stage 4,Sleep stage R")
  train dreams "${patients[@]}"
  train dreams-bandpower "${patients[@]}" --control none --features bandpower
  train dreams-no-means "${patients[@]}" --control none --context none
  train dreams-narrow "${patients[@]}" --control none --low 0.3 --high 23
  train dreams-trained-path "${patients[@]}" --control none --skip linear
  train dreams-all-inputs "${patients[@]}" --control none --encoder none
  train dreams-no-path "${patients[@]}" --control none --skip none --encoder none
  train dreams-strong-penalty "${patients[@]}" --control none --inverse-penalty 0.001
  train dreams-whole-windows "${patients[@]}" --control none --filled 1
  train dreams-untuned "${patients[@]}" --control none --tune none
  train dreams-full "${patients[@]}" --tune full
  # every head: as cross-validation decides, for a fixed length, and without the regression to begin from
  few=(--control none --baselines few --robustness none)
  fixed=(--tune none --valid-fraction 0 --epochs 32 --learning-rate 0.001)
  for word in "--head linear" "--head mlp" "--head attention" "--head encoder_decoder" "--head bidirectional" "--encoder conv"; do
    name=dreams-${word##* }
    train "$name" "${patients[@]}" "${few[@]}" $word
    train "$name-fixed" "${patients[@]}" "${few[@]}" $word "${fixed[@]}"
    train "$name-free" "${patients[@]}" "${few[@]}" $word --skip none
  done
fi

train sleep-default --data sleep-edf-powers --data.path "$sleep" --split loso
train sleep-absolute --data sleep-edf-powers --data.path "$sleep" --data.powers absolute --split loso
train sleep-one-channel --data sleep-edf-powers --data.path "$sleep" --data.relative --split loso
train eyes-default --data eyes --data.path "$eyes" --split loso
train eyes-full --data eyes --data.path "$eyes" --split loso --control none --tune full

# all that follows was run before settings were chosen by cross-validation and networks began as a regression
before=(--tune none --skip none --encoder none --input-noise 0 --filled 1)
night=("${before[@]}" --data sleep-edf-powers --data.path "$sleep" --data.powers absolute --split loso --class-weights none --decision likelier
       --context none)
train sleep "${night[@]}" --input-shift 0.5 --baselines all --repeats 5
train sleep-no-shift "${night[@]}" --repeats 3
python "$(dirname "$0")/microsleep_choice.py" "$out/sleep" "$out/sleep-no-shift" | tee "$out/sleep-choice.txt"

# as the defaults were when these were run
short=("${before[@]}" --features bandpower --context none --step 0.2 --window 1)
train eyes "${short[@]}" --data eyes --data.path "$eyes" --split loso --normalization none --baselines all --repeats 5
for seed in 0 1 2 3 4; do
  train "eye-state-$seed" "${short[@]}" --normalization causal --data eye-state --data.path "$state" --split time --baselines all --seed "$seed"
done
