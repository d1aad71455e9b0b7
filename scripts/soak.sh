#!/usr/bin/env bash
# Ten minutes of load on a real process while everything around it fails in turn; prints what it holds every half minute.
# SOAK_SECONDS for another length.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --quiet --locked --package holdfast --test it -- --ignored --nocapture \
  soak::what_it_holds_stays_level
