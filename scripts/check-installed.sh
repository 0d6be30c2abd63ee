#!/usr/bin/env bash
# Uses an installed agsekit (the path of its command) from a folder of its own, as a new user would.
set -euo pipefail
agsekit=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME="$work" XDG_CONFIG_HOME="$work/.config" XDG_DATA_HOME="$work/.data" XDG_STATE_HOME="$work/.state"

"$agsekit" --version
"$agsekit" --help >/dev/null
"$agsekit" config-example 2>/dev/null
test -s "$XDG_CONFIG_HOME/agsekit/config.yaml"
"$agsekit" config validate  # reads the table of agents, which comes with the package, too
test -s "$(sed -n '1s/.*schema=//p' "$("$agsekit" config path)")"  # the schema that editors are led to
mkdir project
echo content >project/file
"$agsekit" backup-once --source-dir project --dest-dir store
rm project/file
"$agsekit" snapshots restore --source-dir project --dest-dir store --yes 2>/dev/null
test "$(cat project/file)" = content
"$agsekit" snapshots list --dest-dir store --json | grep -q '"kind": "manual"'
