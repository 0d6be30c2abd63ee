#!/usr/bin/env bash
# Qwen Code, from npm.
set -euo pipefail
# shellcheck source=agent_scripts/common.sh
[ -n "${AGSEKIT_COMMON:-}" ] || . "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_from_npm @qwen-code/qwen-code
