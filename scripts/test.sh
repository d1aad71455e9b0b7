#!/usr/bin/env bash
# All tests, on a fresh Debian machine with Rust: installs what is missing, then format, lints, Rust tests, JavaScript tests
# and browser tests. Prints what took how long. The quick loop is scripts/quick.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
# The same cases for the property tests in every run; without it each run tries others.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}

# The tests make thousands of databases: in memory, where there is room, no disk holds them up.
in_memory() {
  local free
  free=$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -n 1) || free=0
  if ((${free:-0} < 4096)); then "$@"; return; fi
  (
    TMPDIR=$(mktemp -d /dev/shm/holdfast-tests.XXXXXX) || exit
    export TMPDIR
    chmod 1777 "$TMPDIR" # Postgres runs as another user
    trap 'rm -rf "$TMPDIR"' EXIT
    "$@"
  )
}

rust_tests() {
  if cargo nextest --version >/dev/null 2>&1; then
    # More at a time than cores: half of a test's time is waiting for processes, sockets and clocks.
    cargo nextest run --locked --workspace --all-targets --profile ci --test-threads "$(($(nproc) * 2))"
  else
    cargo test --locked --workspace --all-targets
  fi
}

# Every directory with a package.json that has a test script; tests that need the server take the binary built above.
javascript_tests() {
  local manifest
  export HOLDFAST_BIN="${CARGO_TARGET_DIR:-$PWD/target}/debug/holdfast"
  while read -r manifest; do
    if node -e 'process.exit(require(require("path").resolve(process.argv[1])).scripts?.test ? 0 : 1)' "$manifest"; then
      echo "-- $(dirname "$manifest")"
      (cd "$(dirname "$manifest")" && npm test --silent) || return 1
    fi
  done < <(git ls-files '*package.json' 'package.json')
}

# The types of the JavaScript client against the description that the server itself gives.
client_types() {
  local description
  description=$(mktemp)
  cargo run --locked --quiet --package holdfast -- openapi >"$description"
  (cd clients/js && npm run --silent check:openapi -- "$description")
  rm -f "$description"
}

dependency_policy() {
  if cargo deny --version >/dev/null 2>&1; then
    cargo deny --locked check bans licenses sources
  else
    # The rule that matters most, without the tool.
    if cargo tree --locked --edges normal,build --prefix none | grep -E '^(openssl|openssl-sys|native-tls|ring) v'; then
      echo 'a banned dependency is in the tree; see deny.toml' >&2
      return 1
    fi
  fi
}

step 'set up' scripts/setup.sh
if [ -x target/node/bin/node ]; then export PATH="$PWD/target/node/bin:$PATH"; fi
step 'format' cargo fmt --all --check
step 'lints' cargo clippy --locked --workspace --all-targets -- -D warnings
step 'dependencies' dependency_policy
step 'build' cargo build --locked --workspace
step 'Rust tests' in_memory rust_tests
step 'instructions of the hot path' scripts/counts.sh
step 'clerk-session as a package, with all its features' scripts/clerk-session.sh
step 'documentation tests' cargo test --locked --workspace --doc
step 'links of the documentation' env RUSTDOCFLAGS='-D warnings' \
  cargo doc --locked --no-deps --workspace --document-private-items
step 'verdicts beside @clerk/backend' scripts/differential.sh
step 'types of client and server' client_types
step 'JavaScript format and lints' npm run --silent lint
step 'Python client' scripts/python-tests.sh
step 'JavaScript and browser tests' javascript_tests
steps_summary
