#!/bin/sh
# Mutation testing: scripts/mutants.sh [AREA [SHARD/OF]], such as `connection 0/16`. The areas are clerk-session (the usual one),
# and of holdfast connection, vault and problem, by their unit tests. Needs cargo-mutants (`cargo install --locked cargo-mutants`).
# At least 95 % of the mutants must be caught; survivors are in target/mutants/AREA/mutants.out/missed.txt.
set -eu
cd "$(dirname "$0")/.."
export PROPTEST_CASES="${PROPTEST_CASES:-16}" PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"
area=${1:-clerk-session} shard=${2:-0/1}
source=crates/holdfast/src
case $area in
  clerk-session) set -- --package clerk-session --all-features -- --lib --test it --test web ;;
  connection) set -- --package holdfast --file "$source/connection/**" -- --lib ;;
  vault) set -- --package holdfast --file "$source/vault/**" -- --lib ;;
  problem) set -- --package holdfast --file "$source/http/problem/**" -- --lib ;;
  *) sed -n '2,4s/^# //p' "$0" >&2; exit 2 ;;
esac
out=target/mutants/$area
mkdir -p "$out"
status=0
cargo mutants --baseline skip --timeout 300 --output "$out" --shard "$shard" "$@" || status=$?
cd "$out/mutants.out"
caught=$(cat caught.txt timeout.txt | wc -l)
missed=$(wc -l <missed.txt)
echo "$caught caught, $missed missed, $(wc -l <unviable.txt) do not compile"
# 2 and 3 mean missed and timed-out mutants; the bar decides about those.
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
test $((caught * 100)) -ge $(((caught + missed) * 95))
