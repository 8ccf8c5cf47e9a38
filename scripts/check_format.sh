#!/usr/bin/env bash
# Checks the form of the project's files: formatting, shell and Python syntax, forbidden flags, paths of
# one machine. Tools that are not installed are named and skipped: scripts/setup.sh --with-dev.
#   scripts/check_format.sh [--fix]          --fix formats the C++ files in place
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fix=false
case "${1:-}" in
  "") ;;
  --fix) fix=true ;;
  *)
    echo "usage: scripts/check_format.sh [--fix]" >&2
    exit 2
    ;;
esac

failed=0
fail() {
  echo "check_format: $*" >&2
  failed=1
}
skip() { echo "check_format: skipped: $*"; }

# Tracked files and new ones; outside a git checkout (a source archive) all but what is built.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  mapfile -t files < <(git ls-files --cached --others --exclude-standard)
else
  mapfile -t files < <(find . -type f -not -path './.git/*' -not -path './build*' -not -path './runs/*' \
    -not -path './data-cache/*' -not -path '*/__pycache__/*' | sed 's|^\./||' | sort)
fi
cpp=() headers=() shell=() python=() text=()
for file in "${files[@]}"; do
  [[ -f $file ]] || continue # deleted, but not committed yet
  case "$file" in
    *.h) cpp+=("$file") headers+=("$file") ;;
    *.cpp) cpp+=("$file") ;;
    *.sh | .ci/run | .githooks/*) shell+=("$file") ;;
    *.py) python+=("$file") ;;
  esac
  case "$file" in
    scripts/check_format.sh) ;; # names what it forbids
    *.png | *.jpg | *.svg | *.bin | *.json) ;;
    *) text+=("$file") ;;
  esac
done

if ! command -v clang-format >/dev/null; then
  skip "clang-format is not installed"
elif [[ $fix == true ]]; then
  clang-format -i "${cpp[@]}"
else
  clang-format --dry-run -Werror --ferror-limit=5 "${cpp[@]}" ||
    fail "clang-format would change files (scripts/check_format.sh --fix does it)"
fi

for file in "${shell[@]}"; do
  bash -n "$file" || fail "$file: bash cannot parse it"
done
for file in "${shell[@]}" "${python[@]}"; do
  [[ $(head -c 2 "$file") != '#!' || -x $file ]] || fail "$file: begins with #! and is not executable"
done
if command -v shellcheck >/dev/null; then
  shellcheck "${shell[@]}" || fail "shellcheck has complaints"
else
  skip "shellcheck is not installed"
fi

pycache=$(mktemp -d)
trap 'rm -rf "$pycache"' EXIT
PYTHONPYCACHEPREFIX=$pycache python3 -m py_compile "${python[@]}" || fail "python cannot compile a script"

# forbid PATTERN REASON FILE...: fails on every line that matches.
forbid() {
  local pattern=$1 reason=$2
  shift 2
  local hits
  if hits=$(grep -nIE -e "$pattern" -- "$@" /dev/null); then
    fail "$reason:"$'\n'"$hits"
  fi
}
builds=()
for file in "${text[@]}"; do
  case "$file" in CMakeLists.txt | */CMakeLists.txt | CMakePresets.json | *.cmake | *.h | *.cpp) builds+=("$file") ;; esac
done
forbid '-ffast-math|-Ofast|-funsafe-math' "flags that delete checks for NaN and change sums" \
  "${builds[@]}" CMakePresets.json
forbid '(^|[^[:alnum:]_.])/(home|root|work)/' "a path of one machine" "${text[@]}" CMakePresets.json
library=()
for file in "${cpp[@]}"; do
  case "$file" in core/* | nn/* | models/* | data/* | train/*) library+=("$file") ;; esac
done
forbid 'fmt::print\(|std::(cout|cerr|printf|puts)' "output past train/cli/output.h, whose errors nobody sees" \
  "${library[@]}"
# Fields as docs/Doxyfile reads them: at the start of a line, with two blanks or more behind the name.
fields='Shapes|Grad|Units|Parameters|Buffers|Initial|Differs|Throws|Source'
forbid "//.*[^/ ] +($fields)  |///.*[^/ ] (Throws|Source:|Differs:) |/// (Throws|Differs) [^ ]" \
  "a field of a docstring that does not start its line with two blanks behind its name" "${headers[@]}"
forbid '^ *// -{5,}$' "the rest of a rule between sections that was cut in two" "${cpp[@]}"
forbid '[[:space:]]$' "blanks at the end of the line" "${cpp[@]}" "${shell[@]}" "${python[@]}"
forbid $'\r' "a carriage return" "${text[@]}"

if ((failed == 0)); then
  echo "check_format: ${#cpp[@]} C++, ${#shell[@]} shell, ${#python[@]} Python files: good"
fi
exit "$failed"
