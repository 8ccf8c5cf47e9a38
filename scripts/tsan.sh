#!/usr/bin/env bash
# Looks for races with ThreadSanitizer: the loader, signals, recorders, and trainings of a few steps.
#   scripts/tsan.sh
# Needs clang with its OpenMP (scripts/setup.sh --with-dev), whose libarcher tells the sanitizer where
# threads of OpenMP wait for each other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake --preset tsan >/dev/null
cmake --build --preset tsan
archer=$(dirname "$(readlink -f "$(command -v clang++)")")/../lib/libarcher.so
[[ -f $archer ]] || {
  echo "tsan: expected libarcher.so beside clang's OpenMP, found none: scripts/setup.sh --with-dev" >&2
  exit 1
}
export OMP_TOOL_LIBRARIES=$archer OMP_WAIT_POLICY=passive OMP_NUM_THREADS=3
# OpenMP and OpenBLAS themselves are not instrumented: what they do with locks of their own would look
# like races.
export TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1:second_deadlock_stack=1:die_after_fork=0
build-tsan/tests_data --source-file='*loader_test.cpp'
# Children that are forked from a program with threads have no sanitizer that works: signals come late.
build-tsan/tests_train --test-case-exclude='a second SIGINT*,afterwards signals*,a thread that cannot*' \
  --source-file='*signals_test.cpp,*recorders_test.cpp,*step_test.cpp,*trainer_test.cpp'
