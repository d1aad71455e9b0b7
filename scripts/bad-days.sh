#!/usr/bin/env bash
# The tests of "Bad days, as commands" in SECURITY.md at the length that stands there: scripts/bad-days.sh [PART OF A NAME]...
# Built for release; an hour or several, most of it for the sequences. Prints what each has to say, and how long it took.
set -euo pipefail
cd "$(dirname "$0")/.."

# A test and its variables by line; every row of the table with a variable is one.
rows=$(sed -n 's/^| .* | `\([a-z_]*\)` | `\(HOLDFAST_TEST_[A-Z0-9_= ]*\)` |$/\1 \2/p' SECURITY.md)
cargo test --quiet --locked --release --package holdfast --test it --no-run
status=0
while read -r test variables; do
  if (($#)) && ! grep -qF "$(printf '%s\n' "$@")" <<<"$test"; then continue; fi
  began=$SECONDS
  echo "== $test, $variables"
  # shellcheck disable=SC2086
  env $variables cargo test --quiet --locked --release --package holdfast --test it "$test" -- --nocapture </dev/null ||
    status=1
  echo "-- $((SECONDS - began)) s"
done <<<"$rows"
exit "$status"
