#!/usr/bin/env bash
# An import of many grants, killed again and again at random moments: each is imported exactly once, and none stands
# anywhere in plain text. LINES (100000) and KILLS (100) may be set.
set -euo pipefail
cd "$(dirname "$0")/.."
export HOLDFAST_IMPORT_LINES=${LINES:-100000} HOLDFAST_IMPORT_KILLS=${KILLS:-100}
exec cargo test --locked --package holdfast --test it -- \
  --exact cli::import::killed_at_any_moment_each_grant_is_imported_exactly_once --nocapture
