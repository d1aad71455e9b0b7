#!/usr/bin/env bash
# Mutation testing: scripts/mutants.sh [AREA [SHARD/OF]], such as `connection 0/16`. The areas are clerk-session (the usual one),
# and of holdfast connection, vault and problem, each by the unit tests of the modules that it is built from. Needs cargo-mutants
# (`cargo install --locked cargo-mutants`). What a shard found stays in target/mutants/AREA/SHARD-of-OF/mutants.out. Prints the sum
# over all shards that have run, and the survivors; another OF begins anew. At least 95 % of the mutants must be caught.
set -euo pipefail
cd "$(dirname "$0")/.."
export PROPTEST_CASES="${PROPTEST_CASES:-16}" PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"
area=${1:-clerk-session} shard=${2:-0/1}
# What the area may use (ARCHITECTURE.md): a mutant of these alone is built in seconds, of the whole crate in minutes.
models="clock digest display_text metric names provider transport"
case $area in
  clerk-session)
    modules=""
    # Each for all invocations of cargo: what stands behind `--` is for the running of tests, and all of them would be built.
    set -- --package clerk-session --all-features --cargo-arg=--lib --cargo-arg=--test=it --cargo-arg=--test=web
    ;;
  connection) modules="connection $models" ;;
  vault) modules="entropy vault" ;;
  problem) modules="connection http $models" ;;
  *) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;;
esac
of=${shard#*/} found=$PWD/target/mutants/$area tree=$PWD/target/mutants/tree-$area
out=$found/${shard%/*}-of-$of
mkdir -p "$out"
find "$found" -mindepth 1 -maxdepth 1 ! -name "*-of-$of" -exec rm -rf {} +

# A tree of its own, in which files are mutated in place: so dependencies that were built for one shard serve the next. Its files
# are new each time, or cargo would take what was built of the last mutant for what was built of them.
rm -rf "$tree" && mkdir -p "$tree"
git ls-files -z --cached --others --exclude-standard -- Cargo.lock '*.toml' bench crates migrations |
  xargs -0 cp --parents -t "$tree"
if [[ -n $modules ]]; then
  source=crates/holdfast/src
  case $area in problem) files="$source/http/problem/**" ;; *) files="$source/$area/**" ;; esac
  set -- --package holdfast --file "$files" --cargo-arg=--lib
  rm -r "$tree/crates/holdfast/tests"
  # shellcheck disable=SC2086
  printf 'pub mod %s;\n' $modules >"$tree/$source/lib.rs"
  if [[ $area = problem ]]; then printf 'pub mod memory;\npub mod problem;\n' >"$tree/$source/http/mod.rs"; fi
fi
status=0
CARGO_TARGET_DIR="$PWD/target/mutants/build" CARGO_PROFILE_DEV_DEBUG=0 \
  cargo mutants --dir "$tree" --in-place --timeout 120 --output "$out" --shard "$shard" "$@" || status=$?
# 2 and 3 mean missed and timed-out mutants; the bar decides about those.
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac

count() { cat "$found"/*/mutants.out/"$1".txt | wc -l; }
caught=$(($(count caught) + $(count timeout))) missed=$(count missed)
echo "$area, $(find "$found" -mindepth 1 -maxdepth 1 | wc -l) of $of shards: $caught caught, $missed missed," \
  "$(count unviable) do not compile"
cat "$found"/*/mutants.out/missed.txt
((caught * 100 >= (caught + missed) * 95))
