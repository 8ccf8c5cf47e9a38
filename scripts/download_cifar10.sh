#!/usr/bin/env bash
# Gets CIFAR-10 (binary version, 170 MB) into DIR/cifar-10-batches-bin.
#   scripts/download_cifar10.sh [--url URL] [DIR]        DIR: data-cache by default
# Resumes an interrupted download; checks every checksum; whenever it is interrupted, nothing that is
# incomplete stands under the final name.
set -euo pipefail

url=https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz
sha256=c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd
name=cifar-10-batches-bin
# of the files inside, as published with the archive
md5s="5dd7e06a14cb22eb9f671a540d1b7c25  data_batch_1.bin
5ea93a67294ea407fff1d09f752e9692  data_batch_2.bin
942cd6a4bcdd0dd3c604fbe906cb4421  data_batch_3.bin
ae636b3ba5c66a11e91e8cb52e771fcb  data_batch_4.bin
53f37980c15c3d472c316c40844f3f0d  data_batch_5.bin
803d5f7f4d78ea53de84dbe85f74fb6d  test_batch.bin"

fail() {
  echo "download_cifar10: $*" >&2
  exit 1
}

dir=data-cache
while (($# > 0)); do
  case $1 in
    --url)
      [[ $# -ge 2 ]] || fail "--url: expected an address"
      url=$2
      shift
      ;;
    -h | --help)
      sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    -*) fail "unknown flag $1 (known: --url, --help)" ;;
    *) dir=$1 ;;
  esac
  shift
done

intact() { (cd "$1" 2>/dev/null && md5sum --check --status <<<"$md5s") 2>/dev/null; }

if intact "$dir/$name"; then
  echo "download_cifar10: $dir/$name is there and intact"
  exit 0
fi
[[ ! -e $dir/$name ]] || fail "$dir/$name: expected intact files or nothing; move it away first"

mkdir -p "$dir" || fail "$dir: expected a folder that can be created"
archive=$dir/cifar-10-binary.tar.gz
checksum() { sha256sum "$1" | cut -d' ' -f1; }
# A download that was interrupted just before it got its name needs no server.
if [[ ! -f $archive && -f $archive.part && $(checksum "$archive.part") == "$sha256" ]]; then
  mv "$archive.part" "$archive"
fi
if [[ ! -f $archive ]]; then
  echo "download_cifar10: getting $url"
  again="run this again to go on where it stopped, or remove $archive.part to start anew"
  if command -v curl >/dev/null; then
    curl --fail --location --retry 3 --continue-at - --output "$archive.part" "$url" ||
      fail "$url: the download failed; $again"
  elif command -v wget >/dev/null; then
    wget --continue --output-document="$archive.part" "$url" ||
      fail "$url: the download failed; $again"
  else
    fail "expected curl or wget, found neither"
  fi
  mv "$archive.part" "$archive"
fi

actual=$(checksum "$archive")
if [[ $actual != "$sha256" ]]; then
  mv "$archive" "$archive.bad"
  fail "$archive: expected sha256 $sha256, got $actual; kept as $archive.bad"
fi

echo "download_cifar10: unpacking"
unpacked=$(mktemp -d "$dir/.unpack.XXXXXX")
trap 'rm -rf "$unpacked"' EXIT
tar -xzf "$archive" -C "$unpacked" || fail "$archive: could not be unpacked into $dir"
intact "$unpacked/$name" || fail "$archive: the files inside do not have the published checksums"
chmod 755 "$unpacked/$name"
mv "$unpacked/$name" "$dir/$name"
rm -f "$archive"
echo "download_cifar10: done: $dir/$name"
