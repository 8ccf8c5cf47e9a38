#!/usr/bin/env python3
"""Draws `resgrad compare`: train loss and test accuracy of each variant by epoch, and accuracy against cost.

    python3 scripts/plot_compare.py RUN_DIR [-o OUT]

Reads RUN_DIR/<variant>/seed<k>/metrics.csv of the finished runs that RUN_DIR/runs.csv lists, or of all
where there is no such list, and writes OUT.png and OUT.svg (default: RUN_DIR/compare). A line is the
mean over the seeds, the band around it one standard deviation (of the sample) to either side; only
epochs that all seeds of a variant have reached and measured (an empty cell is a value that was not) are
drawn. The accuracy is that of the averaged weights where a run has them. OUT-costs.png and OUT-costs.svg
show the final one against multiply-adds, parameters and minutes of training, where runs.csv has them.
Needs matplotlib and numpy; Debian's python3-matplotlib suffices. Exit code 1 with one sentence when the folder is missing or malformed.
"""
import argparse
import csv
import re
from pathlib import Path

# first: it says which package is missing
from plots import (COLOURS, STYLES, add_foot, finish_axes, from_zero, panels, read_metrics, save,
                   without_suffix)
from script import InputError, run_script

import numpy as np

COLUMNS = ("epoch", "train_loss", "test_top1")


def finished_runs(folder):
    """The rows of the finished runs in runs.csv, in the order of the comparison; None without it."""
    table = folder / "runs.csv"
    if not table.is_file():
        return None
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [c for c in ("variant", "seed", "result") if c not in (reader.fieldnames or [])]
        if missing:
            raise InputError(f"{table}: no column {', '.join(missing)}")
        return [row for row in reader if row["result"] == "finished"]


def run_folders(folder):
    """(variant, folder) of each run to draw."""
    rows = finished_runs(folder)
    if rows is not None:
        return [(row["variant"], folder / row["variant"] / f"seed{row['seed']}") for row in rows]
    return [(path.parent.parent.name, path.parent) for path in sorted(folder.glob("*/seed*/metrics.csv"))
            if re.fullmatch(r"seed\d+", path.parent.name)]


def read_variants(folder):
    """{variant: list of metrics, one per seed}"""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    runs = {}
    for variant, path in run_folders(folder):
        run = read_metrics(path / "metrics.csv", COLUMNS, ["ema_test_top1"])
        run["test_top1"] = run.pop("ema_test_top1", run["test_top1"])
        runs.setdefault(variant, []).append(run)
    if not runs:
        raise InputError(f"{folder}: no <variant>/seed<k>/metrics.csv of a finished run in it")
    return runs


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
    single = all(len(run["epoch"]) < 2 for seeds in variants.values() for run in seeds)
    side_by_side = min(0.05, 0.9 / len(variants)) if single else 0
    for i, (variant, seeds) in enumerate(variants.items()):
        colour = COLOURS[i % len(COLOURS)]
        epochs, mean, spread = over_seeds(variant, seeds, column)
        axes.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.18, lw=0)
        places = epochs + side_by_side * (i - (len(variants) - 1) / 2)
        axes.plot(places, mean, STYLES[i % len(STYLES)], color=colour, lw=1.8,
                  marker="o" if len(epochs) < 2 else None,
                  label=f"{variant} ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})")
        if single:  # a band would not be seen
            axes.errorbar(places, mean, spread, fmt="none", ecolor=colour, capsize=3)
            axes.set_xlim(epochs[0] - 0.5, epochs[0] + 0.5)
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


def plot(variants):
    figure, (left, right) = panels(2, (10, 4.2))
    for axes, column, title, unit in (
            (left, "train_loss", "Train loss", "cross entropy (nats)"),
            (right, "test_top1", "Test accuracy", "top-1 (%)")):
        ends = draw(axes, variants, column)
        finish_axes(axes, title, unit)
        if column == "train_loss":
            from_zero(axes)
        label_ends(axes, ends, 0.06)
    several = any(len(s) > 1 for s in variants.values())
    note = "Line: mean over seeds. Band or bar, and ±: one standard deviation." if several else ""
    add_foot(figure, *left.get_legend_handles_labels(), note)
    return figure


COSTS = (("multiply_adds", 1e6, "Multiply-adds", "millions per image"),
         ("parameters", 1e3, "Parameters", "thousands"),
         ("minutes", 1, "Time", "minutes of training"))


def read_costs(folder):
    """{variant: {column: one number per seed}} for the test accuracy and each of COSTS."""
    costs = {}
    for row in finished_runs(folder) or []:
        for column in ("test_top1", *(cost[0] for cost in COSTS)):
            text = row.get(column)
            if text is None:
                continue
            try:
                value = float(text) if text else np.nan
            except ValueError:
                raise InputError(f"{folder / 'runs.csv'}: {column} is not a number: {text!r}") from None
            costs.setdefault(row["variant"], {}).setdefault(column, []).append(value)
    return costs


def plot_costs(costs):
    """One point per variant: mean and standard deviation of the accuracy over mean costs."""
    figure, all_axes = panels(len(COSTS), (11, 4.2))
    for axes, (column, scale, title, unit) in zip(all_axes, COSTS):
        for i, (variant, values) in enumerate(costs.items()):
            accuracy, cost = np.array(values["test_top1"]), np.mean(values[column]) / scale
            if np.isnan(cost):  # not known for all runs
                continue
            axes.errorbar(cost, accuracy.mean(),
                          accuracy.std(ddof=1) if len(accuracy) > 1 else 0,
                          fmt="os^Dvp*"[i % 7], color=COLOURS[i % len(COLOURS)], capsize=3, label=variant)
        finish_axes(axes, title, "top-1 (%)", unit)
        axes.margins(x=0.1)
    several = any(len(values["test_top1"]) > 1 for values in costs.values())
    note = "Point: mean over seeds. Bar: one standard deviation." if several else ""
    handles, names = all_axes[0].get_legend_handles_labels()
    add_foot(figure, handles, names, note)
    return figure


def main():
    parser = argparse.ArgumentParser(description="Draws the curves of `resgrad compare`.")
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path,
                        help="output folder of resgrad compare")
    parser.add_argument("-o", "--out", metavar="OUT", type=Path,
                        help="write OUT.png and OUT.svg (default: RUN_DIR/compare)")
    args = parser.parse_args()
    out = without_suffix(args.out or args.run_dir / "compare")
    save(plot(read_variants(args.run_dir)), out)
    costs = read_costs(args.run_dir)
    if all(column in values for column, *_ in COSTS for values in costs.values()) and costs:
        save(plot_costs(costs), out.with_name(out.name + "-costs"))


if __name__ == "__main__":
    run_script(main)
