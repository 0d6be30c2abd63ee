#!/usr/bin/env bash
# Crush, from npm; the package downloads its binary from the release page and checks its sum.
set -euo pipefail
# shellcheck source=agent_scripts/common.sh
[ -n "${AGSEKIT_COMMON:-}" ] || . "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_from_npm @charmland/crush
