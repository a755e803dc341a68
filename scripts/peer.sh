#!/usr/bin/env bash
# Makes the environments that the benchmarks compare with: .uv/peer, with NSL on the last TensorFlow
# that it works with and searches for nearest neighbors; and .uv/attacks-peer, with Foolbox and the
# Adversarial Robustness Toolbox beside this package.
set -euo pipefail
unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

uv() { scripts/setup.sh uv "$@"; }

# make_environment NAME: .uv/NAME with what requirements/NAME.txt locks. Both TensorFlows have wheels
# for the same Pythons as TFX 1.16.
make_environment() {
  local env=.uv/$1 python
  mkdir -p .uv
  if [ ! -x "$env/bin/python" ]; then
    # shellcheck disable=SC2016
    python=$(bash -c '. scripts/setup.sh; find_python 1.16; echo "$python"')
    uv venv --quiet --no-project --python "${python:?no Python 3.10 or 3.11}" --prompt "$1" "$env"
  fi
  uv pip sync --quiet --python "$env/bin/python" --only-binary :all: --require-hashes \
    "requirements/$1.txt"
}

# check NAME PROGRAM: that what is there can be imported, and what it is.
check() {
  local env=.uv/$1
  TF_CPP_MIN_LOG_LEVEL=3 "$env/bin/python" -c "$2" 2>"$env/log.txt" ||
    { cat "$env/log.txt" >&2; exit 1; }
}

make_environment peer
check peer '
import neural_structured_learning as nsl, tensorflow as tf
print(f"NSL {nsl.__version__} on TensorFlow {tf.__version__}; now: .venv/bin/python benchmarks/training.py or graph.py")'
make_environment attacks-peer
uv pip install --quiet --python .uv/attacks-peer/bin/python --no-deps --no-build-isolation \
  --editable .
check attacks-peer '
import art, foolbox, nsl_tfx.robustness, tensorflow as tf
print(f"Foolbox {foolbox.__version__} and ART {art.__version__} on TensorFlow {tf.__version__}; now: .uv/attacks-peer/bin/python benchmarks/robustness.py")'
