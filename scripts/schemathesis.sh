#!/usr/bin/env bash
# Asks the running server whatever its own /openapi.json allows, and more, with schemathesis; any disagreement between the
# document and the server is a failure, exit 1 (exit 69: it cannot be installed here). Every run asks the same; GENERATION='--generation-database none' asks something new
# each time. Further arguments go to `schemathesis run`, for example --max-examples 500.
set -euo pipefail
# shellcheck disable=SC2086 # GENERATION is a list of options.
cd "$(dirname "$0")/.."
readonly VERSION=4.32.5 PORT=${PORT:-0}
venv=${CARGO_TARGET_DIR:-$PWD/target}/schemathesis
binary=${HOLDFAST_BIN:-${CARGO_TARGET_DIR:-$PWD/target}/debug/holdfast}
export -n HOLDFAST_BIN # The program takes it for a misspelt setting.

[ -x "$binary" ] || cargo build --locked --package holdfast
if [ ! -x "$venv/bin/schemathesis" ]; then
  python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "schemathesis==$VERSION" ||
    { echo "schemathesis $VERSION is not there and cannot be installed: needs python3-venv and a PyPI" >&2; exit 69; }
fi

data=$(mktemp -d)
log=$data/dev.log
"$binary" dev --port "$PORT" --data "$data" --no-color >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$data"' EXIT
for _ in $(seq 100); do grep -q 'Stop with' "$log" && break; sleep 0.1; done

address() { sed -n "s/.*$1 *\(http:[^ ]*[0-9]\)\/\{0,1\}\$/\1/p" "$log" | head -1; }
HOLDFAST_DEV_ORIGIN=$(address 'Open')
HOLDFAST_DEV_CLERK=$(address 'stand-in, Clerk')
HOLDFAST_DEV_SERVICE_KEY=$(HOLDFAST_DATABASE_URL="sqlite://$data/holdfast.db" "$binary" service-key create --name schemathesis | grep -o 'hf_sk_[A-Za-z0-9_-]*' | head -1)
export HOLDFAST_DEV_ORIGIN HOLDFAST_DEV_CLERK HOLDFAST_DEV_SERVICE_KEY
: "${HOLDFAST_DEV_ORIGIN:?the server did not start: $(cat "$log")}" "${HOLDFAST_DEV_SERVICE_KEY:?no service key was made}"

# The event stream does not end by itself, which is its purpose; tests of its own read it. At `/` stands the demo.
SCHEMATHESIS_HOOKS=hooks PYTHONPATH=scripts/schemathesis "$venv/bin/schemathesis" \
  --config-file scripts/schemathesis/schemathesis.toml run \
  --exclude-path /user/events --exclude-path / --phases examples,coverage,fuzzing \
  ${GENERATION:---generation-deterministic} --request-timeout 60 --continue-on-failure --no-color "$@" \
  "$HOLDFAST_DEV_ORIGIN/openapi.json"
