#!/usr/bin/env bash
# The quick loop: format, lints and unit tests. Under a minute once things are built.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

step 'format' cargo fmt --all --check
step 'lints' cargo clippy --workspace --all-targets -- -D warnings
step 'unit tests' cargo test --quiet --workspace --lib
steps_summary
