#!/usr/bin/env bash
# crates/clerk-session as a stranger gets it: the package builds from its own files, depends on few crates, the code in its
# README compiles, and its examples run. Then its tests with all features, which the workspace's own build does not enable:
# the extractor, the layer, the cookie, keys over HTTP.
set -euo pipefail
cd "$(dirname "$0")/.."

most=25
crates=$(cargo tree --locked --package clerk-session --edges normal --prefix none | sed 's/ (\*)$//' | sort -u | wc -l)
echo "$crates crates with the default features, itself among them"
((crates <= most)) || { echo "more than $most" >&2 && exit 1; }

said=$(mktemp)
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -f "$said"' EXIT

# Uncommitted changes are packaged too: this runs before a commit.
cargo package --locked --allow-dirty --package clerk-session 2>&1 | tee "$said"
if grep -q '^warning' "$said"; then
  echo 'the package has warnings' >&2
  exit 1
fi

cargo clippy --locked --package clerk-session --all-features --all-targets -- -D warnings
cargo test --locked --package clerk-session --all-features --lib --test web --examples
# The README is among them.
cargo test --locked --package clerk-session --all-features --doc

# Each file in examples/ is run by name: one that is not in this list fails.
for example in crates/clerk-session/examples/*.rs; do
  case $(basename "$example" .rs) in
    explain)
      cargo run --locked --quiet --package clerk-session --example explain <crates/clerk-session/examples/token.txt >"$said"
      grep -q '^Accepted' "$said" || { cat "$said" >&2 && exit 1; }
      ;;
    axum)
      cargo build --locked --quiet --package clerk-session --features axum,reqwest --example axum
      CLERK_PUBLISHABLE_KEY=pk_test_Y2xlcmsuZXhhbXBsZS5jb20k APP_LISTEN=127.0.0.1:0 \
        "${CARGO_TARGET_DIR:-target}/debug/examples/axum" >"$said" &
      server=$!
      until grep -q '^http' "$said"; do kill -0 "$server" && sleep 0.1; done
      me=$(head -n 1 "$said")
      [ "$(curl -sS "${me%me}")" = 'Hello!' ]
      [ "$(curl -sS -o /dev/null -w '%{http_code}' "$me")" = 401 ]
      kill "$server"
      server=""
      ;;
    *)
      echo "nobody runs $example" >&2
      exit 1
      ;;
  esac
  echo "-- $example runs"
done
