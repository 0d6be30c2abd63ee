#!/usr/bin/env bash
# Codex, built from its source with cargo against the C library of this system, so that proxychains reaches it.
# No prebuilt binary is used. Takes an hour and more, some 4 GiB of memory and 15 GiB of disk.
set -euo pipefail
# shellcheck source=agent_scripts/common.sh
[ -n "${AGSEKIT_COMMON:-}" ] || . "$(dirname "${BASH_SOURCE[0]}")/common.sh"

source_url=https://github.com/openai/codex
rustup_url=https://static.rust-lang.org/rustup/dist

# What a compiler needs is installed where that is possible without a password, and named where it is not.
need_compiler() {
  local missing=()
  have cc || missing+=(build-essential)
  have git || missing+=(git)
  have pkg-config || missing+=(pkg-config)
  pkg-config --exists openssl 2>/dev/null || missing+=(libssl-dev)
  pkg-config --exists libcap 2>/dev/null || missing+=(libcap-dev)
  [ ${#missing[@]} -gt 0 ] || return 0
  if have apt-get && have sudo && sudo -n true 2>/dev/null; then
    say "Installing ${missing[*]}"
    retry sudo -n -E env DEBIAN_FRONTEND=noninteractive apt-get update &&
      retry sudo -n -E env DEBIAN_FRONTEND=noninteractive apt-get install -y "${missing[@]}" && return 0
  fi
  fail "building needs these packages, which could not be installed: ${missing[*]}"
}

need_cargo() {
  local platform file
  PATH=$PATH:$HOME/.cargo/bin
  ! have cargo || return 0
  platform=$(uname -m)-unknown-linux-gnu
  for file in rustup-init rustup-init.sha256; do
    download "$rustup_url/$platform/$file" "$target/$file" ||
      fail "there is no cargo here, and rustup cannot be downloaded"
  done
  verify "$target/rustup-init" "$(cut -d' ' -f1 "$target/rustup-init.sha256")"
  chmod 755 "$target/rustup-init"
  retry "$target/rustup-init" -y --quiet --no-modify-path --profile minimal || fail "Rust could not be installed"
}

newest_tag() {
  git ls-remote --tags --refs "$source_url" 'rust-v*' | sed -n 's,.*refs/tags/\(rust-v[0-9.]*\)$,\1,p' | sort -V | tail -n 1
}

# Linking takes gigabytes: one job for every 2 GiB, and no optimisation across the whole program.
set_limits() {
  local gibibytes jobs
  gibibytes=$(awk '$1 == "MemTotal:" { print int($2 / 1048576) }' /proc/meminfo)
  jobs=$((gibibytes / 2))
  [ "$jobs" -le "$(nproc)" ] || jobs=$(nproc)
  [ "$jobs" -ge 1 ] || jobs=1
  export CARGO_BUILD_JOBS=${CARGO_BUILD_JOBS:-$jobs} CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=0
  export CARGO_NET_RETRY=5 CARGO_TERM_PROGRESS_WHEN=never
}

begin
need_compiler
need_cargo
tag=rust-v$AGSEKIT_VERSION
[ "$AGSEKIT_VERSION" != latest ] || tag=$(newest_tag)
[ -n "$tag" ] || fail "the versions of Codex cannot be listed"
clone() { rm -rf "$target/source" && git clone --quiet --depth 1 --branch "$tag" "$source_url" "$target/source"; }
retry clone || fail "the source of Codex $tag could not be had"
set_limits
build() { cd "$target/source/codex-rs" && cargo build --release --locked -p codex-cli --bin codex; }
say "Building Codex $tag with $CARGO_BUILD_JOBS job(s); this takes long"
retry build || fail "Codex $tag could not be built"
mkdir "$target/bin"
mv "$target/source/codex-rs/target/release/codex" "$target/bin/codex-glibc"
rm -rf "$target/source" "$target"/rustup-init*
finish "$target/bin/codex-glibc"
