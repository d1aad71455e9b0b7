#!/usr/bin/env bash
# Writes the generated pages of docs/reference; a test fails while they are stale.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo run --quiet --package holdfast -- reference docs/reference
