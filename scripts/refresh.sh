#!/usr/bin/env bash
# Writes anew what is made from the tables of keys: the JSON Schema of the configuration.
# Usage: scripts/refresh.sh [PYTHON], a Python that has agsekit's dependencies.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
"${1:-python3}" -c '
from agsekit.config import schema
schema.schema_file().write_text(schema.text(), encoding="utf-8")
'
