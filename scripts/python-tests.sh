#!/usr/bin/env bash
# The Python client: types, tests, and the package as it would be published, installed into a fresh environment.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(scripts/python.sh)
cd clients/python
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$python" scripts/generate_types.py --check
"$python" -m mypy --cache-dir "$scratch/mypy"
"$python" -W ignore::ResourceWarning -m unittest discover --quiet -s tests
"$python" -m build --no-isolation --outdir "$scratch/dist" . >"$scratch/build.log" 2>&1 || { cat "$scratch/build.log"; exit 1; }
"$python" -m twine check --strict "$scratch"/dist/*
python3 -m venv "$scratch/fresh"
for package in "$scratch"/dist/*.whl; do
  "$scratch/fresh/bin/pip" install --quiet --no-index --disable-pip-version-check "$package"
done
"$scratch/fresh/bin/python" - <<'PYTHON'
from holdfast_backend import Holdfast, Refusal
from holdfast_backend.asgi import HoldfastMiddleware as _
from holdfast_backend.wsgi import HoldfastMiddleware

# Nobody answers there: 503, and never a 401.
answered = []
application = HoldfastMiddleware(lambda environ, start: [], Holdfast("http://127.0.0.1:1"))
body = application(
    {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": "Bearer x"}, lambda status, headers: answered.append((status, dict(headers)))
)
assert answered[0][0].startswith("503") and answered[0][1]["retry-after"], answered
print("the wheel installs into a fresh environment and works")
PYTHON
