#!/usr/bin/env bash
# goose, the binary of its release page.
set -euo pipefail
# shellcheck source=agent_scripts/common.sh
[ -n "${AGSEKIT_COMMON:-}" ] || . "$(dirname "${BASH_SOURCE[0]}")/common.sh"

repository=aaif-goose/goose

# The release page itself lists no checksums; what the host of it computed is asked for, and is not always to be had.
published_sum() {
  AGSEKIT_ATTEMPTS=1 download "https://api.github.com/repos/$repository/releases/tags/$1" "$target/release.json" || return 0
  awk -v name="\"$2\"" '
    $1 == "\"name\":" { found = index($2, name) == 1 }
    found && $1 == "\"digest\":" && match($2, /sha256:[0-9a-f]+/) { print substr($2, RSTART + 7, RLENGTH - 7); exit }
  ' "$target/release.json"
}

begin
tag=v$AGSEKIT_VERSION
[ "$AGSEKIT_VERSION" != latest ] || tag=stable
machine=$(uname -m)
archive=goose-${machine/arm64/aarch64}-unknown-linux-gnu.tar.gz
download "https://github.com/$repository/releases/download/$tag/$archive" "$target/$archive" ||
  fail "goose $AGSEKIT_VERSION could not be downloaded"
sum=$(published_sum "$tag" "$archive")
if [ -n "$sum" ]; then
  verify "$target/$archive" "$sum"
else
  say "warning: no checksum of $archive could be had"
fi
mkdir "$target/bin"
tar -xzf "$target/$archive" -C "$target/bin" --no-same-owner
rm -f "$target/$archive"
found=$(find "$target/bin" -type f -name goose | sed -n 1p)
[ -n "$found" ] || fail "there is no goose in $archive"
chmod 755 "$found"
finish "$found"
