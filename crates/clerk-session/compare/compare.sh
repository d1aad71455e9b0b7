#!/bin/sh
# Writes COMPARE.md: our verdicts and those of other verifiers over one corpus. Needs Node and npm.
set -eu
cd "$(dirname "$0")"
(cd ../tests/differential && npm ci --ignore-scripts --no-fund --no-audit)
cargo build --locked
# The corpus lives for a minute: the present time is compiled in, which takes some seconds once all else is built.
CORPUS_NOW_S=$(date +%s) cargo run --locked --quiet >../COMPARE.md
