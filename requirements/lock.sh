#!/usr/bin/env bash
# Pins what pyproject.toml asks for, with hashes and without any index's address.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "uv is needed: pip install uv" >&2; exit 1; }
common=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate)
uv pip compile "${common[@]}" pyproject.toml -o requirements/runtime.txt "$@"
uv pip compile "${common[@]}" pyproject.toml --group dev -o requirements/dev.txt "$@"
