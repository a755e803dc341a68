#!/usr/bin/env bash
# Apache Flink with Beam's job server, for tests and benchmarks that run on a cluster of this machine.
#
#   scripts/flink.sh                     put them into .uv/flink
#   scripts/flink.sh test [PYTEST ARGS]  that, and run the tests on a cluster; exits with 77, having
#                                        said why, where they cannot run here
set -euo pipefail
unset CDPATH
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

# Beam's modules for that Flink. They may be older or newer than Beam's Python package: the protocol
# between them is stable, and the tests ask whether these two agree.
beam=2.62.0
flink=1.19
home=.uv/flink
part=.uv/flink.part
log=.uv/flink.log

say() { printf 'flink: %s\n' "$*" >&2; }

cannot() {
  say "not run: $*"
  exit 77
}

# The versions are those in this script and in the file of requirements.
wanted() { cat requirements/flink.txt scripts/flink.sh | sha256sum; }

is_there() { [ "$(cat "$home/complete" 2>/dev/null)" = "$(wanted)" ]; }

check_possible() {
  command -v java >/dev/null || cannot "needs java; Debian, Ubuntu: apt install openjdk-17-jre-headless"
  is_there || command -v mvn >/dev/null || cannot "needs mvn; Debian, Ubuntu: apt install maven"
}

# Flink's distribution, of which one jar is all that a cluster needs, and its logging.
fetch_flink() {
  local archive
  .venv/bin/python -m pip download --quiet --no-deps --no-build-isolation --require-hashes \
    --dest "$part" -r requirements/flink.txt >"$log" 2>&1 ||
    cannot "the package index gave no Flink; see $log"
  archive=$(echo "$part"/apache*flink*libraries*.tar.gz)
  tar -xzf "$archive" -C "$part/lib" --strip-components=3 --wildcards \
    '*/deps/lib/flink-dist-*.jar' '*/deps/lib/log4j-*.jar'
  rm "$archive"
}

# What Flink's jar holds already is left out.
fetch_beam() {
  cat >"$part/pom.xml" <<END
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>nsl-tfx</groupId>
  <artifactId>flink-cluster</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.beam</groupId>
      <artifactId>beam-runners-flink-$flink</artifactId>
      <version>$beam</version>
    </dependency>
  </dependencies>
</project>
END
  mvn --batch-mode --strict-checksums --file "$part/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$PWD/$part/lib" -DincludeScope=runtime \
    -DexcludeGroupIds=org.apache.flink,com.esotericsoftware.kryo >"$log" 2>&1 ||
    cannot "Maven gave no Beam $beam for Flink $flink; see $log"
}

fetch() {
  check_possible
  if is_there; then return; fi
  say "getting Flink $flink and Beam's job server (half a minute, 220 MB on disk)"
  rm -rf "$part"
  mkdir -p "$part/lib"
  fetch_flink
  fetch_beam
  wanted >"$part/complete"
  rm -rf "$home" "$log"
  mv "$part" "$home"
}

scripts/setup.sh
fetch
if [ "${1:-}" = test ]; then
  # In one process: the cluster's processes are many enough.
  .venv/bin/python -m pytest tests/flink "${@:2}"
fi
