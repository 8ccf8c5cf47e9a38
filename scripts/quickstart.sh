#!/usr/bin/env bash
# From a fresh clone to a trained residual network with its pictures: sets up, builds, trains, predicts.
#   scripts/quickstart.sh [--download] [flags of resgrad train]      e.g. --epochs 5
# Trains on CIFAR-10 when it is found in --data-path, $RESGRAD_DATA or data-cache/, or with --download,
# which gets it into data-cache/ first; else on the synthetic data set, which is part of the program.
# --dataset says which, and then CIFAR-10 has to be there; so does a file of settings after --config.
# Results go to runs/quickstart unless --output-dir is given, as a flag.
set -euo pipefail

# What is trained unless the flags say otherwise: minutes on two cores.
synthetic_recipe=scripts/recipes/quickstart.toml
cifar_recipe=scripts/recipes/fastresnet8.toml
cifar_epochs=2

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cached="data-cache/cifar-10-batches-bin"
download=false
user_flags=()
for flag in "$@"; do
  if [[ $flag == --download ]]; then download=true; else user_flags+=("$flag"); fi
done
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

# quoted WORD...: a line that can be pasted.
quoted() {
  local line=""
  (($# == 0)) || line=$(printf '%q ' "$@")
  echo "${line% }"
}

if given -h --help; then
  echo "usage: scripts/quickstart.sh [--download] [flags of resgrad train]"
  echo "  Installs what is missing, builds build/resgrad, trains a small residual network and draws its"
  echo "  curves and ten of its predictions. --download gets CIFAR-10 (170 MB) first when it is not there."
  echo "  All flags: build/resgrad train --help"
  exit 0
fi

# Where the data is, before minutes go into the build.
dataset=cifar10
if given --dataset; then
  dataset=$(value_of --dataset)
elif given --config; then
  dataset="that of $(value_of --config)"
fi
if [[ $dataset != cifar10 && $download == true ]]; then
  echo "quickstart: --download: gets CIFAR-10, expected it with cifar10, not $dataset" >&2
  exit 2
fi
if [[ $dataset != cifar10 ]] || given --data-path; then
  :
elif [[ -n ${RESGRAD_DATA:-} ]]; then
  if [[ ! -d $RESGRAD_DATA ]]; then
    echo "quickstart: RESGRAD_DATA: expected the folder of CIFAR-10, got $RESGRAD_DATA" >&2
    exit 1
  fi
  flags+=(--data-path "$RESGRAD_DATA")
else
  if [[ ! -d $root/$cached && $download == false && -t 0 ]] && ! given --dataset; then
    read -r -p "quickstart: CIFAR-10 is not here. Download it now (170 MB)? [y/N] " answer || answer=n
    [[ $answer == [yY]* ]] && download=true
  fi
  if [[ ! -d $root/$cached && $download == true ]]; then
    bash "$root/scripts/setup.sh"
    bash "$root/scripts/download_cifar10.sh" "$root/data-cache"
  fi
  if [[ -d $root/$cached ]]; then
    flags+=(--data-path "$root/$cached")
  elif given --dataset; then
    echo "quickstart: --dataset: CIFAR-10 is not here; --download gets it (170 MB)" >&2
    exit 1
  else
    dataset=synthetic
    flags+=(--dataset synthetic)
    echo "quickstart: training on the synthetic data set; CIFAR-10 (170 MB) comes with --download"
  fi
fi
if ! given --config; then
  if [[ $dataset == synthetic ]]; then
    flags+=(--config "$root/$synthetic_recipe")
  else
    flags+=(--config "$root/$cifar_recipe")
    add_default --epochs "$cifar_epochs"
  fi
fi
add_default --output-dir "$root/runs/quickstart"
output_dir=$(given --output-dir && value_of --output-dir || echo "$root/runs/quickstart")

echo "quickstart: 1 of 4: packages"
bash "$root/scripts/setup.sh"

echo "quickstart: 2 of 4: build (a few minutes the first time)"
(cd "$root" && cmake --preset release >/dev/null && cmake --build build --target resgrad)

echo "quickstart: 3 of 4: training"
train=("$root/build/resgrad" train "${flags[@]}" "${user_flags[@]}")
echo "  $(quoted "${train[@]}")"
"${train[@]}"
given --dry-run && exit 0

echo "quickstart: 4 of 4: pictures"
# setting NAME: of the training that was.
setting() { /usr/bin/python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$output_dir/args.json" "$1"; }
dataset=$(setting dataset)
data_path=$(setting data_path)
data=()
[[ -z $data_path ]] || data=(--data-path "$data_path")
# Own images may have no test images but those that the training held out.
images=("${data[@]}")
if [[ $dataset == folder && ! -d $data_path/test && ! -d $data_path/val ]]; then images+=(--split val); fi
# Debian's Python is the one that has Debian's matplotlib.
/usr/bin/python3 -B "$root/scripts/plot_run.py" "$output_dir" -o "$output_dir/curves"
of_weights=(--checkpoint "$output_dir/last.safetensors" "${images[@]}")
"$root/build/resgrad" eval "${of_weights[@]}" --limit-eval-batches 1 --predictions "$output_dir/some.csv" >/dev/null
ten=$(awk -F, 'NR > 1 && NR < 12 { printf "%s%s", (NR > 2 ? "," : ""), $1 }' "$output_dir/some.csv")
rm "$output_dir/some.csv"
"$root/build/resgrad" predict "${of_weights[@]}" --index "$ten" --save-images "$output_dir/images" --json \
  >"$output_dir/predictions.json"
/usr/bin/python3 -B "$root/scripts/plot_predictions.py" "$output_dir/predictions.json"

# The last row's test_top1, by the name of its column.
accuracy=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; ++i) if ($i == "test_top1") column = i }
                    NR > 1 && column { last = $column }
                    END { print last }' "$output_dir/metrics.csv")
echo
echo "quickstart: test accuracy: $accuracy %"
if [[ $dataset == cifar10 ]] && ! given --config; then
  echo "quickstart: that is after $cifar_epochs epochs, unless you said otherwise; the whole recipe takes"
  echo "  14 epochs and reaches 93.5 % (docs/results.md):"
  echo "  build/resgrad train --config $cifar_recipe $(quoted "${data[@]}")"
fi
echo "quickstart: curves: $output_dir/curves.png"
echo "quickstart: some test images with their predictions: $output_dir/predictions.png"
echo "quickstart: next, in $root:"
if [[ $dataset != cifar10 ]]; then data=(--dataset "$dataset" "${data[@]}"); fi
if [[ $dataset == synthetic ]]; then
  echo "  bash scripts/quickstart.sh --download"
fi
echo "  build/resgrad train --help"
echo "  build/resgrad summary --model resnet20"
echo "  build/resgrad compare --model resnet20 --variants post,pre --seeds 3 --epochs 3 $(quoted "${data[@]}")"
