#!/bin/sh
# check_isa_symbols.sh <nm> <isa> <object>...
# The linker keeps one copy of a weak symbol for the whole program. An object compiled for AVX-512
# that defines one outside of its own namespace could thus put AVX-512 code into every CPU's path.
# Fails when a weak or unique symbol is defined whose mangled name lacks the namespace of the set.
nm=$1 isa=$2
shift 2
[ $# -gt 0 ] || { echo "no objects given"; exit 1; }

all=$("$nm" --defined-only "$@") || exit 1
weak=$(printf '%s\n' "$all" | awk '$2 ~ /^[WVuwv]$/ {print $3}' | sort -u)
foreign=$(printf '%s\n' "$weak" | grep -v "${#isa}${isa}" | grep -v '^DW\.ref\.')
if [ -z "$weak" ]; then
  echo "expected the kernels to be instantiated as weak symbols, found none: is this the right file?"
  exit 1
fi
if [ -n "$foreign" ]; then
  echo "weak symbols outside of namespace $isa:"
  printf '%s\n' "$foreign" | c++filt
  exit 1
fi
echo "$(printf '%s\n' "$weak" | wc -l) weak symbols, all in namespace $isa"
