#!/usr/bin/env bash
# Measures what the status costs, as it is shipped, beside a bare HTTP server: see bench/README.md. Builds the `dist` profile, which
# takes minutes the first time. Further arguments go to `holdfast-bench`, for example --seconds 10 or --only Postgres.
#
#   scripts/bench.sh             Holdfast on both engines, hyper and axum
#   scripts/bench.sh peers       the same beside Express, Fastify and FastAPI, whose packages it installs
#   scripts/bench.sh growth      the costs by number of connections; --sizes 10000,…,10000000
#   scripts/bench.sh middleware  what the Node middleware adds to an Express app's request, beside @clerk/express
#   scripts/bench.sh memory      what it keeps in memory, and how long it takes to start
#   scripts/bench.sh backlog     the status while 100,000 overdue connections are renewed, and under hostile tokens
#   scripts/bench.sh plans       every statement's plan at a hundred thousand and a million rows
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}

measure=run
peers=()
case ${1:-} in
  backlog | growth | memory) measure=$1 && shift ;;
  middleware)
    # The token is remembered, so that Holdfast is asked once, and how it was built does not matter.
    [ -n "${HOLDFAST_BIN:-}" ] || cargo build --locked --package holdfast
    cd tests/backends
    [ -d node_modules ] || npm ci --no-audit --no-fund --ignore-scripts
    HOLDFAST_BIN=${HOLDFAST_BIN:-$target/debug/holdfast} exec node bench.js
    ;;
  plans)
    shift
    exec cargo test --locked --package holdfast --test it -- --ignored --test-threads 1 store::plans "$@"
    ;;
  peers)
    shift
    # From a copy: nothing is installed into the tree. The lock file pins every package by hash; the one that has to be compiled is
    # compiled for the Node that is there.
    cp -r bench/peers "$target/" && cd "$target/peers"
    npm ci --no-audit --no-fund --ignore-scripts
    headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    [ -e node_modules/better-sqlite3/build/Release/better_sqlite3.node ] ||
      npm rebuild better-sqlite3 --build-from-source --nodedir="$headers"
    [ -d venv ] || python3 -m venv venv
    venv/bin/pip install --quiet --requirement requirements.txt
    peers=(--peers "$PWD")
    cd - >/dev/null
    ;;
esac
cargo build --locked --profile dist --package holdfast --package holdfast-bench

# A Postgres of its own, over a unix socket only, durable as the store insists but without fsync: what is measured is what reading costs.
scratch=$(mktemp -d -p "$([ -d /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" holdfast-bench.XXXXXX)
as_owner=()
if (($(id -u) == 0)); then # Postgres refuses to run as root.
  owner=$(id -un postgres 2>/dev/null || echo nobody)
  chown "$owner" "$scratch"
  as_owner=(runuser -u "$owner" --)
fi
binaries=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1 || command -v initdb)")
finish() {
  (cd / && "${as_owner[@]}" "$binaries/pg_ctl" stop -s -m immediate -D "$scratch/data") || true
  rm -rf "$scratch"
}
trap finish EXIT
(
  cd /
  "${as_owner[@]}" "$binaries/initdb" --auth=trust --username=holdfast --encoding=UTF8 --locale=C --no-sync -D "$scratch/data" >/dev/null
  "${as_owner[@]}" "$binaries/pg_ctl" start -w -s -l "$scratch/server.log" -D "$scratch/data" \
    -o "-c listen_addresses='' -c unix_socket_directories='$scratch' -c fsync=off"
)
if [ "$measure" = run ] || [ "$measure" = growth ]; then
  peers+=(--postgres-pid "$(head -n 1 "$scratch/data/postmaster.pid")")
fi
"$target/dist/holdfast-bench" "$measure" --holdfast "$target/dist/holdfast" \
  --postgres "postgres://holdfast@${scratch//\//%2F}/postgres" "${peers[@]}" "$@"
