#!/usr/bin/env bash
# Writes anew what is made from the code: the JSON Schema of the configuration, and the tables and pages of docs/
# about keys, commands and agents.
# Usage: scripts/refresh.sh [PYTHON], a Python that has agsekit's dependencies.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${1:-python3}
"$python" -c '
from agsekit.config import schema
schema.schema_file().write_text(schema.text(), encoding="utf-8")
'
"$python" -m tests.support.key_tables
"$python" -m tests.support.reference
"$python" -m tests.support.agent_table
