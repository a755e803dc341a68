#!/usr/bin/env bash
# oldest.sh [PYTEST ARGS]: runs the tests on the oldest releases that setup.py allows beside TFX
# 1.16, in an environment of its own (.uv/oldest). What is indirect is the newest that fits.
set -euo pipefail
unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

env=.uv/oldest
uv() { scripts/setup.sh uv "$@"; }

mkdir -p .uv
if [ ! -x "$env/bin/python" ]; then
  # shellcheck disable=SC2016
  python=$(bash -c '. scripts/setup.sh; find_python 1.16; echo "$python"')
  uv venv --quiet --no-project --python "${python:?no Python for TFX 1.16}" --prompt oldest "$env"
fi
uv pip compile --quiet --no-header --resolution lowest-direct --python "$env/bin/python" \
  --constraints requirements/tfx-1.16.in --extra demo --extra dev setup.py -o .uv/oldest.txt
uv pip sync --quiet --python "$env/bin/python" --build-constraints requirements/build.txt \
  .uv/oldest.txt
uv pip install --quiet --python "$env/bin/python" --no-deps --no-build-isolation --editable .
"$env/bin/python" -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"
