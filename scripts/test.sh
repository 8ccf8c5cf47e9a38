#!/usr/bin/env bash
# Sets up, builds and runs all tests.
#   scripts/test.sh [ctest arguments]          e.g. scripts/test.sh -L gradcheck
# RESGRAD_CMAKE_ARGS: further arguments for cmake, split at blanks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh
read -ra cmake_args <<<"${RESGRAD_CMAKE_ARGS:-}"
cmake --preset release "${cmake_args[@]}"
cmake --build build
# Tests run side by side, each on all cores: a thread that waits must leave its core to others.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
ctest --test-dir build --no-tests=error --output-on-failure -j "$(nproc)" "$@"
