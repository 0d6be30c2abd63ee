# What the scripts share: saying what happens, system packages, the right Python, virtual environments.
# Sourced, not run.
# shellcheck shell=bash

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export checkout

say() { printf '\n\033[1m==> %s\033[0m\n' "$*" >&2; }
fail() {
  printf '\nerror: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    fail "root is needed for: $*" "run that as root, then this script again"
  fi
}

# need COMMAND:PACKAGE ... installs the packages of the commands that are missing.
need() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  install_packages "${missing[@]}"
}

install_packages() {
  [ $# -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    fail "these programs are missing: $*" "install them with the package manager of this system"
  fi
  say "Installing system packages: $* (apt-get$([ "$(id -u)" -eq 0 ] || printf ', with sudo'))"
  as_root env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@" >/dev/null' sh "$@"
}

# pythons prints every Python >= 3.9 of this machine as "MINOR PATH", oldest first, one per minor version.
pythons() {
  local candidate
  {
    compgen -c python3 | grep -E '^python3(\.[0-9]+)?$' | sort -u | while read -r candidate; do command -v "$candidate"; done
    ls "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python 2>/dev/null || true
    printf '%s\n' /usr/bin/python3
  } | sort -u | while read -r candidate; do
    "$candidate" - "$candidate" 2>/dev/null <<'PY' || true
import sys
if sys.version_info >= (3, 9) and sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final":
    import ensurepip, venv  # Debian has these in a package of their own
    print(sys.version_info[1], sys.executable)
PY
  done | sort -n -u -k1,1
}

need_python() {
  [ -n "$(pythons)" ] || install_packages python3 python3-venv
  [ -n "$(pythons)" ] || fail "there is no Python 3.9 or newer here" "install one, with its venv module"
}

# make_environment FOLDER PYTHON makes a virtual environment with a pip that knows dependency groups.
make_environment() {
  [ -x "$1/bin/python" ] || "$2" -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
}
