#!/usr/bin/env bash
# Runs scripts/download_cifar10.sh against an archive of tiny files behind a file:// address, with
# the checksums of that archive in a copy of the script. Needs no network.
#   tests/data/download_cifar10_test.sh
# shellcheck disable=SC2317  # the functions are called by way of check()
set -euo pipefail

script=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/scripts/download_cifar10.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=cifar-10-batches-bin
failures=0

check() { # check <claim> <command...>
  local claim=$1
  shift
  if ! "$@"; then
    echo "failed: $claim" >&2
    sed 's/^/    /' "$work/log" >&2
    failures=$((failures + 1))
  fi
}

run() { bash "$work/download.sh" "$@" >"$work/log" 2>&1; }
rejects() { if run "$@"; then return 1; fi; }
says() { grep -qF -- "$1" "$work/log"; }
nothing_half() { [[ ! -e $1/$name && -z $(find "$1" -name '.unpack.*') ]]; }
complete() { diff -r "$1/$name" "$work/source/$name" >>"$work/log"; }

mkdir -p "$work/source/$name"
for file in data_batch_{1,2,3,4,5} test_batch; do
  echo "$file" >"$work/source/$name/$file.bin"
done
tar -czf "$work/archive.tar.gz" -C "$work/source" "$name"
url=file://$work/archive.tar.gz
sum=$(sha256sum "$work/archive.tar.gz" | cut -d' ' -f1)
sed "s/^sha256=.*/sha256=$sum/" "$script" >"$work/download.sh"
for file in "$work/source/$name"/*.bin; do
  md5=$(md5sum "$file" | cut -d' ' -f1)
  sed -i "s/[0-9a-f]\{32\}\(  $(basename "$file")\)/$md5\1/" "$work/download.sh"
done

check "an address without an archive fails" rejects --url "file://$work/none" "$work/a"
check "and says what to do" says "the download failed; run this again"
check "and leaves nothing half" nothing_half "$work/a"

check "the archive is unpacked into the folder" run --url "$url" "$work/b"
check "all files are there" complete "$work/b"
check "the archive is not kept" test ! -e "$work/b/cifar-10-binary.tar.gz"
check "a second run needs no network" run --url "file://$work/none" "$work/b"
check "and says so" says "is there and intact"

echo damaged >"$work/b/$name/data_batch_3.bin"
check "a damaged folder is not overwritten" rejects --url "$url" "$work/b"
check "and the message says what to do" says "move it away first"

mkdir -p "$work/c"
head -c 100 "$work/archive.tar.gz" >"$work/c/cifar-10-binary.tar.gz.part"
check "an interrupted download goes on" run --url "$url" "$work/c"
check "and gives all files" complete "$work/c"

mkdir -p "$work/d"
cp "$work/archive.tar.gz" "$work/d/cifar-10-binary.tar.gz.part"
check "a complete part needs no network" run --url "file://$work/none" "$work/d"
check "and gives all files" complete "$work/d"

echo "not the archive" >"$work/wrong"
check "an archive with a wrong checksum is rejected" rejects --url "file://$work/wrong" "$work/e"
check "with both checksums in the message" says "expected sha256 $sum, got "
check "and leaves nothing half" nothing_half "$work/e"
check "and the next run starts anew" run --url "$url" "$work/e"
check "and gives all files" complete "$work/e"

sed -i "s/[0-9a-f]\{32\}\(  test_batch.bin\)/$(printf '0%.0s' {1..32})\1/" "$work/download.sh"
check "a wrong file inside is rejected" rejects --url "$url" "$work/f"
check "and leaves nothing half" nothing_half "$work/f"

check "an unknown flag is rejected" rejects --nope
check "and the known ones are listed" says "known: --url, --help"

echo "download_cifar10_test: $failures failures"
exit $((failures > 0))
