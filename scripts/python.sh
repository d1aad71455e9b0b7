#!/usr/bin/env bash
# Makes the virtual environment of the Python client's tests, target/python, from PyPI where it is not there yet or not
# of today's list; each package is pinned by hash. Prints the path of its interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=clients/python/requirements-test.txt
venv=${CARGO_TARGET_DIR:-$PWD/target}/python
if ! cmp -s "$wanted" "$venv/requirements-test.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$wanted" >&2
  # The client itself, from its source.
  echo "$PWD/clients/python/src" >"$("$venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')/holdfast.pth"
  cp "$wanted" "$venv/requirements-test.txt"
fi
echo "$venv/bin/python"
