#!/usr/bin/env bash
# An import of many grants, killed again and again at random moments, on SQLite and Postgres: each is imported exactly
# once, and none stands anywhere in plain text. LINES (100000), KILLS (100) and SEED may be set.
set -euo pipefail
cd "$(dirname "$0")/.."
export HOLDFAST_IMPORT_LINES=${LINES:-100000} HOLDFAST_IMPORT_KILLS=${KILLS:-100} HOLDFAST_IMPORT_SEED=${SEED:-1}
exec cargo test --locked --release --package holdfast --test it -- cli::import::killed_at_any_moment --nocapture
