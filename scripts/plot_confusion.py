#!/usr/bin/env python3
"""Draws the confusion matrix of `resgrad eval --json`.

    build/resgrad eval --checkpoint runs/r20/best.safetensors --json > eval.json
    python3 scripts/plot_confusion.py eval.json [-o confusion.png]

Rows are labels, columns predictions; the shade is the share of the row, and cells show it in percent
where there are at most 20 classes. Writes PNG or SVG by the suffix (default: the input's name with
.png). Needs matplotlib; Debian's python3-matplotlib suffices. Exit code 1 with one sentence when the
file is missing or is not of `resgrad eval --json`.
"""
import argparse
from pathlib import Path

# first: it says which package is missing
from plots import plt
from script import InputError, read_json, run_script

import numpy as np

MOST_NUMBERED = 20  # classes; more would not be legible


def read(path):
    """(title, class names, counts [label, prediction])"""
    data = read_json(path)
    try:
        names = [c["name"] for c in data["classes"]]
        counts = np.array(data["confusion"], dtype=float)
        title = f"{data['model']} on {data['dataset']}: top-1 {data['top1']:.2f} %"
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is not the output of resgrad eval --json ({error!r})") from error
    if counts.shape != (len(names), len(names)) or len(names) == 0:
        raise InputError(f"{path}: {len(names)} classes, but a matrix of shape {counts.shape}")
    return title, names, counts


def plot(title, names, counts, out):
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n = len(names)
    side = 3.5 + 0.45 * min(n, 24)
    figure, axes = plt.subplots(figsize=(side + 0.8, side))
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.set(title=title, xlabel="prediction", ylabel="label")
    size = 9 if n <= MOST_NUMBERED else 4
    axes.set_xticks(range(n), names, rotation=90 if n > MOST_NUMBERED else 45, fontsize=size,
                    ha="center" if n > MOST_NUMBERED else "right",
                    rotation_mode="default" if n > MOST_NUMBERED else "anchor")
    axes.set_yticks(range(n), names, fontsize=size)
    if n <= MOST_NUMBERED:
        for i in range(n):
            for j in range(n):
                if counts[i, j] > 0:
                    axes.text(j, i, f"{share[i, j]:.1f}", ha="center", va="center", fontsize=7,
                              color="white" if share[i, j] > 55 else "black")
    figure.colorbar(image, label="share of the label's images (%)", fraction=0.046, pad=0.04)
    figure.tight_layout()
    try:
        figure.savefig(out, dpi=160)
    except ValueError as error:  # a suffix that is no format
        raise InputError(f"{out}: {error}") from error


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("json", type=Path, help="output of resgrad eval --json")
    parser.add_argument("-o", "--out", type=Path, help="PNG or SVG to write [default: by the input]")
    args = parser.parse_args()
    out = args.out or args.json.with_suffix(".png")
    plot(*read(args.json), out)
    print(out)


if __name__ == "__main__":
    run_script(main)
