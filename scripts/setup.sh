#!/usr/bin/env bash
# Makes .venv: picks the TFX stack that this machine can run, finds a Python for it, installs the
# stack's lock. Once that is done, another call only compares a stamp.
#
#   scripts/setup.sh             make or refresh .venv
#   scripts/setup.sh uv ARGS...  run the uv that set-up uses
#
# STACK=1.16|1.21 overrides the choice of the stack, NSL_TFX_PYTHON=/path/to/python that of the
# Python. Without STACK an existing .venv keeps its stack.
set -euo pipefail
unset CDPATH PYTHONHOME PYTHONPATH VIRTUAL_ENV PIP_REQUIRE_VIRTUALENV PIP_TARGET UV_SYSTEM_PYTHON

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
private=$root/.uv
stamp=$venv/nsl-tfx-setup

say() { printf 'set-up: %s\n' "$*" >&2; }

die() {
  printf 'set-up: %s\n' "$@" >&2
  exit 1
}

at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

glibc_version() { getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //'; }

# The symbol version that came with GCC 13.
has_gcc13_runtime() {
  local library
  library=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null |
    sed -n 's/.*libstdc++\.so\.6 (.*x86-64.*=> //p' | head -n 1)
  [ -n "$library" ] && grep -aq 'GLIBCXX_3\.4\.32' "$library"
}

# TFX 1.21 brings wheels of ml-metadata and TFDV that need glibc 2.39 and GCC 13's C++ runtime.
pick_stack() {
  case ${STACK:-} in
    1.16 | 1.21) echo "$STACK" ;;
    '')
      if [ -f "$stamp" ]; then
        sed -n 's/^stack //p' "$stamp"
      elif at_least "$(glibc_version)" 2.39 && has_gcc13_runtime; then
        echo 1.21
      else
        echo 1.16
      fi
      ;;
    *) die "Expected STACK=1.16 or STACK=1.21. Received: STACK=$STACK" ;;
  esac
}

# Says so before anything is removed: no index has wheels that would make up for it.
check_runtime() {
  local glibc
  glibc=$(glibc_version)
  [ "$1" = 1.16 ] || at_least "$glibc" 2.39 ||
    die "TFX $1 needs glibc 2.39 or newer. Received: ${glibc:-none}." \
      "Leave STACK out to get TFX 1.16; make test-next runs the tests on TFX 1.21 all the same."
}

python_versions() {
  case $1 in
    1.16) echo 3.10 3.11 ;;
    1.21) echo 3.13 3.12 3.11 ;;
  esac
}

# candidates VERSION: every place where a Python of that version may lie, best first. Version
# managers keep theirs off the path until they are told to.
candidates() {
  local name=python$1 home=${HOME:-/nonexistent} base path
  if [ -n "${NSL_TFX_PYTHON:-}" ]; then
    command -v -- "$NSL_TFX_PYTHON" || echo "$NSL_TFX_PYTHON"
    return
  fi
  type -ap "$name" python3 python || true
  local bases=(
    "${PYENV_ROOT:-$home/.pyenv}"/versions/* "$home"/.pyenv/versions/*
    "$private"/python/* "${UV_PYTHON_INSTALL_DIR:-$home/.local/share/uv/python}"/*
    "$home"/.local/share/mise/installs/python/* "$home"/.asdf/installs/python/*
    "${CONDA_PREFIX:-/opt/conda}" "${MAMBA_ROOT_PREFIX:-$home/micromamba}"/envs/*
  )
  for base in "$home"/{miniconda3,anaconda3,miniforge3,mambaforge,mambaforge3,.conda} \
    /opt/{conda,miniconda3,anaconda3,miniforge3,mambaforge}; do
    bases+=("$base" "$base"/envs/*)
  done
  bases+=(/usr/local /opt/* /opt/python/* /usr)
  for base in "${bases[@]}"; do
    path=$base/bin/$name
    if [ -x "$path" ]; then echo "$path"; fi
  done
}

# why_not PYTHON VERSION: says why it cannot be used; says nothing if it can. A shim answers to a
# name without having the version behind it, so a candidate has to run. The headers are needed
# because TFDV's pyfarmhash comes as source only.
why_not() {
  local answer
  if ! answer=$("$1" -I -c '
import os, sys, sysconfig
found = "%d.%d" % sys.version_info[:2]
if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
    print("is not a standard CPython")
elif found != sys.argv[1]:
    print("is Python " + found)
elif not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    print("lacks its C headers (Debian, Ubuntu: apt install python%s-dev)" % found)
' "$2" 2>/dev/null </dev/null); then
    echo "does not run"
  else
    echo "$answer"
  fi
}

# find_python STACK: sets $python, or leaves it empty and lists in $tried what was looked at.
find_python() {
  local version candidate reason
  python='' tried=()
  for version in $(python_versions "$1"); do
    while read -r candidate; do
      # With .venv activated its own Python is on the path, and it is about to be removed.
      case $candidate in "$venv"/*) continue ;; esac
      reason=$(why_not "$candidate" "$version")
      if [ -z "$reason" ]; then
        python=$candidate
        return
      fi
      tried+=("  Python $version: $candidate $reason")
    done < <(candidates "$version")
  done
}

# A uv that is older may lack an option used here.
is_usable_uv() {
  local answer
  answer=$("$1" --version 2>/dev/null) || return 1
  answer=${answer#uv }
  at_least "${answer%% *}" 0.8
}

# find_uv: sets $uv; installs it into the private folder where there is none.
find_uv() {
  local candidate version tries=3 part=$private/part
  for candidate in "$private/bin/uv" "$(command -v uv || true)"; do
    if [ -n "$candidate" ] && is_usable_uv "$candidate"; then
      uv=$candidate
      return
    fi
  done
  say "getting uv"
  while read -r candidate; do
    rm -rf "$part"
    if ! "$candidate" -m pip --version >/dev/null 2>&1 </dev/null; then
      # Not every Python carries pip, but its venv module may bring one.
      "$candidate" -m venv "$part/venv" >/dev/null 2>&1 </dev/null || continue
      candidate=$part/venv/bin/python
    fi
    # An index out of reach is so from every Python.
    [ "$((tries--))" -gt 0 ] || break
    PIP_USER=0 PIP_ROOT_USER_ACTION=ignore "$candidate" -m pip install --quiet --no-input \
      --disable-pip-version-check --require-hashes --only-binary :all: \
      --target "$part/uv" -r "$root/requirements/uv.txt" >&2 </dev/null || continue
    mkdir -p "$private/bin"
    mv -f "$part/uv/bin/uv" "$private/bin/uv"
    rm -rf "$part"
    uv=$private/bin/uv
    return
  done < <(
    [ -z "${python:-}" ] || echo "$python"
    type -ap python3
    for version in 3.13 3.12 3.11 3.10; do candidates "$version"; done
  )
  die "Found no Python 3 that can install uv: none has pip or venv, or the package index is out of reach." \
    "Debian, Ubuntu: apt install python3-venv. Elsewhere: install uv and put it on the path."
}

fetch_python() {
  local version=${1%% *}
  say "found no Python ${1// / or } here, fetching $version"
  UV_PYTHON_INSTALL_DIR=$private/python "$uv" python install --no-bin "$version" >&2 || true
}

# digest STACK: changes when an installed .venv no longer matches the checkout.
digest() {
  (cd -- "$root" && cat "requirements/tfx-$1.txt" requirements/build.txt setup.py \
    nsl_tfx/version.py scripts/setup.sh | sha256sum)
}

python_runs() { "$venv/bin/python" -I -S -c '' 2>/dev/null; }

# The path is part of it because an environment's scripts name it.
identity() { printf 'path %s\nstack %s\n' "$root" "$1"; }

is_whole() { [ -f "$stamp" ] && [ "$(head -n 2 "$stamp")" = "$(identity "$1")" ] && python_runs; }

is_fresh() { is_whole "$1" && [ "$(sed -n 3p "$stamp")" = "$(digest "$1")" ]; }

# Settings that pip takes and uv does not, and a cache for a home that cannot be written.
adapt_uv() {
  if [ -n "${PIP_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}; fi
  if [ -n "${PIP_CERT:-}" ]; then export SSL_CERT_FILE=${SSL_CERT_FILE:-$PIP_CERT}; fi
  local cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv}
  if ! { mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null; then
    export UV_CACHE_DIR=$private/cache
  fi
  export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-300} UV_PYTHON_DOWNLOADS=manual
}

install() {
  local stack=$1 quiet=(--quiet)
  check_runtime "$stack"
  if [ -t 2 ]; then quiet=(); fi
  if ! is_whole "$stack"; then
    find_python "$stack"
    find_uv
    if [ -z "$python" ] && [ -z "${NSL_TFX_PYTHON:-}" ]; then
      fetch_python "$(python_versions "$stack")"
      find_python "$stack"
    fi
    if [ -z "$python" ]; then
      local versions
      versions=$(python_versions "$stack")
      die "TFX $stack needs Python ${versions// / or }, and none was found or could be fetched:" \
        "${tried[@]}" \
        "Install one (pyenv install ${versions%% *}, conda create -n nsl python=${versions%% *}," \
        "or the system's packages), or name one: NSL_TFX_PYTHON=/path/to/python"
    fi
    command -v "${CXX:-c++}" >/dev/null || command -v g++ >/dev/null ||
      die "Found no C++ compiler; one of TFX's dependencies, pyfarmhash, comes as source only." \
        "Debian, Ubuntu: apt install g++"
    say "making .venv with $python"
    rm -rf "$venv"
    "$uv" venv --quiet --no-project --python "$python" --prompt nsl-tfx "$venv"
  else
    find_uv
  fi
  rm -f "$stamp"
  say "installing TFX $stack (a minute or two where nothing is cached, 3 GB on disk)"
  { "$uv" pip sync "${quiet[@]}" --python "$venv/bin/python" --require-hashes \
    --build-constraints "$root/requirements/build.txt" "$root/requirements/tfx-$stack.txt" &&
    "$uv" pip install "${quiet[@]}" --python "$venv/bin/python" --no-deps --no-build-isolation \
      --editable "$root"; } ||
    die "The installation failed for the reason above. With that mended, run the same again."
  { identity "$stack" && digest "$stack"; } >"$stamp.part"
  mv -f "$stamp.part" "$stamp"
  say "done in $SECONDS s"
}

main() {
  local stack
  if [ "${1:-}" = uv ]; then
    adapt_uv
    find_uv
    exec "$uv" "${@:2}"
  fi
  [ "$(uname -s) $(uname -m)" = "Linux x86_64" ] ||
    die "TFX has wheels for Linux on x86_64 only. Received: $(uname -s) on $(uname -m)." \
      "A container or a virtual machine with it will do."
  stack=$(pick_stack)
  if is_fresh "$stack"; then return; fi
  adapt_uv
  mkdir -p "$private"
  exec 9>"$private/lock"
  if ! flock -n 9; then
    say "waiting for another set-up to end"
    flock 9
  fi
  if ! is_fresh "$stack"; then install "$stack"; fi
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "$@"; fi
