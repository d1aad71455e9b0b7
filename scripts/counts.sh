#!/usr/bin/env bash
# Counts the instructions of what every request does, under valgrind, and compares them with bench/counts.tsv: a regression shows
# without a clock, on a busy machine too. Fails where one is more than 3 % above what is written down, or as much below it
# (then the file is to be renewed, so that the gain is kept).
#
#   scripts/counts.sh            the build that the tests use
#   scripts/counts.sh --release  the build that is shipped
#   scripts/counts.sh --write    writes the file anew; a reason belongs into the commit
#   scripts/counts.sh --profile  leaves what callgrind wrote, one file for each count, in target/counts
set -euo pipefail
cd "$(dirname "$0")/.."

profile=dev write= keep=
for argument; do
  case $argument in
    --release) profile=release ;;
    --write) write=1 ;;
    --profile) keep=1 ;;
    *) echo "unknown argument $argument" >&2; exit 2 ;;
  esac
done
target=${CARGO_TARGET_DIR:-$PWD/target}
cargo build --locked --quiet --package holdfast-bench --bin counts --profile "$profile"
binary=$target/$([ "$profile" = dev ] && echo debug || echo "$profile")/counts

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
valgrind --tool=callgrind --collect-atstart=no --toggle-collect='counts::measured' --dump-after='counts::measured' \
  --callgrind-out-file="$scratch/out" \
  "$binary" >"$scratch/names" 2>"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }

if [ -n "$keep" ]; then
  mkdir -p "$target/counts" && cp "$scratch"/out* "$scratch/names" "$target/counts/"
fi
number=0
while read -r name times; do
  number=$((number + 1))
  totals=$(awk '/^totals:/ { print $2 }' "$scratch/out.$number")
  echo -e "$profile\t$name\t$((totals / times))"
done <"$scratch/names" >"$scratch/counts"

if [ -n "$write" ]; then
  touch bench/counts.tsv
  { grep -v "^$profile	" bench/counts.tsv || true; cat "$scratch/counts"; } | sort >"$scratch/new"
  cp "$scratch/new" bench/counts.tsv
fi
awk -F '\t' -v profile="$profile" '
  NR == FNR { if ($1 == profile) pinned[$2] = $3; next }
  {
    off = pinned[$2] ? ($3 / pinned[$2] - 1) * 100 : 100
    wrong = off > 3 || off < -3
    printf "%-12s %12d instructions, %+6.1f %%%s\n", $2, $3, off, wrong ? "  <-- not what bench/counts.tsv has" : ""
    failed = failed || wrong
    delete pinned[$2]
  }
  END { for (name in pinned) { print name " was not counted"; failed = 1 } exit failed }
' bench/counts.tsv "$scratch/counts"
