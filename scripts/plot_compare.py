#!/usr/bin/env python3
"""Draws the curves of `resgrad compare`: train loss and test accuracy of each variant by epoch.

    python3 scripts/plot_compare.py RUN_DIR [-o OUT]

Reads RUN_DIR/<variant>/seed<k>/metrics.csv and writes OUT.png and OUT.svg (default:
RUN_DIR/compare). A line is the mean over the seeds, the band around it one standard deviation (of
the sample) to either side; only epochs that all seeds of a variant have reached and measured (an
empty cell is a value that was not) are drawn. Needs matplotlib and numpy; Debian's
python3-matplotlib suffices. Exit code 1 with one sentence when the folder is missing or malformed.
"""
import argparse
import csv
import math
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402: the backend is chosen first
import numpy as np  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

# Okabe and Ito's palette, which colour-blind readers can tell apart, with a line style each.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
STYLES = ["-", "--", "-.", ":"]
GREY = "#555555"
LEGEND_COLUMNS = 4
COLUMNS = ("epoch", "train_loss", "test_top1")


class InputError(Exception):
    pass


def read_metrics(path):
    """The columns of one metrics.csv as arrays."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [c for c in COLUMNS if c not in (reader.fieldnames or [])]
            if missing:
                raise InputError(f"{path}: no column {', '.join(missing)}")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not rows:
        raise InputError(f"{path}: no epoch is recorded")
    data = {c: [] for c in COLUMNS}
    for line, row in enumerate(rows, start=2):
        for c in COLUMNS:
            text = row[c]
            try:
                value = math.nan if text == "" and c != "epoch" else float(text)
            except (TypeError, ValueError):
                raise InputError(f"{path}: line {line}: {c} is not a number: {text!r}") from None
            if text and not math.isfinite(value):
                raise InputError(f"{path}: line {line}: {c} is not finite: {text}")
            data[c].append(value)
    return {c: np.array(v) for c, v in data.items()}


def read_variants(folder):
    """{variant: list of metrics, one per seed}, in the order of compare.csv where there is one."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    runs = {}
    for path in sorted(folder.glob("*/seed*/metrics.csv")):
        if re.fullmatch(r"seed\d+", path.parent.name):
            runs.setdefault(path.parent.parent.name, []).append(read_metrics(path))
    if not runs:
        raise InputError(f"{folder}: no <variant>/seed<k>/metrics.csv in it")
    table = folder / "compare.csv"
    listed = []
    if table.is_file():
        with table.open(newline="", encoding="utf-8") as file:
            listed = [row.get("name") for row in csv.DictReader(file)]
    place = {name: i for i, name in reversed(list(enumerate(listed)))}
    return dict(sorted(runs.items(), key=lambda item: (place.get(item[0], len(place)), item[0])))


def over_seeds(variant, seeds, column):
    """Epochs, mean and standard deviation over the seeds (0 for a single seed)."""
    count = min(len(s["epoch"]) for s in seeds)
    epochs = seeds[0]["epoch"][:count]
    if any(not np.array_equal(s["epoch"][:count], epochs) for s in seeds):
        raise InputError(f"{variant}: the seeds have different epochs")
    values = np.stack([s[column][:count] for s in seeds])
    measured = ~np.isnan(values).any(axis=0)
    if not measured.any():
        raise InputError(f"{variant}: no epoch has {column} for all seeds")
    epochs, values = epochs[measured], values[:, measured]
    spread = values.std(axis=0, ddof=1) if len(seeds) > 1 else np.zeros(len(epochs))
    return epochs, values.mean(axis=0), spread


def draw(axes, variants, column):
    """Lines and bands; returns (colour, text, last epoch, last mean) per variant."""
    ends = []
    for i, (variant, seeds) in enumerate(variants.items()):
        colour = COLOURS[i % len(COLOURS)]
        epochs, mean, spread = over_seeds(variant, seeds, column)
        axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.18, lw=0)
        axes.plot(epochs, mean, STYLES[i % len(STYLES)], color=colour, lw=1.8,
                  marker="o" if len(epochs) < 2 else None,
                  label=f"{variant} ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})")
        digits = 1 if column == "test_top1" else 3
        text = f"{mean[-1]:.{digits}f}"
        if len(seeds) > 1:
            text += f" ± {spread[-1]:.{digits}f}"
        ends.append((colour, text, epochs[-1], mean[-1]))
    return ends


def label_ends(axes, ends, height):
    """Final values right of the axes, beside the ends of their lines, moved apart until they do
    not touch. `height` is that of one label as a share of the axes."""
    low, high = axes.get_ylim()
    order = sorted(range(len(ends)), key=lambda i: ends[i][3])
    places = [(ends[i][3] - low) / (high - low) for i in order]
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + height)
    places = [p - max(0, places[-1] - 1 + height / 2) for p in places]
    for i, place in zip(order, places):
        colour, text, _, _ = ends[i]
        axes.annotate(text, (1.02, place), xycoords="axes fraction", color=colour, fontsize=9,
                      va="center", annotation_clip=False)


def plot(variants, out):
    plt.rcParams.update({
        "font.size": 10, "axes.titlesize": 11, "axes.titleweight": "bold", "axes.edgecolor": GREY,
        "axes.labelcolor": GREY, "xtick.color": GREY, "ytick.color": GREY, "svg.fonttype": "none",
        "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "resgrad"})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
    for axes, column, title, unit in (
            (left, "train_loss", "Train loss", "cross entropy (nats)"),
            (right, "test_top1", "Test accuracy", "top-1 (%)")):
        ends = draw(axes, variants, column)
        axes.set(xlabel="epoch", ylabel=unit)
        axes.set_title(title, loc="left")
        axes.grid(True, color="#dddddd", lw=0.7)
        axes.set_axisbelow(True)
        axes.margins(x=0.01)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if column == "train_loss":
            axes.set_ylim(bottom=0)
        label_ends(axes, ends, 0.06)
    handles, names = left.get_legend_handles_labels()
    rows = math.ceil(len(names) / LEGEND_COLUMNS)
    foot = 0.08 + 0.055 * rows  # share of the figure for legend and note
    figure.tight_layout(rect=(0, foot, 1, 1), w_pad=3)
    figure.legend(handles, names, loc="upper left", bbox_to_anchor=(0.06, foot + 0.01),
                  frameon=False, ncol=min(len(names), LEGEND_COLUMNS), handlelength=2.6,
                  borderpad=0)
    if any(len(s) > 1 for s in variants.values()):
        figure.text(0.06, 0.025, "Line: mean over seeds. Band and ±: one standard deviation.",
                    fontsize=8.5, color=GREY)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(f"{out}.png", dpi=160)
    figure.savefig(f"{out}.svg", metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description="Draws the curves of `resgrad compare`.")
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path,
                        help="output folder of resgrad compare")
    parser.add_argument("-o", "--out", metavar="OUT", type=Path,
                        help="write OUT.png and OUT.svg (default: RUN_DIR/compare)")
    args = parser.parse_args()
    out = args.out or args.run_dir / "compare"
    if out.suffix in (".png", ".svg"):
        out = out.with_suffix("")
    try:
        plot(read_variants(args.run_dir), out)
    except (InputError, OSError) as error:
        print(f"plot_compare: {error}", file=sys.stderr)
        return 1
    print(f"{out}.png {out}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
