#!/bin/sh
# Double-click this in Finder. It does what setup_linux.sh does, with the PATH that Finder leaves out, and keeps its window open.
PATH=/opt/homebrew/bin:/usr/local/bin:$HOME/.local/bin:$HOME/.orbstack/bin:$HOME/.rd/bin:$PATH
export PATH
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -f "$here/setup_linux.sh" ]; then
  printf 'error: setup_linux.sh is missing beside this file\n       do now: take the whole folder setup_scripts, not this file alone\n' >&2
  exit 3
fi
sh "$here/setup_linux.sh" "$@"
code=$?
if [ "$code" -ne 0 ] && [ -t 0 ] && [ $# -eq 0 ]; then
  printf '\nPress return to close this window. '
  read -r _
fi
exit "$code"
