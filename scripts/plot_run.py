#!/usr/bin/env python3
"""Draws the curves of training runs: loss, accuracy and learning rate by epoch.

    python3 scripts/plot_run.py RUN_DIR... [-o OUT]

Reads the metrics.csv of each folder, and its metrics.jsonl, where there is one, for the learning
rate within the epochs. Writes OUT.png and OUT.svg (default: RUN_DIR/run; several runs need -o).
A run has one colour; its training is a thin line, its evaluation a thick one, that of its averaged
weights a dashed one. Needs matplotlib and
numpy; Debian's python3-matplotlib suffices. Exit code 1 with one sentence when a folder is missing
or malformed.
"""
import argparse
import json
import os
from pathlib import Path

# first: it says which package is missing
from plots import (COLOURS, GREY, add_foot, finish_axes, from_zero, panels, read_metrics, save,
                   without_suffix)
from script import InputError, run_script

import numpy as np
from matplotlib.lines import Line2D

COLUMNS = ("epoch", "step", "lr", "train_loss", "train_top1", "test_loss", "test_top1")
AVERAGED = ("ema_test_loss", "ema_test_top1")


def read_steps(path):
    """Steps and learning rates of a metrics.jsonl."""
    steps = []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    # a run that still goes on may be in the middle of its last line
    for number, line in enumerate(text[:text.rfind("\n") + 1].splitlines(), start=1):
        try:
            record = json.loads(line)
            steps.append((float(record["step"]), float(record["lr"])))
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}: line {number}: not a record of a step") from None
    return np.array(steps).reshape(-1, 2)


def read_run(folder):
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    run = read_metrics(folder / "metrics.csv", COLUMNS, AVERAGED)
    run["lr_epoch"], run["lr_value"] = run["epoch"], run["lr"]
    if (folder / "metrics.jsonl").is_file():
        steps = read_steps(folder / "metrics.jsonl")
        # epochs are equally long, save for a last one that was cut short
        per_epoch = run["step"][0] / run["epoch"][0]
        if len(steps) > 0 and per_epoch > 0:
            run["lr_epoch"], run["lr_value"] = steps[:, 0] / per_epoch, steps[:, 1]
    return run


def names_of(folders):
    """The folders without what all of their paths start with."""
    if len(folders) == 1:
        return [folders[0].resolve().name]
    paths = [f.resolve() for f in folders]
    common = os.path.commonpath(paths)
    return [os.path.relpath(p, common) for p in paths]


def draw(axes, x, y, **look):
    measured = ~np.isnan(y)
    marker = "o" if measured.sum() < 2 else None
    axes.plot(x[measured], y[measured], marker=marker, markersize=4, **look)


def plot(runs):
    figure, (loss, accuracy, rate) = panels(3, (13, 4.2))
    for i, run in enumerate(runs.values()):
        colour = COLOURS[i % len(COLOURS)]
        for axes, column in ((loss, "loss"), (accuracy, "top1")):
            draw(axes, run["epoch"], run[f"train_{column}"], color=colour, lw=0.9, alpha=0.75,
                 fillstyle="none")
            draw(axes, run["epoch"], run[f"test_{column}"], color=colour, lw=2)
            if f"ema_test_{column}" in run:
                draw(axes, run["epoch"], run[f"ema_test_{column}"], color=colour, lw=2, ls="--")
        draw(rate, run["lr_epoch"], run["lr_value"], color=colour, lw=1.5)
    finish_axes(loss, "Loss", "cross entropy (nats)")
    finish_axes(accuracy, "Accuracy", "top-1 (%)")
    finish_axes(rate, "Learning rate", "learning rate")
    for axes in (loss, rate):
        from_zero(axes)
    handles = [Line2D([], [], color=COLOURS[i % len(COLOURS)], lw=2) for i in range(len(runs))]
    handles += [Line2D([], [], color=GREY, lw=2), Line2D([], [], color=GREY, lw=0.9)]
    names = list(runs) + ["evaluation", "training"]
    if any(name in run for run in runs.values() for name in AVERAGED):
        handles.append(Line2D([], [], color=GREY, lw=2, ls="--"))
        names.append("averaged weights")
    add_foot(figure, handles, names, "")
    return figure


def main():
    parser = argparse.ArgumentParser(description="Draws the curves of training runs.")
    parser.add_argument("run_dirs", metavar="RUN_DIR", type=Path, nargs="+",
                        help="output folder of resgrad train")
    parser.add_argument("-o", "--out", metavar="OUT", type=Path,
                        help="write OUT.png and OUT.svg (default for one run: RUN_DIR/run)")
    args = parser.parse_args()
    if args.out is None and len(args.run_dirs) > 1:
        parser.error("several runs need -o OUT")
    if len({f.resolve() for f in args.run_dirs}) < len(args.run_dirs):
        parser.error("each RUN_DIR once, please")
    runs = dict(zip(names_of(args.run_dirs), map(read_run, args.run_dirs)))
    save(plot(runs), without_suffix(args.out or args.run_dirs[0] / "run"))


if __name__ == "__main__":
    run_script(main)
