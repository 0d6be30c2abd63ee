#!/usr/bin/env bash
# All tests and checks, with all of their set-up: system packages, virtual environments, the package.
# Usage: scripts/test.sh [PYTEST ARGUMENTS]; with arguments only the tests that they select.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "${checkout:?}"

need git:git rsync:rsync bwrap:bubblewrap shellcheck:shellcheck ps:procps setfacl:acl setfattr:attr script:bsdutils
need ssh:openssh-client proxychains4:proxychains4 systemd-analyze:systemd
if [ -d /run/systemd/system ] && ! [ -x /usr/sbin/sshd ]; then
  say "Without openssh-server the tests of tunnels are skipped; it is not installed here, since that would start it"
else
  need /usr/sbin/sshd:openssh-server
fi
need_python

# The tests need nothing of the caller's: no configuration, no language, no colour.
unset AGSEKIT_LANG CONFIG_PATH AGSEKIT_CONFIG NO_COLOR FORCE_COLOR PYTHONPATH

mapfile -t found < <(pythons)
oldest=${found[0]#* }
newest=${found[-1]#* }
versions=("$newest")
[ "$oldest" = "$newest" ] || versions=("$oldest" "$newest")
[ "${found[0]%% *}" = 9 ] || say "There is no Python 3.9 here: the oldest that is tested is 3.${found[0]%% *}"

environment() { printf '%s/.venvs/3.%s' "$checkout" "$("$1" -c 'import sys; print(sys.version_info[1])')"; }

prepare() {
  local folder
  folder=$(environment "$1")
  make_environment "$folder" "$1"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --group "$2" --editable .
}

run_tests() {
  local folder
  folder=$(environment "$1")
  shift
  say "Tests on $("$folder/bin/python" --version)"
  PATH="$folder/bin:$PATH" "$folder/bin/python" -m pytest "$@"
}

check_code() {
  local bin
  bin=$(environment "$newest")/bin
  say "Format, lint, types, layers, shell"
  "$bin/ruff" format --check --quiet .
  "$bin/ruff" check --quiet .
  "$bin/mypy" --no-error-summary
  "$bin/lint-imports" --no-logo
  git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck -x -P SCRIPTDIR -P .
}

# The wheel is what users get: built once, installed into clean environments, used from another folder.
check_wheel() {
  local work python
  work=$(mktemp -d)
  say "The wheel, in clean environments"
  "$(environment "$newest")/bin/python" -m build --quiet --wheel --outdir "$work/dist" .
  for python in "${versions[@]}"; do
    "$python" -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/dist/*.whl
    scripts/check-installed.sh "$work/venv/bin/agsekit"
    rm -rf "$work/venv"
  done
  rm -rf "$work"
}

say "Setting up"
prepare "$newest" dev
[ "$oldest" = "$newest" ] || prepare "$oldest" test

if [ $# -gt 0 ]; then
  run_tests "$newest" "$@"
  exit
fi
check_code
check_wheel
if [ "$oldest" = "$newest" ]; then
  run_tests "$newest"
  exit
fi
# Both at once: a good part of their time is waiting. What the oldest says is shown when it is done.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Real agents are installed once: what they are is no matter of the Python of agsekit.
AGSEKIT_TEST_REAL_AGENTS=no run_tests "$oldest" >"$log" 2>&1 &
code=0
run_tests "$newest" || code=$?
wait $! || code=$?
cat "$log"
exit "$code"
