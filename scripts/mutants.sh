#!/bin/sh
# Mutation testing of clerk-session: scripts/mutants.sh [SHARD/OF], such as 0/16. Needs cargo-mutants (`cargo install --locked
# cargo-mutants`). At least 95 % of the mutants must be caught; survivors are in target/mutants/mutants.out/missed.txt.
set -eu
cd "$(dirname "$0")/.."
export PROPTEST_CASES="${PROPTEST_CASES:-16}" PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"
mkdir -p target/mutants
status=0
cargo mutants --package clerk-session --all-features --baseline skip --timeout 300 --output target/mutants \
  --shard "${1:-0/1}" -- --lib --test it --test web || status=$?
cd target/mutants/mutants.out
caught=$(cat caught.txt timeout.txt | wc -l)
missed=$(wc -l <missed.txt)
echo "$caught caught, $missed missed, $(wc -l <unviable.txt) do not compile"
# 2 and 3 mean missed and timed-out mutants; the bar decides about those.
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
test $((caught * 100)) -ge $(((caught + missed) * 95))
