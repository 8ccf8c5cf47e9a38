#!/usr/bin/env bash
# Trains small networks with random settings for an hour, disturbs them, and compares the bytes of what
# they leave with those of undisturbed runs: tests/integration/soak.py says how.
#   scripts/soak.sh [SECONDS [SEED]]      3600 seconds, a random seed by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake --preset release >/dev/null
cmake --build build --target resgrad >/dev/null
exec python3 tests/integration/soak.py build/resgrad "${1:-3600}" ${2+"$2"}
