#!/usr/bin/env bash
# Runs the fuzz targets of tests/fuzz, as many at a time as there are processors.
#   scripts/fuzz.sh [SECONDS [TARGET...]]      60 seconds each, all targets by default
# A target begins with the seeds in tests/fuzz/seeds and with what earlier runs found worth keeping, in
# build-asan/corpus. It fails on a crash, an error of a sanitizer, a leak, an input that takes more than
# ten seconds, and a block of memory of more than 100 MB; the input is then in build-asan/found, and
# build-asan/fuzz_TARGET FILE runs it again. Needs clang with its runtime (scripts/setup.sh --with-dev).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 0
fi
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || {
  echo "fuzz: SECONDS: expected a whole number above 0, got $seconds" >&2
  exit 2
}
targets=("${@:2}")
((${#targets[@]} > 0)) || targets=(safetensors checkpoint settings cifar image metrics engines networks)

cmake --preset fuzz >/dev/null
cmake --build build-asan --target "${targets[@]/#/fuzz_}"
mkdir -p build-asan/found
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

run() {
  local target=$1 corpus=build-asan/corpus/$1 dictionary=tests/fuzz/dictionaries/$1.dict log=$logs/$1 flags
  flags=(-max_total_time="$seconds" -timeout=10 -malloc_limit_mb=100 -rss_limit_mb=1024 -max_len=1024
    -artifact_prefix="build-asan/found/$target-" -print_final_stats=1)
  [[ ! -f $dictionary ]] || flags+=(-dict="$dictionary")
  # In CI the same inputs each time: its result must depend on the change alone.
  [[ -z ${CI:-} ]] || flags+=(-seed=2026)
  mkdir -p "$corpus"
  # Threads would only wait for each other in programs that start them a thousand times a second. Freed
  # memory is kept from use for a while, but not so much of it that it hides what an input takes.
  if OMP_NUM_THREADS=1 ASAN_OPTIONS=quarantine_size_mb=32 UBSAN_OPTIONS=print_stacktrace=1 \
    "build-asan/fuzz_$target" "${flags[@]}" "$corpus" "tests/fuzz/seeds/$target" >"$log" 2>&1; then
    awk -v target="$target" '/number_of_executed_units/ { runs = $2 } /average_exec_per_sec/ { rate = $2 }
      /peak_rss_mb/ { peak = $2 }
      END { printf "fuzz: %-12s %12d executions, %7d a second, peak %d MB\n", target, runs, rate, peak }' "$log"
    touch "$logs/$target.passed"
  else
    tail -n 60 "$log"
    echo "fuzz: $target: FAILED; the input is in build-asan/found" >&2
  fi
}

for target in "${targets[@]}"; do
  while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n; done
  run "$target" &
done
wait
for target in "${targets[@]}"; do
  [[ -e $logs/$target.passed ]] || { echo "fuzz: $target: not passed" >&2 && exit 1; }
done
