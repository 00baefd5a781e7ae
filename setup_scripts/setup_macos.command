#!/bin/sh
# Double-click, or: sh setup_scripts/setup_macos.command (--help says more). Needs no administrator.
set -eu

platform() {
  # Finder gives a short PATH.
  PATH=$PATH:$HOME/.local/bin:/opt/homebrew/bin:/usr/local/bin:$HOME/.orbstack/bin:$HOME/.docker/bin:/Applications/Docker.app/Contents/Resources/bin
  export PATH
  DATA="$HOME/Library/Application Support/qdrant-admin"
  STATE=$DATA
  CONFIG=$DATA
  LAUNCHER="$HOME/Applications/qdrant-admin.command"
}

start_engine() {
  if [ -d /Applications/Docker.app ]; then
    say "starting Docker Desktop"
    quietly docker desktop start --detach || quietly open -ga Docker
  elif command -v orb >/dev/null 2>&1; then
    say "starting OrbStack"
    quietly orb start
  elif command -v colima >/dev/null 2>&1; then
    say "starting Colima"
    quietly colima start
  elif [ -d "/Applications/Rancher Desktop.app" ]; then
    say "starting Rancher Desktop"
    quietly open -ga "Rancher Desktop"
  else
    return 1
  fi
}

add_launcher() {
  [ "$DRY" = 0 ] || { say "would write: $LAUNCHER"; return 0; }
  mkdir -p "$HOME/Applications"
  printf '#!/bin/sh\nexec "%s"\n' "$ADMIN" >"$LAUNCHER"
  chmod 755 "$LAUNCHER"
}

remove_launcher() { quietly rm -f -- "$LAUNCHER"; }

# ---- shared with the other platform's script: a test holds the two to that ----
usage() {
  cat <<TEXT
Sets up qdrant-admin and a Qdrant on this computer, for this user alone. Run it again to repair or upgrade.

  --runtime X   auto (default: a container engine when one answers, else a native server), docker, native
  --yes         ask nothing
  --no-tui      do not open the interface at the end; run the demonstration instead
  --dry-run     say what would be done, and touch nothing
  --uninstall   stop the server and remove the program; data and volumes stay, and you are told where
TEXT
}

say() { printf '%s\n' "$*"; [ "$DRY" = 1 ] || printf '%s\n' "$*" >>"$LOG"; }
die() { say "error: $1"; [ -z "${2:-}" ] || say "  do this: $2"; [ "$DRY" = 1 ] || say "  log: $LOG"; exit 3; }
would() { printf 'would run:'; for word in "$@"; do printf " '%s'" "$word"; done; printf '\n'; }
# With its output in the log.
quietly() { if [ "$DRY" = 1 ]; then would "$@"; else "$@" >>"$LOG" 2>&1; fi; }
# With its output on the screen.
openly() { if [ "$DRY" = 1 ]; then would "$@"; else "$@"; fi; }
interactive() { [ "$TUI" = 1 ] && [ -t 0 ] && [ -t 1 ]; }

options() {
  DRY=0 YES=0 TUI=1 UNINSTALL=0 RUNTIME=auto
  while [ $# -gt 0 ]; do
    case $1 in
      --dry-run) DRY=1 ;;
      --yes | -y) YES=1 ;;
      --no-tui) TUI=0 ;;
      --uninstall) UNINSTALL=1 ;;
      --runtime) RUNTIME=${2:-}; [ $# -lt 2 ] || shift ;;
      --runtime=*) RUNTIME=${1#*=} ;;
      --help | -h) usage; exit 0 ;;
      *) printf 'error: unknown option %s\n' "$1" >&2; usage >&2; exit 2 ;;
    esac
    shift
  done
  case $RUNTIME in
    auto | docker | native) ;;
    *) printf 'error: --runtime takes auto, docker or native\n' >&2; exit 2 ;;
  esac
}

find_uv() {
  UV=$(command -v uv 2>/dev/null) && return 0
  for candidate in "$HOME/.local/bin/uv" "$HOME/.cargo/bin/uv" /opt/homebrew/bin/uv /usr/local/bin/uv; do
    [ -x "$candidate" ] && { UV=$candidate; return 0; }
  done
  UV=
  return 1
}

find_python() {
  for candidate in python3.13 python3.12 python3.11 python3 python; do
    PYTHON=$(command -v "$candidate" 2>/dev/null) || continue
    "$PYTHON" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && return 0
  done
  PYTHON=
  return 1
}

# The checkout this script lies in, else the published package.
find_package() {
  PACKAGE=qdrant-admin CONSTRAINTS=
  here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." 2>/dev/null && pwd) || return 0
  if grep -qs '^name = "qdrant-admin"' "$here/pyproject.toml"; then
    PACKAGE=$here
    [ -f "$here/constraints.txt" ] && CONSTRAINTS=$here/constraints.txt
  fi
  return 0
}

install_with_uv() {
  set -- "$UV" tool install --force --python '>=3.11,<3.14' --reinstall-package qdrant-admin --with keyring
  [ -z "$CONSTRAINTS" ] || set -- "$@" --constraints "$CONSTRAINTS"
  set -- "$@" "$PACKAGE"
  # A second time with the system's certificates: uv brings its own, which an inspecting proxy does not satisfy.
  quietly "$@" || UV_SYSTEM_CERTS=true UV_NATIVE_TLS=true quietly "$@" || die "uv could not install qdrant-admin" "tail -n 20 '$LOG'"
  BIN=$("$UV" tool dir --bin 2>/dev/null) || BIN=$HOME/.local/bin
}

install_with_venv() {
  quietly "$PYTHON" -m venv --upgrade-deps "$APP" || quietly "$PYTHON" -m venv --clear "$APP" || die "no virtual environment could be made in $APP" "tail -n 20 '$LOG'"
  set -- "$APP/bin/python" -m pip install --upgrade
  [ -z "$CONSTRAINTS" ] || set -- "$@" --constraint "$CONSTRAINTS"
  quietly "$@" keyring "$PACKAGE" || die "pip could not install qdrant-admin" "tail -n 20 '$LOG'"
  # The same version from a checkout that has moved on counts as installed: put it in once more.
  quietly "$APP/bin/python" -m pip install --force-reinstall --no-deps "$PACKAGE" ||
    die "pip could not renew qdrant-admin" "tail -n 20 '$LOG'"
  BIN=$HOME/.local/bin
  quietly mkdir -p "$BIN"
  quietly ln -sf "$APP/bin/qdrant-admin" "$BIN/qdrant-admin"
}

install_program() {
  find_package
  say "installing qdrant-admin from $PACKAGE"
  if find_uv; then
    install_with_uv
  elif find_python; then
    install_with_venv
  else
    die "neither uv nor a Python from 3.11 to 3.13 with venv is here" "curl -LsSf https://astral.sh/uv/install.sh | sh"
  fi
  ADMIN=$BIN/qdrant-admin
  case ":$PATH:" in
    *":$BIN:"*) ;;
    *) say "to have it at hand in every terminal, add this line to your shell's start-up file:"; say "  export PATH=\"$BIN:\$PATH\"" ;;
  esac
}

engine_answers() {
  docker info --format '{{.ServerVersion}}' >/dev/null 2>&1 &
  asked=$! ticks=0
  while kill -0 "$asked" 2>/dev/null; do
    [ "$ticks" -ge 10 ] && { kill "$asked" 2>/dev/null; wait "$asked" 2>/dev/null; return 1; }
    sleep 1
    ticks=$((ticks + 1))
  done
  wait "$asked"
}

# An engine that is installed and down is started; none is ever installed without being asked for.
prepare_engine() {
  [ "$RUNTIME" != native ] || return 0
  if ! command -v docker >/dev/null 2>&1; then
    say "no docker command is here: qdrant-admin looks for other engines, and runs a native server if there is none"
    return 0
  fi
  engine_answers && { say "the container engine answers"; return 0; }
  if [ -n "${DOCKER_HOST:-}" ]; then
    say "DOCKER_HOST=$DOCKER_HOST does not answer, and is not ours to start"
    return 0
  fi
  start_engine || { say "no engine here can be started without administrator rights"; return 0; }
  [ "$DRY" = 0 ] || return 0
  waited=0
  while [ "$waited" -lt 90 ]; do
    engine_answers && { printf '\n'; say "the container engine answers"; return 0; }
    waited=$((waited + 2))
    printf '\rwaiting for the container engine: %s s of 90' "$waited"
    sleep 1
  done
  printf '\n'
  say "the container engine is installed and did not come up"
}

bring_up() {
  say "bringing the server up"
  openly "$ADMIN" up --runtime "$RUNTIME" || {
    code=$?
    say "the server did not come up; to see why: '$ADMIN' doctor"
    exit "$code"
  }
}

remove_program() {
  ADMIN=$(command -v qdrant-admin 2>/dev/null) || ADMIN=$HOME/.local/bin/qdrant-admin
  if [ -x "$ADMIN" ]; then
    openly "$ADMIN" down --remove || say "the server could not be stopped; it is left as it is"
  fi
  if find_uv && "$UV" tool list 2>/dev/null | grep -q '^qdrant-admin '; then
    quietly "$UV" tool uninstall qdrant-admin || die "uv could not remove qdrant-admin" "'$UV' tool uninstall qdrant-admin"
  fi
  if [ -d "$APP" ]; then
    quietly rm -rf -- "$APP"
    quietly rm -f -- "$HOME/.local/bin/qdrant-admin"
  fi
  remove_launcher
  say "removed. Your data was not touched:"
  say "  native servers: $DATA/native"
  say "  containers: the volumes listed by: docker volume ls --filter name=qdrant_admin"
  say "  settings and API keys: $CONFIG"
}

confirm() {
  [ "$YES" = 0 ] && [ "$DRY" = 0 ] && interactive || return 0
  printf '%s [Y/n] ' "$1"
  read -r answer || answer=n
  case $answer in
    '' | y | Y | yes) ;;
    *) say "nothing was done"; exit 0 ;;
  esac
}

main() {
  options "$@"
  platform
  APP=$DATA/app LOG=$STATE/setup.log
  [ "$DRY" = 1 ] || mkdir -p "$STATE" "$DATA" || { printf 'error: %s is not writable\n' "$STATE" >&2; exit 3; }
  if [ "$UNINSTALL" = 1 ]; then
    confirm "Stop the server and remove the program (data stays)?"
    remove_program
    return 0
  fi
  confirm "Install qdrant-admin for this user and start a Qdrant on this computer?"
  install_program
  add_launcher
  prepare_engine
  bring_up
  if interactive && [ "$DRY" = 0 ]; then
    say "next time: '$ADMIN'"
    exec "$ADMIN"
  fi
  openly "$ADMIN" demo --runtime "$RUNTIME" || die "the demonstration did not succeed" "'$ADMIN' demo"
  openly "$ADMIN" status || say "the server wants attention: '$ADMIN' doctor"
  say "next: '$ADMIN'"
}

main "$@"
