#!/usr/bin/env bash
# The study behind docs/results/memory.md: every comparison, in order. A finished run is never repeated, so the
# script may be stopped and started again. Predicted before it was run: 1,500 runs and
# 1.3 hours of processor time; cut while it ran to 1,092 runs, which took 1.3 hours, two workers of one thread each.
# The second part was predicted at 550 runs and
# 1.0 hours, and cut while it ran to 328 new runs, which took 0.5 hours, one process.
#   bash docs/results/memory-study.sh [OUT] [FOLDER OF sleep-edf] [eeg-eye-state.csv] [FOLDER OF mnist]
set -euo pipefail
out=${1:-runs/memory} sleep=${2:-../shared/data/sleep-edf} eyes=${3:-../shared/data/eeg-eye-state/eeg-eye-state.csv}
mnist=${4:-../shared/data/mnist}
export OMP_NUM_THREADS=1
compare() {
  local name=$1 app=$2; shift 2; echo "== $name"
  # where --epochs is typed, as many updates as there were by default then; a later --min-updates counts. And as
  # comparisons were then: each policy under its own inference, one draw of the data, nothing refused (policies-sleep
  # and policies-eyes are today, with why)
  memcell compare "$app" --min-updates 200 --eval-policy auto --draw-data once --no-reshuffled --anyway "$@" \
    --jobs "${JOBS:-2}" --out "$out/$name"
}

night=(microsleep --data sleep-edf-powers --data.path "$sleep" --data.powers absolute --epochs 15 --min-updates 0 --context none)
# as the defaults were when these were run
short=(microsleep --features bandpower --normalization causal --context none --step 0.2 --window 1)
recall=(memory --task recall --symbols 2 --distractors 2 --streams 16 --trials 20 --lag 40 --time-steps 20
        --window 20 --epochs 30 --patience 0)
recall_01=("${recall[@]}" --learning-rate 0.01)
digits=(memory --task order_digits --no-rows --policy reset --time-steps 1 --window 1 --epochs 5 --patience 0)

# carried memory: which policy, on what data
compare policies-sleep "${night[@]}" --policy reset,carry,oracle,burn_in,stored,refresh,learned,noise,decay
compare policies-recall "${recall_01[@]}" --policy reset,carry,oracle,burn_in,stored,refresh,learned --policy.steps 40
compare policies-recall-1997 "${recall_01[@]}" --policy reset,carry,oracle --cell lstm97 --seeds 12
compare policies-simulated "${short[@]}" --policy reset,carry,oracle,burn_in
compare policies-eyes "${short[@]}" --data "$eyes" --policy reset,carry,oracle
# when staleness matters: learning rate, with and without a forget gate, measured beside
compare rates-recall "${recall[@]}" --policy carry,oracle --sweep learning_rate=0.003,0.01,0.03 --seeds 12
compare staleness-sleep "${night[@]}" --policy carry --cell lstm,lstm97 \
  --sweep learning_rate=0.001,0.003,0.01,0.03 --seeds 12 --probe staleness --probe-budget 1
compare staleness-recall "${recall[@]}" --policy carry --cell lstm,lstm97 \
  --sweep learning_rate=0.003,0.01,0.03 --seeds 20 --probe staleness --probe-budget 1
# order
compare order-digits "${digits[@]}" --sampler reshuffle,shuffle_once,sequential,grouped,blocks,grab \
  --seeds 12 --probe order --probe-budget 0.2
# a gate of .8 at rate .5 is a step of .5 * .8 / 1.2 = .333 of plain gradient descent
compare optimizers-digits "${digits[@]}" --sampler reshuffle --optimizer "sgd,gated_memory,lookahead(momentum=0.0)" \
  --sweep learning_rate=0.5,0.333 --seeds 8
compare starts-digits "${digits[@]}" --sampler reshuffle --sweep input_init=glorot,zeros,constant,uniform,he,orthogonal \
  --seeds 8
# 1997
compare cells-1997 "${recall_01[@]}" --policy carry --cell lstm97,cec,rnn,lstm --time-steps 50 --window 50 \
  --seeds 12 --probe gradient_flow --probe-budget 0.3
compare bias-1997 "${recall_01[@]}" --policy carry --cell lstm97 --time-steps 50 --window 50 \
  --sweep cell.output_gate_bias=-1,0,-3 --seeds 12
# batch normalization
compare norms-digits memory --task sequential_digits --policy reset --sampler reshuffle --time-steps 64 --window 64 \
  --epochs 10 --patience 0 --normalizer none,batch,batch_shared,layer --seeds 12
compare gamma-digits memory --task sequential_digits --policy reset --sampler reshuffle --time-steps 64 --window 64 \
  --epochs 10 --patience 0 --normalizer batch --sweep normalizer.gamma=0.1,1 --seeds 12
compare norms-sleep "${night[@]}" --policy reset,carry --normalizer none,batch,layer --batch-size 16 --seeds 12
# batch size is not time steps
compare sizes-sleep "${night[@]}" --policy carry --sweep "batch_size=2,8,32;time_steps=15,60" --epochs 6 --seeds 12

# --- second part -------------------------------------------------------------------------------------------
one_step=(memory --task order_digits --no-rows --policy reset --time-steps 1 --window 1 --patience 0)
# is alternation learned? batches of one label, labels taking turns; and labels one after the other
compare turns-digits "${digits[@]}" --sampler "reshuffle,blocks(k=16),grouped" --seeds 8 --probe order --probe-budget 1
# the same order twice against a new one: what the second and the third epoch do to the weights
compare repeat-digits "${one_step[@]}" --min-updates 0 --schedule constant --sampler reshuffle,shuffle_once \
  --sweep epochs=1,2,3 --seeds 6
# initial weights against orders, crossed
compare spread-digits "${digits[@]}" --sampler reshuffle --sweep order_seed=0,1,2,3 --seeds 4
# does training get stuck?
compare stuck-sleep "${night[@]}" --policy carry,reset --seeds 6 --probe stuck --probe-budget 1
compare stuck-digits "${one_step[@]}" --epochs 15 --sampler reshuffle,shuffle_once --seeds 6 --probe stuck \
  --probe-budget 0.5
# the slope of tanh behind gamma
compare gamma-slopes memory --task sequential_digits --policy reset --sampler reshuffle --time-steps 64 --window 64 \
  --epochs 10 --patience 0 --normalizer batch --sweep normalizer.gamma=0.1,1 --seeds 8 \
  --probe cell_state,gradient_flow --probe-budget 0.5
# permuted MNIST in 49 steps, 100 units, optimizer and rate of Cooijmans et al.
compare norms-mnist memory --task sequential_digits --mnist "$mnist" --pool 4 --images 5000 --permutation shuffled \
  --policy reset --sampler reshuffle --time-steps 49 --window 49 --batch-size 50 --hidden-size 100 --epochs 5 \
  --patience 0 --optimizer rmsprop --optimizer.momentum 0.9 --learning-rate 0.001 --normalizer none,batch --seeds 6
# error flow on a second task
compare flow-sleep "${night[@]}" --policy carry --cell lstm97,cec,rnn,lstm --time-steps 60 --seeds 4 \
  --probe gradient_flow --probe-budget 0.3
# tests that no report makes
python docs/results/memory_tests.py "$out" | tee "$out/tests.md"
