#!/usr/bin/env bash
# Recurrent batch normalization with the settings of Cooijmans et al. (2016), as far as the hours go: 100 units, RMSProp
# at .001 with momentum .9, gradients clipped at 1, gamma .1, statistics separate for each step or shared, validated with
# recalibrated statistics. The outcome of each comparison, the best validation loss, is declared before its first run.
#   bash docs/results/batch-norm.sh [OUT] [WHAT…]     digits-64 permuted-64 ages-64 start-64 text (about 1 CPU hour in all)
#                                                     mnist-196 mnist-196-noise mnist-early (MNIST=FOLDER; .56, .75, 1 hour); mnist pmnist (days)
# Every window is an item of its own, so nothing is carried to the next, neither in training nor at inference.
# A finished run is never repeated, so the script may be stopped and started again.
set -euo pipefail
export OMP_NUM_THREADS=1
out=${1:-runs/batch-norm}; shift || true
what=("$@"); [ ${#what[@]} -gt 0 ] || what=(digits-64 permuted-64 ages-64 start-64 text)
compare() {
  local name=$1; shift; echo "== $name"
  memcell compare memory "$@" --sampler reshuffle --schedule constant --patience 0 --min-updates 0 --no-both-inferences \
    --primary validation_loss --jobs "${JOBS:-1}" --out "$out/$name"
}
paper=(--task sequential_digits --hidden-size 100 --optimizer rmsprop --optimizer.momentum 0.9 --learning-rate 0.001)
# scikit-learn's digits, 8 x 8 pixels one by one: not MNIST
digits=("${paper[@]}" --time-steps 64 --window 64 --batch-size 64 --epochs 40)
norms=(--normalizer none,batch,batch_shared)
reset=(--policy reset)
noise=(--policy noise --eval-policy reset)
# MNIST itself, 784 steps
images=("${paper[@]}" --mnist "${MNIST:-mnist}" --images 50000 --batch-size 100 --normalizer none,batch
        --normalizer.t-max 784)
mnist=("${images[@]}" "${noise[@]}" --pool 1 --time-steps 784 --window 784)
for name in "${what[@]}"; do
  case $name in
    digits-64) compare "$name" "${digits[@]}" "${reset[@]}" "${norms[@]}" --permutation none --seeds 8 ;;
    # as digits-64, pixels in one random order (permutation_seed), the same for all. Judged by itself, not pooled
    permuted-64) compare "$name" "${digits[@]}" "${reset[@]}" "${norms[@]}" --permutation shuffled --seeds 8 ;;
    # statistics of their own for the first 16 of 64 steps, the 16th's for all later ones. Holds if the 95 % interval of
    # the loss, 16 less 64, ends below +.05 nats; does not if it begins above
    ages-64) compare "$name" "${digits[@]}" "${reset[@]}" --permutation none --normalizer batch \
               --sweep normalizer.t_max=16,64 --seeds 8 ;;
    # noise of SD .1 on every start state in training, none at inference. Holds if the loss is lower, p <= .05
    start-64) compare "$name" "${digits[@]}" --permutation none --normalizer batch --policy reset,noise \
                --eval-policy reset --seeds 8 ;;
    # the topics of Python's own reference, 100 characters a window, bits per character. Holds if batch has a lower loss
    # than none, p <= .05 over the family of the comparison's three tests; layer stands beside it
    text) compare "$name" "${reset[@]}" --task text --characters 100000 --time-steps 100 --window 100 --batch-size 32 \
            --hidden-size 128 --optimizer adam --learning-rate 0.002 --epochs 15 --normalizer none,batch,layer --seeds 8 ;;
    # pixels in fours, 2,500 updates: what an hour allows. Holds, for these 196 steps and so few updates, if batch has a
    # lower loss than none, p <= .05 (the least that six seeds can have is .031)
    mnist-196) compare "$name" "${images[@]}" "${reset[@]}" --pool 2 --time-steps 196 --window 196 --epochs 5 --seeds 6 --permutation none ;;
    # the same with noise of SD .1 on every start state in training: without it the gradient of batch normalization is
    # infinite at the first update, since most of the first pixels are black in a whole batch. Written after that was seen in all
    # six runs of mnist-196, and after 50 updates with noise on 5,000 images; the rule is that of mnist-196. 1,000 updates:
    # 2,500 were begun and took too long; none of theirs was looked at
    mnist-196-noise) compare "$name" "${images[@]}" "${noise[@]}" --pool 2 --time-steps 196 --window 196 --epochs 2 --seeds 6 \
                       --permutation none ;;
    # 784 steps, noise on every start state as in mnist-196-noise, 500 updates alone: how it begins, not where it ends.
    # Holds, for that, if batch has a lower loss than none, p <= .05 (the least that six seeds can have is .031)
    mnist-early) compare "$name" "${mnist[@]}" --epochs 1 --seeds 6 --permutation none ;;
    mnist) compare "$name" "${mnist[@]}" --epochs 50 --seeds 3 --permutation none ;;
    pmnist) compare "$name" "${mnist[@]}" --epochs 50 --seeds 3 --permutation shuffled ;;
    *) echo "batch-norm.sh: '$name' is none of digits-64 permuted-64 ages-64 start-64 text mnist-196 mnist-196-noise mnist-early mnist pmnist" >&2; exit 2 ;;
  esac
done
