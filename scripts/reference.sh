#!/usr/bin/env bash
# Writes the generated pages of docs/reference, and the clients' types that are made from them; tests fail while they are stale.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run --quiet --package holdfast -- reference docs/reference
python3 clients/python/scripts/generate_types.py
[ -d clients/node/node_modules ] || (cd clients/node && npm ci --no-audit --no-fund --ignore-scripts)
(cd clients/node && npm run --silent generate)
