#!/bin/sh
# Compares our verdicts with those of the real @clerk/backend, over DIFFERENTIAL_TOKENS (100000) tokens from DIFFERENTIAL_SEED (1).
set -eu
cd "$(dirname "$0")/.."
(cd crates/clerk-session/tests/differential && npm ci --no-fund --no-audit)
exec cargo test -p clerk-session --test differential -- --include-ignored --nocapture
