#!/usr/bin/env bash
# The tables of speed.md, a file each, by the commands that stand at the head of each file.
# On two quiet cores it takes about 30 minutes; with names of tables only those.
#
#   bash docs/results/speed.sh OUT [train train-2 small small-2 infer whole whole-2 lstm97 lstm97-2 memory peers avx2 avx2-infer profile bfloat16 bfloat16-norms bfloat16-small]
#
# peers wants jax and onnxruntime installed beside memcell; what is missing is left out and said.
set -euo pipefail
[ $# -ge 1 ] || { sed -n 2,7p "$0"; exit 2; }
out=$1
shift
[ $# -ge 1 ] || set -- train train-2 small small-2 infer whole whole-2 lstm97 lstm97-2 memory peers avx2 avx2-infer profile bfloat16 bfloat16-norms bfloat16-small
mkdir -p "$out"

# the same for all that is compared: see speed.md
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 OMP_NUM_THREADS=1

# torch and its libraries held to AVX2 as well, or the ratio would be to an LSTM with AVX-512
avx2="MEMCELL_NATIVE_ISA=avx2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2"
norms="--normalizer none --normalizer batch --normalizer batch_shared --normalizer layer --normalizer rms"

bench() { # NAME SETTINGS ARGUMENTS
    echo "$1" >&2
    echo "${2:+$2 }memcell bench cells $3" >"$out/$1.txt"
    # shellcheck disable=SC2086 # words
    env $2 memcell bench cells $3 --json "$out/$1.json" >>"$out/$1.txt"
}

for table in "$@"; do
    case $table in
    train) bench "$table" "" "--backends native --rounds 5 --what train --no-check" ;;
    train-2) bench "$table" "" "--backends native --rounds 5 --what train --no-check --threads 2" ;;
    small) bench "$table" "" "--cell lstm $norms --backends native --rounds 12 --what train --no-check --hidden-size 64 --batch-size 32" ;;
    small-2) bench "$table" "" "--cell lstm $norms --backends native --rounds 12 --what train --no-check --hidden-size 64 --batch-size 32 --threads 2" ;;
    infer) bench "$table" "" "--backends native --rounds 5 --what infer,step --hidden-size 128" ;;
    whole) bench "$table" "" "--cell lstm --normalizer none --backends native --rounds 5 --batch-size 1,8,64,256 --time-steps 512 --what infer --no-check" ;;
    whole-2) bench "$table" "" "--cell lstm --normalizer none --backends native --rounds 5 --batch-size 1,8,64,256 --time-steps 512 --what infer --no-check --threads 2" ;;
    lstm97) bench "$table" "" "--cell lstm97:gate_recurrence=false --normalizer none --backends native --rounds 5 --what train --no-check" ;;
    lstm97-2) bench "$table" "" "--cell lstm97:gate_recurrence=false --normalizer none --backends native --rounds 5 --what train --no-check --threads 2" ;;
    bfloat16)
        python -m memcell_benchmarks.bfloat16 --rounds 15 >"$out/$table-products.txt"
        bench "$table" "" "--cell cifg --cell gru --cell lstm --cell lstm97 --cell peephole --normalizer none --backends native,bfloat16 --rounds 5 --what train,infer"
        ;;
    bfloat16-norms) bench "$table" "" "--cell lstm --normalizer layer --normalizer rms --normalizer batch --backends native,bfloat16 --rounds 5 --what train,infer --batch-size 32" ;;
    bfloat16-small) bench "$table" "" "--cell lstm --normalizer none --backends native,bfloat16 --rounds 5 --what infer,step --batch-size 1,8 --no-check" ;;
    memory) bench "$table" "" "--cell lstm --cell gru --normalizer none --normalizer batch --normalizer layer --backends native --hidden-size 128 --batch-size 128 --rounds 2 --what memory,first-use --no-check" ;;
    peers) bench "$table" "" "--cell lstm --normalizer none --backends naive,eager,native,inductor,torch.compile,jax,onnx --rounds 5 --hidden-size 64,128 --batch-size 32 --what train,infer,step,first-use --no-check" ;;
    avx2) bench "$table" "$avx2" "--backends native --rounds 3 --what train --no-check --batch-size 32" ;;
    avx2-infer) bench "$table" "$avx2" "--cell lstm $norms --backends native --rounds 3 --what infer,step --hidden-size 128" ;;
    profile) bench "$table" "" "--cell lstm --normalizer none --normalizer batch --normalizer layer --backends native --rounds 3 --what profile --no-check --batch-size 32" ;;
    *) echo "no table $table; there are: train train-2 small small-2 infer whole whole-2 lstm97 lstm97-2 memory peers avx2 avx2-infer profile bfloat16 bfloat16-norms bfloat16-small" >&2; exit 2 ;;
    esac
done
