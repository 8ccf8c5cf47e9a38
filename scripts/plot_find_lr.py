#!/usr/bin/env python3
"""Draws `resgrad find-lr`: the loss against the learning rate.

    python3 scripts/plot_find_lr.py CSV [-o OUT]

Reads the table that find-lr wrote and writes OUT.png and OUT.svg (default: CSV without its ending).
Thin: the loss of each update; thick: smoothed; upright: where it falls steepest, and where it is
lowest. Needs matplotlib and numpy; Debian's python3-matplotlib suffices. Exit code 1 with one
sentence when the file is missing or malformed.
"""
import argparse
import csv
from pathlib import Path

# first: it says which package is missing
from plots import COLOURS, GREY, add_foot, finish_axes, panels, read_metrics, save, without_suffix
from script import run_script

import numpy as np

COLUMNS = ("lr", "loss", "smoothed_loss")


def read_marks(path):
    """{mark: learning rate}"""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["mark"]: float(row["lr"]) for row in csv.DictReader(file) if row.get("mark")}


def plot(points, marks):
    figure, axes = panels(1, (7, 4.4))
    axes.plot(points["lr"], points["loss"], color=GREY, lw=0.8, alpha=0.7, label="loss of an update")
    axes.plot(points["lr"], points["smoothed_loss"], color=COLOURS[0], lw=2, label="smoothed")
    for mark, colour, style in (("steepest", COLOURS[1], "--"), ("lowest", COLOURS[2], ":")):
        if mark in marks:
            axes.axvline(marks[mark], color=colour, ls=style, lw=1.3,
                         label=f"{mark}: {marks[mark]:.2g}")
    finish_axes(axes, "Learning-rate range test", "cross entropy (nats)", "learning rate")
    axes.set_xscale("log")
    # a loss that shoots up at the end would flatten all before
    low, high = np.min(points["loss"]), np.max(points["smoothed_loss"][:max(1, len(points["lr"]) // 2)])
    axes.set_ylim(low - 0.1 * (high - low) - 1e-3, high + 0.5 * (high - low) + 1e-3)
    add_foot(figure, *axes.get_legend_handles_labels(), "")
    return figure


def main():
    parser = argparse.ArgumentParser(description="Draws the table of `resgrad find-lr`.")
    parser.add_argument("table", metavar="CSV", type=Path, help="what find-lr wrote")
    parser.add_argument("-o", "--out", metavar="OUT", type=Path,
                        help="write OUT.png and OUT.svg (default: CSV without its ending)")
    args = parser.parse_args()
    points = read_metrics(args.table, COLUMNS)
    save(plot(points, read_marks(args.table)),
         without_suffix(args.out or args.table.with_suffix("")))


if __name__ == "__main__":
    run_script(main)
