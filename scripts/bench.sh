#!/usr/bin/env bash
# Measures the hot path beside a bare HTTP server and prints ratios: see bench/README.md. Builds for release, which takes
# minutes the first time. Further arguments go to `holdfast-bench run`, for example --seconds 10 or --only Postgres.
#
#   scripts/bench.sh backlog     how long whoever polls waits while the worker catches up 100,000 overdue connections
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
cargo build --locked --release --package holdfast --package holdfast-bench

measure=run
if [ "${1:-}" = backlog ]; then
  measure=backlog
  shift
fi

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
"$target/release/holdfast-bench" "$measure" --holdfast "$target/release/holdfast" \
  --postgres "postgres://holdfast@${scratch//\//%2F}/postgres" "$@"
