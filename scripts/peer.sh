#!/usr/bin/env bash
# Makes .uv/peer: what the benchmarks time beside this package. NSL on the last TensorFlow that it
# works with, and searches for nearest neighbors.
set -euo pipefail
unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

env=.uv/peer
uv() { scripts/setup.sh uv "$@"; }

mkdir -p .uv
if [ ! -x "$env/bin/python" ]; then
  # TensorFlow 2.15 has wheels for the same Pythons as TFX 1.16.
  # shellcheck disable=SC2016
  python=$(bash -c '. scripts/setup.sh; find_python 1.16; echo "$python"')
  uv venv --quiet --no-project --python "${python:?no Python 3.10 or 3.11}" --prompt peer "$env"
fi
uv pip sync --quiet --python "$env/bin/python" --only-binary :all: --require-hashes \
  requirements/peer.txt
TF_CPP_MIN_LOG_LEVEL=3 "$env/bin/python" -c '
import neural_structured_learning as nsl, tensorflow as tf
print(f"NSL {nsl.__version__} on TensorFlow {tf.__version__}; now: .venv/bin/python benchmarks/training.py or graph.py")' \
  2>"$env/log.txt" || { cat "$env/log.txt" >&2; exit 1; }
