#!/usr/bin/env bash
# Builds the archives of a release below target/release-archives: for each target the program with its licences, samples and guides, its
# SBOM (CycloneDX, from Cargo.lock) and SHA-256. `scripts/release.sh [TARGET…]`, by default this machine's.
# For another architecture: rustup target add aarch64-unknown-linux-gnu, and a C compiler for it (Debian: gcc-aarch64-linux-gnu).
set -euo pipefail
cd "$(dirname "$0")/.."

commit=$(git rev-parse --short=12 HEAD)
[ -z "$(git status --porcelain)" ] || commit="$commit-modified"
version=$(cargo metadata --no-deps --format-version 1 | python3 -c 'import json, sys
print(next(p["version"] for p in json.load(sys.stdin)["packages"] if p["name"] == "holdfast"))')
host=$(rustc -vV | sed -n 's/^host: //p')
out=target/release-archives
mkdir -p "$out"
(($#)) || set -- "$host"

for target in "$@"; do
  linker=()
  if [ "$target" != "$host" ]; then
    prefix=${target/-unknown/}
    command -v "$prefix-gcc" >/dev/null || { echo "$target: install a C compiler for it ($prefix-gcc)" >&2; exit 1; }
    [ -d "$(rustc --print target-libdir --target "$target")" ] || { echo "$target: install Rust's library for it (rustup target add $target)" >&2; exit 1; }
    name=$(tr 'a-z-' 'A-Z_' <<<"$target")
    linker=("CARGO_TARGET_${name}_LINKER=$prefix-gcc" "CC_${target//-/_}=$prefix-gcc")
  fi
  env HOLDFAST_COMMIT="$commit" SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" "${linker[@]}" \
    cargo build --locked --profile dist --package holdfast --target "$target"
  name=holdfast-$version-$target
  rm -rf "${out:?}/$name"
  mkdir -p "$out/$name"
  cp "target/$target/dist/holdfast" LICENSE-APACHE LICENSE-MIT CHANGELOG.md README.md "$out/$name/"
  cp -r deploy docs "$out/$name/"
  python3 scripts/sbom.py "$version" "$commit" >"$out/$name/holdfast.cdx.json"
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" \
    -C "$out" -czf "$out/$name.tar.gz" "$name"
  cp "$out/$name/holdfast.cdx.json" "$out/$name.cdx.json"
  rm -rf "${out:?}/$name"
  (cd "$out" && sha256sum "$name.tar.gz" "$name.cdx.json" >"$name.sha256")
  echo "$out/$name.tar.gz"
done
