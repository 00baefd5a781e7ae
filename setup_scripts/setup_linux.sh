#!/bin/sh
# One click: installs qdrant-admin for this user alone, finds or starts a container engine (else runs Qdrant natively), brings the
# server up, and opens qdrant-admin. Without a terminal it runs the demo instead and prints the status. Needs no admin rights.
# Works on Linux and, called by setup_macos.command, on macOS. Plain sh: macOS has an old bash, Debian's sh is dash.
set -eu

usage() {
  cat <<'TEXT'
Usage: setup_linux.sh [options]

  --runtime auto|docker|native   how Qdrant is to run (default: auto)
  --no-api-key                   leave the server open to every program and web page on this computer
  --no-open                      do not open qdrant-admin at the end, even in a terminal
  --yes                          never ask
  --dry-run                      say what would be done, and do nothing
  --uninstall                    remove qdrant-admin; your data stays where it is
  --help                         this text

Run it again at any time: that repairs the installation and changes nothing that works.
TEXT
}

RUNTIME=auto API_KEY=auto OPEN=yes DRY=no UNINSTALL=no
while [ $# -gt 0 ]; do
  case $1 in
    --runtime) [ $# -ge 2 ] || { usage >&2; exit 2; }; RUNTIME=$2; shift ;;
    --runtime=*) RUNTIME=${1#*=} ;;
    --no-api-key) API_KEY=none ;;
    --no-open) OPEN=no ;;
    --yes) ;; # nothing here asks; kept so that scripts may say it
    --dry-run) DRY=yes ;;
    --uninstall) UNINSTALL=yes ;;
    --help | -h) usage; exit 0 ;;
    *) printf 'error: unknown option %s\n\n' "$1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
case $RUNTIME in auto | docker | native) ;; *) printf 'error: --runtime takes auto, docker or native\n' >&2; exit 2 ;; esac

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(dirname "$HERE")
[ -n "${HOME:-}" ] || { printf 'error: HOME is not set, so there is no place to install to\n' >&2; exit 3; }
case $(uname -s) in
  Darwin) APP="$HOME/Library/Application Support/qdrant-admin/app" ;;
  *) APP=${XDG_DATA_HOME:-$HOME/.local/share}/qdrant-admin/app ;;
esac
BIN=$HOME/.local/bin
LOG=$(dirname "$APP")/setup.log
COMMAND=$BIN/qdrant-admin

say() { printf '%s\n' "==> $*"; [ "$DRY" = yes ] || printf '%s %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$*" >>"$LOG"; }
note() { printf '    %s\n' "$*"; }
die() { printf 'error: %s\n' "$1" >&2; shift; for line in "$@"; do printf '       %s\n' "$line" >&2; done; exit 3; }
run() { # a step that changes something: told in a dry run, done and logged otherwise
  if [ "$DRY" = yes ]; then note "would run: $*"; return; fi
  "$@" >>"$LOG" 2>&1 || die "this failed: $*" "why: see the end of $LOG" "do now: mend that, then run this script again"
}

find_uv() {
  for candidate in "$(command -v uv || true)" "$HOME/.local/bin/uv" "$HOME/.cargo/bin/uv" /opt/homebrew/bin/uv /usr/local/bin/uv; do
    if [ -n "$candidate" ] && [ -x "$candidate" ]; then printf '%s' "$candidate"; return; fi
  done
}

find_python() {
  for candidate in python3.13 python3.12 python3.11 python3 python; do
    if command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1; then
      command -v "$candidate"
      return
    fi
  done
}

# What to install: the checkout this script lies in, or the released package when it was downloaded alone.
if [ -f "$ROOT/pyproject.toml" ] && [ -d "$ROOT/qdrant_admin" ]; then
  PACKAGE="${ROOT}[keyring]"
else
  PACKAGE="qdrant-admin[keyring]"
fi
CONSTRAINTS=$ROOT/constraints.txt

install_app() {
  UV=$(find_uv)
  if [ -n "$UV" ]; then
    say "installing qdrant-admin with uv ($UV)"
    run "$UV" venv --quiet --allow-existing --python '>=3.11,<3.14' "$APP"
    if [ -f "$CONSTRAINTS" ]; then
      run "$UV" pip install --quiet --python "$APP/bin/python" --constraint "$CONSTRAINTS" --reinstall-package qdrant-admin "$PACKAGE"
    else
      run "$UV" pip install --quiet --python "$APP/bin/python" --upgrade "$PACKAGE"
    fi
  else
    PYTHON=$(find_python)
    [ -n "$PYTHON" ] || die "neither uv nor a Python 3.11, 3.12 or 3.13 with venv was found" \
      "do now: curl -LsSf https://astral.sh/uv/install.sh | sh      (installs uv for you alone, it brings its own Python)" \
      "   or:  sudo apt-get install python3 python3-venv            (Debian, Ubuntu)" \
      "then run this script again"
    say "installing qdrant-admin with $PYTHON"
    run "$PYTHON" -m venv "$APP"
    if [ -f "$CONSTRAINTS" ]; then
      run "$APP/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$CONSTRAINTS" "$PACKAGE"
      run "$APP/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$PACKAGE"
    else
      run "$APP/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "$PACKAGE"
    fi
  fi
  run mkdir -p "$BIN"
  run ln -sf "$APP/bin/qdrant-admin" "$COMMAND"
  case ":$PATH:" in
    *":$BIN:"*) ;;
    *) note "to have the command in every terminal, add this line to your shell's profile:"
       note "    export PATH=\"$BIN:\$PATH\"" ;;
  esac
}

engine_answers() { docker info >/dev/null 2>&1; }

# An engine that is installed and asleep is woken; nothing is ever installed.
wake_engine() {
  if docker desktop version >/dev/null 2>&1; then docker desktop start --detach
  elif [ "$(uname -s)" = Darwin ] && command -v colima >/dev/null 2>&1; then colima start
  elif [ "$(uname -s)" = Darwin ] && command -v orb >/dev/null 2>&1; then orb start
  elif [ "$(uname -s)" = Darwin ] && [ -d /Applications/Docker.app ]; then open -ga Docker
  elif systemctl --user cat docker.service >/dev/null 2>&1; then systemctl --user start docker
  elif [ "$(id -u)" = 0 ] && command -v service >/dev/null 2>&1; then service docker start
  else return 1
  fi
}

engine() {
  if [ "$RUNTIME" = native ]; then say "engine: not looked for, Qdrant is to run natively"; return; fi
  if ! command -v docker >/dev/null 2>&1; then say "engine: no docker command; qdrant-admin looks for others, and can do without"; return; fi
  if engine_answers; then say "engine: Docker answers"; return; fi
  if [ -n "${DOCKER_HOST:-}" ]; then say "engine: nothing answers at DOCKER_HOST=$DOCKER_HOST"; return; fi
  if [ "$DRY" = yes ]; then note "would start the container engine and wait for it, 90 seconds at most"; return; fi
  if ! wake_engine >>"$LOG" 2>&1; then say "engine: installed, not running, and not startable without admin rights"; return; fi
  waited=0
  while [ "$waited" -lt 90 ]; do
    if engine_answers; then say "engine: Docker answers after $waited s"; return; fi
    waited=$((waited + 1))
    if [ -t 1 ]; then printf '\r    waiting for Docker, %2d s ' "$waited"; fi
    sleep 1
  done
  say "engine: Docker was started and is not ready after 90 s"
}

uninstall() {
  say "removing qdrant-admin from $APP"
  if [ -x "$COMMAND" ] && [ "$DRY" = no ]; then
    "$COMMAND" status 2>/dev/null | sed 's/^/    /' || true
  fi
  if [ "$(readlink "$COMMAND" 2>/dev/null)" = "$APP/bin/qdrant-admin" ]; then run rm -f "$COMMAND"; fi
  if [ -f "$APP/pyvenv.cfg" ]; then run rm -rf "$APP"; fi
  say "done. Your data was not touched:"
  note "containers and volumes   docker ps -a --filter label=dev.qdrant-admin.managed; docker volume ls"
  note "native storage, history  $(dirname "$APP") and ${XDG_STATE_HOME:-$HOME/.local/state}/qdrant-admin"
  note "a server that runs goes on running; install again to stop it with: qdrant-admin down"
}

if [ "$DRY" = no ]; then mkdir -p "$(dirname "$LOG")"; fi
if [ "$UNINSTALL" = yes ]; then uninstall; exit 0; fi

install_app
engine
if [ "$DRY" = yes ]; then
  note "would run: qdrant-admin up --runtime $RUNTIME --api-key $API_KEY"
  note "then open qdrant-admin, or without a terminal run: qdrant-admin demo, qdrant-admin status"
  exit 0
fi
say "bringing the server up"
"$COMMAND" up --runtime "$RUNTIME" --api-key "$API_KEY"
if [ -t 0 ] && [ -t 1 ] && [ "$OPEN" = yes ]; then exec "$COMMAND"; fi
say "the whole story on a small sample, in a server of its own that is removed afterwards"
"$COMMAND" demo --runtime "$RUNTIME"
"$COMMAND" status
say "done. Next: $COMMAND"
