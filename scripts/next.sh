#!/usr/bin/env bash
# The second stack on a machine whose C++ runtime is too old for it: a Debian 13 folder made with
# debootstrap, entered with chroot. It holds a copy of this checkout, set up by the same script as
# everywhere else, and is kept for the next time.
#
#   scripts/next.sh test [PYTEST ARGS]   run the tests there
#   scripts/next.sh run COMMAND...       run any command in the copy, e.g. run .venv/bin/python x.py
#   scripts/next.sh shell                look around
#
# NSL_TFX_NEXT_ROOT moves the folder, NSL_TFX_DEBIAN_MIRROR names a mirror where apt knows none.
# Where this is impossible it says why and succeeds; with NEXT=required it fails, and with NEXT=tell
# it exits with 77, so that a caller can tell it from success.
set -euo pipefail
unset CDPATH

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
root=${NSL_TFX_NEXT_ROOT:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/nsl-tfx/debian13}
release=trixie
packages=ca-certificates,g++,make,python3,python3-dev,python3-venv
bundle=/etc/ssl/certs/ca-certificates.crt

# A process tree with mounts of its own: both are gone when it ends or this script is killed.
namespace=(setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --)

say() { printf 'next: %s\n' "$*" >&2; }

skip() {
  say "not run: $*"
  case ${NEXT:-} in
    required) exit 1 ;;
    tell) exit 77 ;;
    *) exit 0 ;;
  esac
}

# find_mirror RELEASE: where this machine's own Debian, which is that release, comes from.
find_mirror() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 2>/dev/null |
    awk -v release="$1" '$1 == release { print $2; exit }'
}

check_possible() {
  [ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || skip "needs Linux on x86_64"
  [ "$(id -u)" = 0 ] || skip "needs root, to make and enter a Debian 13 folder"
  "${namespace[@]}" true 2>/dev/null || skip "needs the right to make mount namespaces"
}

install_debootstrap() {
  if command -v debootstrap >/dev/null; then return; fi
  command -v apt-get >/dev/null || skip "needs debootstrap; install the package of that name"
  say "installing debootstrap"
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
    --no-install-recommends debootstrap debian-archive-keyring; } >"$root.log" 2>&1 ||
    skip "needs debootstrap, and apt could not install it; see $root.log"
}

make_root() {
  local wanted="$release $packages" mirror=${NSL_TFX_DEBIAN_MIRROR:-} log=$root.log
  if [ "$(cat "$root/nsl-tfx-root" 2>/dev/null)" = "$wanted" ]; then return; fi
  install_debootstrap
  if [ -z "$mirror" ] && grep -qx ID=debian /etc/os-release; then
    mirror=$(find_mirror "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)")
  fi
  [ -n "$mirror" ] || skip "found no Debian mirror; name one with NSL_TFX_DEBIAN_MIRROR"
  say "making a Debian 13 folder in $root (about a minute)"
  rm -rf --one-file-system "$root" "$root.part"
  if ! "${namespace[@]}" debootstrap --variant=minbase --include="$packages" "$release" \
    "$root.part" "$mirror" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    say "debootstrap failed; the whole of its log: $log"
    exit 1
  fi
  echo "$wanted" >"$root.part/nsl-tfx-root"
  mv "$root.part" "$root"
}

remove_orphans() {
  local origin
  for origin in "$root"/srv/*.origin; do
    if [ -f "$origin" ] && [ ! -d "$(cat "$origin")" ]; then
      rm -rf --one-file-system "${origin%.origin}" "${origin%.origin}".*
    fi
  done
}

# Committed and uncommitted files. A file of the last copy that is no longer here is removed, all
# else over there (.venv, caches) stays.
copy_checkout() {
  local copy=$root$1
  mkdir -p "$copy"
  echo "$here" >"$copy.origin"
  git -C "$here" -c "safe.directory=$here" ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do
      if [ -e "$here/$file" ] || [ -L "$here/$file" ]; then printf '%s\0' "$file"; fi
    done | LC_ALL=C sort -zu >"$copy.new"
  tar -C "$here" --null --files-from="$copy.new" -c | tar -C "$copy" --no-same-owner -x
  if [ -f "$copy.files" ]; then
    (cd "$copy" && LC_ALL=C comm -z -13 "$copy.new" "$copy.files" | xargs -0 -r rm -f --)
  fi
  mv "$copy.new" "$copy.files"
}

# What the network needs is this machine's: names, certificates, proxies, package indexes.
carry_settings() {
  local name
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  if [ -f "${SSL_CERT_FILE:-$bundle}" ]; then
    cp -L "${SSL_CERT_FILE:-$bundle}" "$root$bundle.new"
    mv "$root$bundle.new" "$root$bundle"
  fi
  settings=(
    HOME=/root LANG=C.UTF-8 "TERM=${TERM:-dumb}" PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
    "SSL_CERT_FILE=$bundle" "PIP_CERT=$bundle" "REQUESTS_CA_BUNDLE=$bundle"
  )
  for name in $(compgen -e); do
    case $name in
      CI | STACK | *_proxy | *_PROXY | PIP_*INDEX* | PIP_TRUSTED_HOST | UV_*INDEX* | UV_INSECURE_HOST)
        settings+=("$name=${!name}")
        ;;
    esac
  done
}

# enter COPY COMMAND...: runs it below the Debian folder.
enter() {
  local copy=$1
  shift
  # shellcheck disable=SC2016
  set -- "${namespace[@]}" bash -c '
    set -e
    root=$1 copy=$2 data=$3
    shift 3
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    # Real data, where there are any, lie beside the checkout, and so they do beside its copy. They
    # are mounted within a folder of this namespace alone: no trace stays where there are none.
    mkdir -p "$root/srv/shared"
    mount -t tmpfs tmpfs "$root/srv/shared"
    if [ -d "$data" ]; then
      mkdir "$root/srv/shared/data"
      mount --bind "$data" "$root/srv/shared/data"
      mount -o remount,bind,ro "$root/srv/shared/data"
    fi
    exec chroot "$root" env -i -C "$copy" "$@"
  ' next "$root" "$copy" "${here%/*}/shared/data" "${settings[@]}" "$@"
  if [ -t 0 ]; then exec "$@"; fi
  # The first process of a namespace is deaf to a plain SIGTERM, so somebody has to pass it on.
  "$@" <&0 &
  # shellcheck disable=SC2064
  trap "kill -KILL $! 2>/dev/null || true" EXIT
  trap 'exit 143' TERM HUP
  trap 'exit 130' INT
  wait "$!"
}

main() {
  local copy
  copy=/srv/$(basename "$here")-$(printf '%s' "$here" | cksum | cut -d ' ' -f 1)
  case ${1:-} in
    test)
      set -- test .venv/bin/pytest -n auto --maxprocesses 4 --dist loadfile \
        --no-loadscope-reorder "${@:2}"
      ;;
    run) [ $# -gt 1 ] || set -- usage ;;
    shell) set -- shell bash ;;
    *) set -- usage ;;
  esac
  if [ "$1" = usage ]; then
    sed -n '/^#   /s/^#   //p' "${BASH_SOURCE[0]}" >&2
    exit 2
  fi
  check_possible
  mkdir -p "$(dirname "$root")"
  exec 9>"$root.lock"
  flock 9
  make_root
  remove_orphans
  copy_checkout "$copy"
  carry_settings
  exec 9>&-
  # shellcheck disable=SC2016
  enter "$copy" bash -c 'scripts/setup.sh && exec "$@"' next "${@:2}"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "$@"; fi
