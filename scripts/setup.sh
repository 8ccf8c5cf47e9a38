#!/usr/bin/env bash
# Installs the Debian packages that resgrad is built from. Does nothing when all are there.
#   scripts/setup.sh [--with-dev] [--with-pytorch] [--dry-run]
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/setup.sh [--with-dev] [--with-pytorch] [--dry-run]
  Installs the Debian packages that resgrad needs with apt-get (as root, else through sudo).
  When all are there it changes nothing and needs neither root nor a network.
  --with-dev      also what .ci/run needs: clang with its sanitizers and OpenMP, clang-format, clang-tidy,
                  shellcheck, doxygen, Google Benchmark, Chromium (which opens the page of scripts/report.py),
                  Open MPI
  --with-pytorch  also PyTorch and torchvision, for the scripts that compare with them
  --dry-run       only say what would be installed
END
}

packages=(
  g++ cmake ninja-build              # the build
  libxtensor-dev libxtensor-blas-dev # tensors: views and expressions
  libopenblas-openmp-dev             # matrix products, on OpenMP's threads
  libspdlog-dev libfmt-dev           # log, text
  libcli11-dev                       # command line
  nlohmann-json3-dev libtomlplusplus-dev   # JSON; files of settings
  libprotozero-dev                   # ONNX files, TensorBoard events
  libpng-dev libjpeg-dev             # image files
  zlib1g-dev                         # checksums of checkpoints
  doctest-dev librapidcheck-dev      # tests
  python3                            # checks that run as tests
  python3-matplotlib                 # plots
  curl ca-certificates               # scripts/download_cifar10.sh
)
dry_run=false
for argument in "$@"; do
  case "$argument" in
    --with-dev)
      packages+=(clang libclang-rt-dev libomp-dev clang-format clang-tidy shellcheck doxygen)
      packages+=(libbenchmark-dev chromium libopenmpi-dev openmpi-bin)
      ;;
    --with-pytorch) packages+=(python3-torch python3-torchvision python3-numpy) ;;
    --dry-run) dry_run=true ;;
    -h | --help) usage && exit 0 ;;
    *)
      echo "setup: unknown argument $argument" >&2
      usage >&2
      exit 2
      ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  {
    echo "setup: this is no Debian-like system (no apt-get or dpkg-query), so nothing was installed."
    echo "setup: please install what corresponds to these Debian 12 packages:"
    printf '  %s\n' "${packages[@]}"
  } >&2
  exit 1
fi

# One line "name state" for each package that dpkg has heard of; it fails for the others.
states=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
  grep -qxF "$package installed" <<<"$states" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  # without a terminal nobody can answer sudo's question for the password
  if [[ -t 0 ]]; then as_root=(sudo); else as_root=(sudo -n); fi
fi
apt_get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
update=("${apt_get[@]}" update)
install=("${apt_get[@]}" install -y --no-install-recommends "${missing[@]}")

echo "setup: ${#missing[@]} of ${#packages[@]} packages are missing. Installing them with apt-get changes"
echo "setup: the system, which needs root:"
echo "  ${update[*]}"
echo "  ${install[*]}"
if [[ $dry_run == true ]]; then
  echo "setup: --dry-run: nothing was changed"
  exit 0
fi
if ((EUID != 0)) && ! command -v sudo >/dev/null; then
  echo "setup: there is no sudo here: please run scripts/setup.sh as root" >&2
  exit 1
fi
if ! "${update[@]}"; then
  echo "setup: apt-get update failed; going on with the package lists of last time" >&2
fi
if ! "${install[@]}"; then
  {
    echo "setup: apt-get could not install: ${missing[*]}"
    echo "setup: its message is above. resgrad is made for Debian 12 (bookworm) and newer."
  } >&2
  exit 1
fi
echo "setup: done"
