#!/usr/bin/env bash
# Claude Code, from npm: upstream's own installer knows neither a mirror nor a version that stays.
set -euo pipefail
# shellcheck source=agent_scripts/common.sh
[ -n "${AGSEKIT_COMMON:-}" ] || . "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_from_npm @anthropic-ai/claude-code
