#!/usr/bin/env bash
# Regenerates requirements/*.txt, each with hashes, from the .in files and setup.py.
set -euo pipefail
unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

# uv judges whether the .in files changed by what it finds in the output; start anew instead.
compile() {
  scripts/setup.sh uv pip compile --quiet --no-header --generate-hashes --universal \
    --no-emit-index-url --no-emit-find-links "$@"
}

# lock_stack STACK OLDEST TOO_NEW [OPTIONS]: one lock for every Python of the stack. Without an upper
# bound uv would also solve TFX 1.16 for Pythons that it has no wheels for, and that bound can be
# given only in a project's file; so can the one system that TFX has wheels for. The marker that it
# then puts on each line says nothing here.
lock_stack() {
  local lock=$PWD/requirements/tfx-$1.txt project
  project=$(mktemp -d)
  printf "[tool.uv]\nenvironments = [\"python_version < '%s' and sys_platform == 'linux'\"]\n" "$3" \
    >"$project/pyproject.toml"
  compile --project "$project" --fork-strategy fewest --python-version "$2" --upgrade \
    --constraints "requirements/tfx-$1.in" \
    --extra demo --extra dev --extra mysql --extra notebook "${@:4}" setup.py -o "$lock"
  sed -i -E -e "s/ ; (.*) and sys_platform == 'linux'( \\\\)?\$/ ; \\1\\2/" \
    -e "s/ ; python_full_version < '$3'( \\\\)?\$/\\1/" "$lock"
  rm -r "$project"
}

echo "locking uv and the build tools"
compile --upgrade --python-version 3.8 requirements/uv.in -o requirements/uv.txt
compile --upgrade --python-version 3.10 requirements/build.in -o requirements/build.txt
echo "locking NSL, to compare with"
compile --upgrade --only-binary :all: --python-version 3.10 requirements/peer.in \
  -o requirements/peer.txt
echo "locking TFX 1.16"
# The newer stack's Pythons are too new for TFX's Kubeflow extra.
lock_stack 1.16 3.10 3.12 --extra kfp
echo "locking TFX 1.21"
lock_stack 1.21 3.11 3.14
echo "locking Foolbox and ART, to compare with beside TFX 1.16's TensorFlow"
compile --upgrade --only-binary :all: --python-version 3.10 requirements/attacks-peer.in \
  -o requirements/attacks-peer.txt
