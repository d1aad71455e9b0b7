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

rust_tests() {
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --workspace --all-targets --profile ci
  else
    cargo test --locked --workspace --all-targets
  fi
}

# The tests of one directory; what they print comes in one piece.
javascript_tests_of() {
  local output began=$SECONDS status=0
  output=$(cd "$1" && npm test --silent 2>&1) || status=1
  printf -- '-- %s\n%s\n-- %s: %s s\n' "$1" "$output" "$1" "$((SECONDS - began))"
  return "$status"
}

# Every directory with a package.json that has a test script, the longest first; tests that need the server take the binary
# built above. Two at a time: each goes through its files one by one, and waits for a browser most of the time.
javascript_tests() {
  export HOLDFAST_BIN="${CARGO_TARGET_DIR:-$PWD/target}/debug/holdfast"
  export -f javascript_tests_of
  { printf '%s\n' clients/js tests/browser && git ls-files '*package.json' | sed 's|/*package.json$||'; } |
    awk 'NF && !seen[$0]++' |
    while read -r directory; do
      if node -e 'process.exit(require(require("path").resolve(process.argv[1], "package.json")).scripts?.test ? 0 : 1)' "$directory"; then
        echo "$directory"
      fi
    done | xargs -P 2 -I {} bash -c 'javascript_tests_of {}'
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

# What the workspace's own build does not enable: the extractor, the layer, the cookie, keys over HTTP.
clerk_session_features() {
  cargo clippy --locked --package clerk-session --all-features --all-targets -- -D warnings &&
    cargo test --locked --package clerk-session --all-features --lib --test web --examples &&
    cargo test --locked --package clerk-session --all-features --doc
}

step 'set up' scripts/setup.sh
if [ -x target/node/bin/node ]; then export PATH="$PWD/target/node/bin:$PATH"; fi
step 'format' cargo fmt --all --check
step 'lints' cargo clippy --locked --workspace --all-targets -- -D warnings
step 'dependencies' dependency_policy
step 'build' cargo build --locked --workspace
step 'Rust tests' rust_tests
step 'instructions of the hot path' scripts/counts.sh
step 'clerk-session with all its features' clerk_session_features
step 'documentation tests' cargo test --locked --workspace --doc
step 'verdicts beside @clerk/backend' scripts/differential.sh
step 'types of client and server' client_types
step 'JavaScript format and lints' npm run --silent lint
step 'Python client' scripts/python-tests.sh
step 'JavaScript and browser tests' javascript_tests
steps_summary
