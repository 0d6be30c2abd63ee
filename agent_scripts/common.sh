# What the scripts that install agents share. Sourced by them, or sent along in front of one; not run by itself.
# shellcheck shell=bash
#
# Given by agsekit: AGSEKIT_TYPE, AGSEKIT_BINARY, AGSEKIT_VERSION (or `latest`), and where they matter AGSEKIT_NODE and
# AGSEKIT_PYTHON: what types.json says. Everything is below the home folder; ~/.local/bin gets one small program per
# agent, which starts the agent with the right Node. All talk goes to standard error, and the last line on standard
# output is `agsekit-installed TYPE VERSION PATH`.
set -euo pipefail

node_version=24.21.0

: "${AGSEKIT_TYPE:?is set by agsekit}" "${AGSEKIT_BINARY:?is set by agsekit}" "${AGSEKIT_VERSION:?is set by agsekit}"
export AGSEKIT_COMMON=loaded
share=$HOME/.local/share/agsekit
shared_node=$share/node
own=$share/agents/$AGSEKIT_TYPE
program=$HOME/.local/bin/$AGSEKIT_BINARY
record=$own/installed
target=
node_made=
PATH=$HOME/.local/bin:$PATH

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "error: $*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# The certificates of this system count for every tool, also for those that bring a list of their own: behind a proxy
# that looks into TLS nothing works otherwise.
trust_this_system() {
  local bundle name
  for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
    [ -r "$bundle" ] || continue
    for name in NODE_EXTRA_CA_CERTS PIP_CERT REQUESTS_CA_BUNDLE SSL_CERT_FILE CURL_CA_BUNDLE CARGO_HTTP_CAINFO; do
      [ -n "${!name:-}" ] || export "$name=$bundle"
    done
    return 0
  done
}

# retry COMMAND... runs a command that needs the network until it succeeds. What waiting does not cure is not tried
# again: a version that does not exist, a full disk.
permanent='E404|ETARGET|EBADENGINE|ENOSPC|EACCES|EINTEGRITY|No matching distribution|No space left|HTTP 4[0-9][0-9]'
retry() {
  local attempt code seconds=${AGSEKIT_RETRY_SECONDS:-5} output
  output=$(mktemp)
  for ((attempt = 1; ; attempt++)); do
    code=0
    "$@" 2>&1 | tee "$output" >&2 || code=${PIPESTATUS[0]}
    if [ "$code" -eq 0 ]; then
      rm -f "$output"
      return 0
    fi
    if [ "$attempt" -ge "${AGSEKIT_ATTEMPTS:-4}" ] || grep -qE "$permanent" "$output"; then
      rm -f "$output"
      return "$code"
    fi
    say "$1 failed; trying again in $seconds s"
    sleep "$seconds"
    seconds=$((seconds * 2))
  done
}

fetch() {
  local code
  if have curl; then
    code=$(curl --silent --show-error --location --connect-timeout 20 --speed-limit 1 --speed-time 60 \
      --output "$2" --write-out '%{http_code}' "$1") || return
    [ "$code" -lt 400 ] || {
      say "$1: HTTP $code"
      return 22
    }
  elif have wget; then
    wget --no-verbose --timeout=60 --tries=1 --output-document="$2" "$1"
  else
    fail "neither curl nor wget is installed"
  fi
}

# download URL FILE
download() {
  say "Downloading $1"
  retry fetch "$1" "$2"
}

# verify FILE SHA256
verify() {
  printf '%s  %s\n' "$2" "$1" | sha256sum --check --quiet - >&2 || fail "the checksum of $(basename "$1") is wrong"
}

# One installation at a time: they share Node, and a half-made folder must not be taken for a whole one.
lock() {
  local descriptor
  mkdir -p "$share" "$own" "$HOME/.local/bin"
  have flock || return 0
  exec {descriptor}>"$share/lock"
  flock --nonblock "$descriptor" && return 0
  say "Another installation is running; waiting for it"
  flock --timeout 7200 "$descriptor" || fail "another installation has been running for two hours"
}

# begin: stops here when the wanted version is installed already; otherwise makes $target, a new folder of its own.
begin() {
  lock
  trust_this_system
  stop_if_installed
  [ "$AGSEKIT_VERSION" = latest ] || say "Installing $AGSEKIT_TYPE $AGSEKIT_VERSION"
  trap 'rm -rf "$target" "$node_made"' EXIT
  target=$(mktemp -d "$own/$AGSEKIT_VERSION.XXXXXX")
}

stop_if_installed() {
  [ "$AGSEKIT_VERSION" != latest ] && [ "$(recorded 1)" = "$AGSEKIT_VERSION" ] || return 0
  version_of "$program" >/dev/null || return 0
  say "$AGSEKIT_TYPE $AGSEKIT_VERSION is installed already"
  report
  exit 0
}

# The record of an installation has a line each for version, state of the files, folder, and the agent itself.
recorded() { [ ! -r "$record" ] || sed -n "${1}p" "$record"; }

# state_of FILE... changes when somebody else replaces one of the files.
state_of() { stat -L -c '%i-%s-%Y' -- "$@" | paste -s -d ' ' -; }

version_of() {
  local output code=0
  output=$(timeout 120 "$1" --version </dev/null 2>/dev/null) || code=$?
  if [ "$code" -ne 0 ] || ! [[ $output =~ [0-9]+(\.[0-9]+)+(-[0-9A-Za-z.]*[0-9A-Za-z])? ]]; then
    say "$1 --version ends with the exit code $code"
    [ "$code" -ne 132 ] || say "This processor lacks instructions that the program needs"
    return 1
  fi
  printf '%s\n' "${BASH_REMATCH[0]}"
}

# write_launcher FILE WORD... writes a program that becomes WORD... The shared Node comes last on PATH: whatever the
# agent starts finds the Node of the system first.
write_launcher() {
  local file=$1
  shift
  {
    printf '#!/bin/sh\n# Made by agsekit; installing the agent again replaces it.\n'
    # shellcheck disable=SC2016  # the launcher expands these, not this script
    printf 'PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}:%q\nexport PATH\nexec' "$shared_node/bin"
    printf ' %q' "$@"
    # shellcheck disable=SC2016
    printf ' "$@"\n'
  } >"$file"
  chmod 755 "$file"
}

# finish WORD... puts the program in place once it is seen to run, and ends the script. The last word is the agent.
finish() {
  local version previous entry
  write_launcher "$target/launcher" "$@"
  version=$(version_of "$target/launcher") || fail "$AGSEKIT_TYPE was installed, but does not run here"
  previous=$(recorded 3)
  cp "$target/launcher" "$program.agsekit-new"
  mv -f "$program.agsekit-new" "$program"
  printf '%s\n' "$version" "$(state_of "$program" "${!#}")" "$target" "${!#}" >"$record.new"
  mv -f "$record.new" "$record"
  trap - EXIT
  # What was there before stays until the next time: an agent may be running from it.
  for entry in "$own"/*/; do
    entry=${entry%/}
    [ "$entry" = "$target" ] || [ "$entry" = "$previous" ] || rm -rf "$entry"
  done
  report
  exit 0
}

report() { printf 'agsekit-installed %s %s %s\n' "$AGSEKIT_TYPE" "$(recorded 1)" "$program"; }

# Node: that of the system when it is new enough, otherwise one for all agents in $shared_node.

# node_at_least FOLDER MAJOR
node_at_least() {
  local version
  version=$("$1/node" --version 2>/dev/null) || return 1
  [[ $version =~ ^v([0-9]+)\. ]] && [ "${BASH_REMATCH[1]}" -ge "$2" ] && [ -e "$1/npm" ]
}

node_platform() {
  case $(uname -m) in
    x86_64) echo linux-x64 ;;
    aarch64 | arm64) echo linux-arm64 ;;
    *) fail "there is no Node for the processor $(uname -m)" ;;
  esac
}

# need_node MAJOR sets $node_bin, the folder of `node` and `npm`.
need_node() {
  local system
  system=$(command -v node || true)
  if [ -n "$system" ] && node_at_least "${system%/*}" "$1"; then
    node_bin=${system%/*}
    return 0
  fi
  node_bin=$shared_node/bin
  if ! node_at_least "$node_bin" "$1"; then
    [ "${node_version%%.*}" -ge "$1" ] || fail "this agent needs Node $1, and agsekit brings $node_version"
    install_node
    node_at_least "$node_bin" "$1" || fail "Node $node_version was installed, but does not run here"
  fi
}

install_node() {
  local entry
  say "Installing Node $node_version for all agents"
  node_made=$(mktemp -d "$share/node-$node_version.XXXXXX")
  if ! node_from_upstream "$node_made"; then
    have npm || fail "Node $node_version could not be downloaded, and there is no npm to get it another way"
    say "Node could not be downloaded from upstream; trying its npm package"
    node_from_npm "$node_made" || fail "Node $node_version could not be installed"
  fi
  ln -sfn "${node_made##*/}" "$shared_node.new"
  mv -fT "$shared_node.new" "$shared_node"
  for entry in "$share"/node-*/; do
    [ "${entry%/}" = "$node_made" ] || rm -rf "${entry%/}"
  done
  node_made=
}

node_from_upstream() {
  local name base sum attempts=4
  name=node-v$node_version-$(node_platform)
  base=${NVM_NODEJS_ORG_MIRROR:-https://nodejs.org/dist}/v$node_version
  ! have npm || attempts=1 # there is another way
  AGSEKIT_ATTEMPTS=${AGSEKIT_ATTEMPTS:-$attempts} download "$base/SHASUMS256.txt" "$1/SHASUMS256.txt" || return 1
  sum=$(sed -n "s/^\([0-9a-f]\{64\}\)  $name\.tar\.gz\$/\1/p" "$1/SHASUMS256.txt")
  [ -n "$sum" ] || fail "upstream names no checksum for $name.tar.gz"
  download "$base/$name.tar.gz" "$1/node.tar.gz" || return 1
  verify "$1/node.tar.gz" "$sum"
  tar -xzf "$1/node.tar.gz" -C "$1" --strip-components=1 --no-same-owner || return 1
  rm -f "$1/node.tar.gz"
}

node_from_npm() {
  local package
  package=node-$(node_platform)
  retry env npm_config_cache="$1/cache" npm install --global --prefix "$1" --no-audit --no-fund \
    "$package@$node_version" npm@11 || return
  rm -rf "$1/cache"
  ln -sfn "../lib/node_modules/$package/bin/node" "$1/bin/node"
}

# install_from_npm PACKAGE [COMMAND]: COMMAND is the name that the package gives its program.
install_from_npm() {
  local package=$1 command=${2:-$AGSEKIT_BINARY}
  begin
  need_node "${AGSEKIT_NODE:?is set by agsekit}"
  export PATH="$node_bin:$PATH" npm_config_cache="$target/cache" npm_config_update_notifier=false
  # Newer versions of npm run the install scripts of packages that are named here, older ones run all of them.
  export npm_config_allow_scripts=$package
  if [ "$AGSEKIT_VERSION" = latest ]; then
    AGSEKIT_VERSION=$(npm view "$package" version 2>/dev/null || echo latest)
    stop_if_installed
  fi
  retry npm install --global --prefix "$target" --no-audit --no-fund --no-progress "$package@$AGSEKIT_VERSION" ||
    fail "$package $AGSEKIT_VERSION could not be installed with npm"
  rm -rf "$target/cache"
  finish_node "$(readlink -f "$target/bin/$command")"
}

# finish_node FILE: what npm calls a program may be for Node, or a binary.
finish_node() {
  local line=
  [ -f "$1" ] || fail "the package has no program ${1##*/}"
  read -r line <"$1" 2>/dev/null || true
  if [[ $line =~ ^\#!.*[/\ ]node(\ +(.*))?$ ]]; then
    local options=()
    read -r -a options <<<"${BASH_REMATCH[2]:-}"
    finish "$node_bin/node" "${options[@]}" "$1"
  fi
  finish "$1"
}
