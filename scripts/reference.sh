#!/usr/bin/env bash
# Writes the generated pages of docs/reference, and the clients' types that are made from them; tests fail while they are stale.
set -euo pipefail
cd "$(dirname "$0")/.."
WRITE_REFERENCE=1 cargo test --quiet --package holdfast --test it the_generated_pages_are_fresh
python3 clients/python/scripts/generate_types.py
[ -d clients/node/node_modules ] || (cd clients/node && npm ci --no-audit --no-fund --ignore-scripts)
(cd clients/node && npm run --silent generate)
