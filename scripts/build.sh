#!/usr/bin/env bash
# build.sh FOLDER: makes the source distribution, and the wheel from it, with locked build tools.
set -euo pipefail
unset CDPATH
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
"$here/scripts/setup.sh" uv build --quiet --out-dir "${1:?}" --python "$here/.venv/bin/python" \
  --build-constraints "$here/requirements/build.txt" --require-hashes "$here"
