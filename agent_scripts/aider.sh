#!/usr/bin/env bash
# Aider, with pip in an environment of its own; with uv where no suitable Python is installed.
set -euo pipefail
# shellcheck source=agent_scripts/common.sh
[ -n "${AGSEKIT_COMMON:-}" ] || . "$(dirname "${BASH_SOURCE[0]}")/common.sh"

uv_version=0.13.9
oldest=${AGSEKIT_PYTHON%-*}
newest=${AGSEKIT_PYTHON#*-}

# Prints a Python between the two versions that can make environments; Debian has that in a package of its own.
find_python() {
  local minor name
  for ((minor = ${newest#3.}; minor >= ${oldest#3.}; minor--)); do
    for name in "python3.$minor" python3; do
      if have "$name" && "$name" -c "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, $minor))" 2>/dev/null; then
        command -v "$name"
        return 0
      fi
    done
  done
  return 1
}

no_uv() { fail "no Python from $oldest to $newest with venv is here, and uv, which brings one, cannot be downloaded"; }

# Prints the path of uv, which is downloaded when it is missing.
find_uv() {
  local name base
  if have uv; then
    command -v uv
    return 0
  fi
  name=uv-$(uname -m)-unknown-linux-gnu
  base=https://github.com/astral-sh/uv/releases/download/$uv_version
  download "$base/$name.tar.gz" "$target/uv.tar.gz" || no_uv
  download "$base/$name.tar.gz.sha256" "$target/uv.sha256" || no_uv
  verify "$target/uv.tar.gz" "$(cut -d' ' -f1 "$target/uv.sha256")"
  tar -xzf "$target/uv.tar.gz" -C "$target" --strip-components=1 --no-same-owner
  rm -f "$target/uv.tar.gz"
  printf '%s\n' "$target/uv"
}

begin
wanted=aider-chat
[ "$AGSEKIT_VERSION" = latest ] || wanted="aider-chat==$AGSEKIT_VERSION"
if python=$(find_python); then
  "$python" -m venv "$target/venv"
  retry "$target/venv/bin/python" -m pip install --no-input --no-cache-dir --disable-pip-version-check \
    --progress-bar off "$wanted" || fail "$wanted could not be installed with pip"
else
  uv=$(find_uv)
  [ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"
  export UV_NO_CACHE=1 UV_NATIVE_TLS=1 UV_PYTHON_INSTALL_DIR="$target/python"
  retry "$uv" venv --quiet --python "$newest" "$target/venv" || fail "uv could not bring Python $newest"
  retry "$uv" pip install --python "$target/venv/bin/python" "$wanted" || fail "$wanted could not be installed with uv"
fi
finish "$target/venv/bin/aider"
