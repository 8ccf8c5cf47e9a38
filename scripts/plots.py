"""What the plot scripts share: reading metrics.csv, the look, and saving as PNG and SVG."""
import csv
import math
from pathlib import Path

from script import InputError, need

need("matplotlib", "numpy")
import matplotlib  # noqa: E402

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402: the backend is chosen first
import numpy as np  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

# Okabe and Ito's palette, which colour-blind readers can tell apart, with a line style each.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
STYLES = ["-", "--", "-.", ":"]
GREY = "#555555"


def read_metrics(path, columns, optional=()):
    """The columns of one metrics.csv as arrays, and those of `optional` that it has; NaN where a value
    was not measured. `epoch` is always measured."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [c for c in columns if c not in (reader.fieldnames or [])]
            if missing:
                raise InputError(f"{path}: no column {', '.join(missing)}")
            columns = [*columns, *(c for c in optional if c in reader.fieldnames)]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not rows:
        raise InputError(f"{path}: no epoch is recorded")
    data = {c: [] for c in columns}
    for line, row in enumerate(rows, start=2):
        for c in columns:
            text = row[c]
            try:
                value = math.nan if text == "" and c != "epoch" else float(text)
            except (TypeError, ValueError):
                raise InputError(f"{path}: line {line}: {c} is not a number: {text!r}") from None
            if text and not math.isfinite(value):
                raise InputError(f"{path}: line {line}: {c} is not finite: {text}")
            data[c].append(value)
    return {c: np.array(v) for c, v in data.items()}


def panels(count, size, rows=1):
    """A figure of `count` axes side by side, in each of the rows."""
    plt.rcParams.update({
        "font.size": 10, "axes.titlesize": 11, "axes.titleweight": "bold", "axes.edgecolor": GREY,
        "axes.labelcolor": GREY, "xtick.color": GREY, "ytick.color": GREY, "svg.fonttype": "none",
        "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "resgrad"})
    return plt.subplots(rows, count, figsize=size)


def finish_axes(axes, title, unit, across="epoch"):
    axes.set(xlabel=across, ylabel=unit)
    axes.set_title(title, loc="left")
    axes.grid(True, color="#dddddd", lw=0.7)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    if across == "epoch":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def from_zero(axes):
    """Lets the values start at 0, with room above the largest."""
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])


def add_foot(figure, handles, names, note):
    """The legend below the axes, and a line of text below it."""
    columns = int(figure.get_figwidth() // 2.5)
    rows = math.ceil(len(names) / columns)
    foot = 0.08 + 0.055 * rows  # share of the figure
    figure.tight_layout(rect=(0, foot, 1, 1), w_pad=3)
    figure.legend(handles, names, loc="upper left", bbox_to_anchor=(0.06, foot + 0.01),
                  frameon=False, ncol=min(len(names), columns), handlelength=2.6,
                  borderpad=0)
    if note:
        figure.text(0.06, 0.025, note, fontsize=8.5, color=GREY)


def without_suffix(out):
    return out.with_suffix("") if out.suffix in (".png", ".svg") else out


def save(figure, out):
    """Writes OUT.png and OUT.svg and says so."""
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(f"{out}.png", dpi=160)
    figure.savefig(f"{out}.svg", metadata={"Date": None})
    print(f"{out}.png {out}.svg")
