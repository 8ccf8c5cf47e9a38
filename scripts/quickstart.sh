#!/usr/bin/env bash
# From a fresh clone to a trained residual network: sets up, builds, trains.
#   scripts/quickstart.sh [flags of resgrad train]      e.g. --epochs 3
# Trains on CIFAR-10 when it is found in --data-path, $RESGRAD_DATA or data-cache/, else on the
# synthetic data set.
set -euo pipefail

# What is trained unless the flags say otherwise: at most ten minutes with the build, on two cores.
model=resnet20
epochs=1
scheduler=onecycle
print_freq=10

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cached=data-cache/cifar-10-batches-bin
user_flags=("$@")
flags=()

# given NAME...: whether the user gave one of these flags, as "--flag value" or "--flag=value".
given() {
  local name flag
  for name in "$@"; do
    for flag in "${user_flags[@]}"; do
      [[ $flag == "$name" || $flag == "$name="* ]] && return 0
    done
  done
  return 1
}

# value_of NAME: the value the user gave for the flag NAME.
value_of() {
  local i
  for ((i = 0; i < ${#user_flags[@]}; ++i)); do
    case "${user_flags[i]}" in
      "$1="*) echo "${user_flags[i]#*=}" ;;
      "$1") echo "${user_flags[i + 1]:-}" ;;
    esac
  done
}

# add_default NAME VALUE: passes a flag on unless the user gave it.
add_default() { given "$1" || flags+=("$1" "$2"); }

if given -h --help; then
  echo "usage: scripts/quickstart.sh [flags of resgrad train]"
  echo "  Installs what is missing, builds build/resgrad and trains $model for $epochs epoch(s)."
  echo "  All flags: build/resgrad train --help"
  exit 0
fi

# Where the data is, before minutes go into the build.
on_real_data=true
if given --dataset; then
  [[ $(value_of --dataset) == synthetic ]] && on_real_data=false
elif given --data-path; then
  :
elif [[ -n ${RESGRAD_DATA:-} ]]; then
  if [[ ! -d $RESGRAD_DATA ]]; then
    echo "quickstart: RESGRAD_DATA: expected the folder of CIFAR-10, got $RESGRAD_DATA" >&2
    exit 1
  fi
  flags+=(--data-path "$RESGRAD_DATA")
elif [[ -d $root/$cached ]]; then
  flags+=(--data-path "$root/$cached")
else
  on_real_data=false
  flags+=(--dataset synthetic)
fi
add_default --model "$model"
add_default --epochs "$epochs"
add_default --lr-scheduler "$scheduler"
add_default --print-freq "$print_freq"
add_default --output-dir "$root/runs/quickstart"
output_dir=$(given --output-dir && value_of --output-dir || echo "$root/runs/quickstart")

echo "quickstart: 1 of 3: packages"
bash "$root/scripts/setup.sh"

echo "quickstart: 2 of 3: build (a few minutes the first time)"
(cd "$root" && cmake --preset release >/dev/null && cmake --build build --target resgrad)

if [[ $on_real_data == true ]]; then
  echo "quickstart: 3 of 3: training"
else
  echo "quickstart: 3 of 3: training on the synthetic data set"
  echo "quickstart: to train on CIFAR-10 get it first: bash scripts/download_cifar10.sh"
fi
train=("$root/build/resgrad" train "${flags[@]}" "${user_flags[@]}")
echo "  ${train[*]}"
"${train[@]}"

# The last row's test_top1, by the name of its column.
accuracy=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; ++i) if ($i == "test_top1") column = i }
                    NR > 1 && column { last = $column }
                    END { print last }' "$output_dir/metrics.csv")
echo
echo "quickstart: test accuracy: $accuracy %"
echo "quickstart: the run's log, metrics and weights are in $output_dir"
echo "quickstart: next, in $root:"
if [[ $on_real_data == false ]]; then
  echo "  bash scripts/download_cifar10.sh && bash scripts/quickstart.sh"
fi
echo "  build/resgrad train --help"
echo "  build/resgrad summary --model $model"
echo "  build/resgrad compare --model $model --variants post,pre --seeds 3 --epochs 3"
