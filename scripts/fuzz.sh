#!/usr/bin/env bash
# Runs every fuzz target for SECONDS_EACH (60) seconds, beginning with its seeds, and prints how many inputs were tried. Ends
# with 1 where one was found that breaks a property; `cargo fuzz run` then says how to repeat it. Targets to run may be named.
# Needs cargo-fuzz (cargo install cargo-fuzz --locked); works on stable, because no sanitizer is used: all of it is safe Rust.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-60}
cargo fuzz --version >/dev/null 2>&1 || { echo 'install cargo-fuzz first: cargo install cargo-fuzz --locked' >&2; exit 2; }

status=0
found=0
for crate in crates/clerk-session crates/holdfast; do
  targets=()
  for target in $(cd "$crate" && cargo fuzz list); do
    if ((!$#)) || [[ " $* " == *" $target "* ]]; then targets+=("$target"); fi
  done
  # Nothing is built of a crate of which nothing runs.
  if ((!${#targets[@]})); then continue; fi
  found=$((found + ${#targets[@]}))
  (cd "$crate" && cargo fuzz build --sanitizer none)
  for target in "${targets[@]}"; do
    # What a run adds to the corpus stays out of the repository; the seeds are in it.
    mkdir -p "$crate/fuzz/corpus/$target"
    log=$(mktemp)
    if (cd "$crate" && cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
      -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1) >"$log" 2>&1; then
      result=ok
    else
      result=FOUND status=1
      tail -n 40 "$log" >&2
    fi
    tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%-28s %-5s %12s inputs in %s s\n' "${crate#crates/} $target" "$result" "${tried:-?}" "$seconds"
    rm -f "$log"
  done
done
if (($# > found)); then
  echo "there is no target of one of those names: $*" >&2
  exit 2
fi
exit "$status"
