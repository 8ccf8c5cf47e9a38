#!/usr/bin/env bash
# Looks for faults with clang-tidy and the checks in .clang-tidy; any finding fails.
#   scripts/tidy.sh [--seconds N] [FILE...]     the sources given, all of them by default
#   scripts/tidy.sh [--seconds N] --changed     those that differ from the commit before HEAD, all without one
# A changed header is looked at in one source that includes it. --seconds: begins with no source after N
# seconds, and says how many are left. Needs clang-tidy (scripts/setup.sh --with-dev).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=1000000
if [[ ${1:-} == --seconds ]]; then
  seconds=${2:?tidy: --seconds: expected a number}
  shift 2
fi

# one_of HEADER: a source that includes the header; its own, where there is one.
one_of() {
  local own=${1%.h}.cpp
  if [[ -f $own ]]; then
    echo "$own"
  else
    git grep -l -F "#include \"$1\"" -- '*.cpp' | sed -n 1p
  fi
}

# sources: reads files, writes the sources to look at.
sources() {
  local file
  while read -r file; do
    case "$file" in *.h) one_of "$file" || true ;; *) echo "$file" ;; esac
  done | sort -u
}

named=false
list=$(mktemp)
trap 'rm -f "$list"' EXIT
case "${1:-}" in
  -h | --help)
    sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
  --changed)
    if git rev-parse --quiet --verify HEAD~1 >/dev/null; then
      git diff --name-only --diff-filter=d HEAD~1 -- '*.cpp' '*.h' >"$list"
    else
      echo "tidy: no commit before HEAD is here: all sources" >&2
      git ls-files '*.cpp' >"$list"
    fi
    git ls-files --others --exclude-standard -- '*.cpp' '*.h' >>"$list"
    ;;
  "") git ls-files '*.cpp' >"$list" ;;
  *)
    named=true
    printf '%s\n' "$@" >"$list"
    ;;
esac
mapfile -t files < <(sources <"$list")

command -v clang-tidy >/dev/null || {
  echo "tidy: clang-tidy is not installed: scripts/setup.sh --with-dev" >&2
  exit 1
}
# The flags of sources, without precompiled headers, which would have to be built, so that a source that
# does not include what it uses is found as well; and headers that the build makes.
cmake -S . -B build-tidy -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=Debug \
  -DRESGRAD_PRECOMPILE=OFF -DRESGRAD_BUILD_FUZZ=ON >/dev/null
cmake --build build-tidy --target resgrad_public_headers >/dev/null

# Those that another project compiles stand in no list.
known() { grep -qF "\"file\": \"$PWD/$1\"" build-tidy/compile_commands.json; }
look_at() {
  if ((EPOCHSECONDS >= deadline)); then
    echo "$1" >>"$left"
  else
    clang-tidy -p build-tidy --quiet --warnings-as-errors='*' "$1" 2>/dev/null
  fi
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
left=$scratch/left deadline=$((EPOCHSECONDS + seconds))
touch "$left"
export left deadline
export -f look_at
for file in "${files[@]}"; do
  if known "$file"; then
    echo "$file"
  elif [[ $named == true ]]; then
    echo "tidy: $file: expected a source of the build" >&2
    exit 1
  fi
done >"$scratch/files"
# shellcheck disable=SC2016 # the shell that xargs starts expands it
xargs -r -d '\n' -n 1 -P "$(nproc)" bash -c 'look_at "$1"' _ <"$scratch/files" || {
  echo "tidy: FAILED" >&2
  exit 1
}
count=$(wc -l <"$scratch/files")
echo "tidy: $((count - $(wc -l <"$left"))) of $count sources: good"
