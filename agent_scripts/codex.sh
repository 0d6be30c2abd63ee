#!/usr/bin/env bash
# Codex, from npm, which brings a static binary: proxychains does not reach it (codex-glibc is for that).
set -euo pipefail
# shellcheck source=agent_scripts/common.sh
[ -n "${AGSEKIT_COMMON:-}" ] || . "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_from_npm @openai/codex
