#!/usr/bin/env python3
"""Keeps the results of finished trainings in docs/results, and the tables that are made of them.

    python3 scripts/results.py add NAME RUN... --data-path DATA   # after training; needs build/resgrad
    python3 scripts/results.py add-comparison NAME RUN            # after `resgrad compare`
    python3 scripts/results.py write     # the tables of README.md and docs/results.md
    python3 scripts/results.py check     # fails when a table is not what the committed files give
    python3 scripts/results.py plot      # docs/results/NAME/curves.png; needs matplotlib

docs/results/NAME/result.json says what was trained, by which command and on which machine; the folder of
each seed holds the metrics.csv of the run, its settings, and eval.json, the accuracy of its last weights
with and without test-time augmentation. `add` makes the latter three; result.json is written by hand.

Of a comparison, docs/results/NAME holds comparison.json, written by hand (with "images_per_s" of each variant, as
measured apart by "speed_command", the table has speeds), and what `add-comparison` copies:
runs.csv, compare.csv, the settings, and metrics.csv of every variant and seed.

A table stands in a document between <!-- results: KIND --> and <!-- end of results -->, where KIND is
`networks`, or `comparison NAME`; nothing in it is typed. Accuracies are those of the weights after the last
epoch, never of the best one. Minutes are the training and the evaluation after each epoch, of the seeds for
which result.json says that nothing else ran on the machine ("timed_seeds").
"""
import argparse
import csv
import json
import re
import statistics
import subprocess
from pathlib import Path

from script import InputError, read_json, run_script

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "results.md")
BLOCK = re.compile(r"(<!-- results: (\w+)(?: ([\w-]+))? -->\n)(.*?)(<!-- end of results -->)", re.DOTALL)
TTA = ("none", "flip", "multicrop")
OF_THE_MACHINE = ("data_path", "output_dir", "resume", "threads", "workers", "checkpoint_minutes")


# ---- reading -------------------------------------------------------------------------------------


def read_seed(folder):
    try:
        with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
            rows = [{k: float(v) for k, v in row.items() if v != ""} for row in csv.DictReader(file)]
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}/metrics.csv: cannot be read ({error})") from error
    top1 = read_json(folder / "eval.json")["top1"]
    if not rows or abs(rows[-1]["test_top1"] - top1["none"]) > 0.02:
        raise InputError(f"{folder}: metrics.csv and eval.json are not of the same weights")
    return {"seed": int(folder.name.removeprefix("seed")), "rows": rows, "top1": top1,
            "minutes": sum(r["seconds"] for r in rows) / 60}


def read_result(name):
    folder = RESULTS / name
    result = read_json(folder / "result.json") | {"name": name}
    seeds = sorted(folder.glob("seed*"), key=lambda f: int(f.name.removeprefix("seed")))
    if not seeds:
        raise InputError(f"{folder}: expected seed1, seed2, ..., got none")
    return result | {"seeds": [read_seed(seed) for seed in seeds]}


def read_rows(path):
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def read_comparison(name):
    """The runs of each variant, and {(kind, name, measure): row} of compare.csv."""
    folder = RESULTS / name
    runs = {}
    for row in read_rows(folder / "runs.csv"):
        if row["result"] != "finished":
            raise InputError(f"{folder}/runs.csv: {row['variant']} seed {row['seed']}: {row['result']}")
        runs.setdefault(row["variant"], []).append(row)
    table = {(r["kind"], r["name"], r["measure"]): r for r in read_rows(folder / "compare.csv")}
    for variant, rows in runs.items():
        for measure in ("train_loss", "test_top1"):
            mean = statistics.fmean(float(r[measure]) for r in rows)
            if abs(mean - float(table["variant", variant, measure]["mean"])) > 1e-9 * abs(mean):
                raise InputError(f"{folder}: {variant}: {measure}: compare.csv is not of runs.csv")
    return runs, table


def all_results():
    return [read_result(f.parent.name) for f in sorted(RESULTS.glob("*/result.json"))]


# ---- tables --------------------------------------------------------------------------------------


def mean_of(values, digits=2):
    text = f"{statistics.fmean(values):.{digits}f}"
    if len(values) > 1:
        text += " (" + ", ".join(f"{v:.{digits}f}" for v in values) + ")"
    return text


def networks_table(results):
    lines = ["| network | parameters | test accuracy, % | with six views, % | epochs | minutes | command |",
             "|---|---|---|---|---|---|---|"]
    for r in results:
        seeds = r["seeds"]
        plain, views = ([s["top1"][tta] for s in seeds] for tta in ("none", "multicrop"))
        timed = [s["minutes"] for s in seeds if s["seed"] in r["timed_seeds"]]
        minutes = mean_of(timed, 1) if timed else "—"
        cells = [f"[{r['network']}](docs/results/{r['name']})", f"{r['parameters']:,}", mean_of(plain),
                 mean_of(views), f"{seeds[0]['rows'][-1]['epoch']:.0f}", minutes, f"`{r['command']}`"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def with_interval(row, digits, spread):
    if row["mean"] == "":
        return "—"
    text = f"{float(row['mean']):.{digits}f}"
    if spread == "std" and row["std"] != "":
        text += f" ± {float(row['std']):.{digits}f}"
    if spread == "interval" and row["ci_low"] != "":
        text += f" ({float(row['ci_low']):.{digits}f} to {float(row['ci_high']):.{digits}f})"
    return text


def comparison_table(name):
    runs, table = read_comparison(name)
    about = read_json(RESULTS / name / "comparison.json")
    speeds = about.get("images_per_s")
    columns = ["", "parameters", "multiply-adds, millions", *(["images/s"] if speeds else []),
               "training loss", "test accuracy, %", f"epochs to a training loss of {about['target_loss']}"]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for (kind, variant, measure) in table:
        if measure != "train_loss":
            continue
        if kind == "variant":
            row = runs[variant][0]
            cells = [variant, f"{int(row['parameters']):,}", f"{int(row['multiply_adds']) / 1e6:.1f}"]
            if speeds:
                cells.append(f"{speeds[variant]:.0f}")
        else:
            cells = [variant.replace(" - ", " − ")] + [""] * (3 if speeds else 2)
        for column, digits in (("train_loss", 4), ("test_top1", 2), ("epochs_to_loss", 1)):
            row = table[kind, variant, column]
            cells.append(with_interval(row, digits, "std" if kind == "variant" else "interval"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def with_tables(document, results):
    def table(match):
        if match[2] not in ("networks", "comparison"):
            raise InputError(f"{document}: results: expected networks or comparison NAME, got {match[2]}")
        text = networks_table(results) if match[2] == "networks" else comparison_table(match[3])
        if document.parent == RESULTS.parent:
            text = text.replace("](docs/", "](")
        return match[1] + text + match[5]
    return BLOCK.sub(table, document.read_text(encoding="utf-8"))


def write(_):
    for document in DOCUMENTS:
        document.write_text(with_tables(document, all_results()), encoding="utf-8")
    return 0


def check(_):
    results, stale = all_results(), []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        if len(BLOCK.findall(text)) != text.count("<!-- results:"):
            raise InputError(f"{document}: a table of results has no end")
        if with_tables(document, results) != text:
            stale.append(document.relative_to(ROOT))
    for document in stale:
        print(f"results: {document}: its tables are not those of docs/results; "
              "python3 scripts/results.py write makes them")
    if not stale:
        print(f"results: {sum(len(r['seeds']) for r in results)} runs of {len(results)} results: good")
    return 1 if stale else 0


# ---- adding --------------------------------------------------------------------------------------


def evaluate(args, weights, tta):
    command = [str(args.resgrad), "eval", "--checkpoint", str(weights), "--tta", tta, "--json",
               "--data-path", str(args.data_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise InputError(f"{weights}: {done.stderr.strip()}")
    return json.loads(done.stdout)["top1"]


def add(args):
    for run in args.runs:
        settings = read_json(run / "args.json")
        folder = RESULTS / args.name / f"seed{settings['seed']}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.csv").write_bytes((run / "metrics.csv").read_bytes())
        kept = {k: v for k, v in settings.items() if k not in OF_THE_MACHINE}
        (folder / "settings.json").write_text(json.dumps(kept, indent=1) + "\n")
        top1 = {tta: round(evaluate(args, run / "last.safetensors", tta), 4) for tta in TTA}
        (folder / "eval.json").write_text(json.dumps({"top1": top1}) + "\n")
        print(f"{folder.relative_to(ROOT)}: {top1}")
    return 0


def add_comparison(args):
    folder = RESULTS / args.name
    read_json(folder / "comparison.json")  # written by hand
    for row in read_rows(args.folder / "runs.csv"):
        path = Path(row["variant"]) / f"seed{row['seed']}"
        (folder / path).mkdir(parents=True, exist_ok=True)
        (folder / path / "metrics.csv").write_bytes((args.folder / path / "metrics.csv").read_bytes())
    for name in ("runs.csv", "compare.csv"):
        (folder / name).write_bytes((args.folder / name).read_bytes())
    kept = {k: v for k, v in read_json(args.folder / "args.json").items() if k not in OF_THE_MACHINE}
    (folder / "settings.json").write_text(json.dumps(kept, indent=1) + "\n")
    print(comparison_table(args.name))
    return 0


# ---- pictures ------------------------------------------------------------------------------------


def save_png(figure, folder):
    import plots
    plots.save(figure, folder / "curves")
    (folder / "curves.svg").unlink()


def plot(_):
    import plot_compare
    import plots
    import numpy as np
    from matplotlib.lines import Line2D
    for result in all_results():
        by_time = len(result["timed_seeds"]) > 0
        figure, axes = plots.panels(1, (7, 4.4))
        seeds = [s for s in result["seeds"] if not by_time or s["seed"] in result["timed_seeds"]]
        series = [("resgrad", seeds)]
        pytorch = sorted((RESULTS / result["name"] / "pytorch").glob("seed*"))
        if pytorch:
            series.append(("PyTorch", [read_seed(folder) for folder in pytorch]))
        handles = []
        for (name, seeds), colour in zip(series, plots.COLOURS):
            for seed in seeds:
                x = [r["epoch"] for r in seed["rows"]]
                if by_time:
                    x = np.cumsum([r["seconds"] for r in seed["rows"]]) / 60
                y = [r["test_top1"] for r in seed["rows"]]
                axes.plot(x, y, color=colour, lw=1.3, alpha=0.8)
                if by_time:
                    axes.annotate(f"{y[-1]:.2f} %, {x[-1]:.0f} minutes", (x[-1], y[-1]), color=colour,
                                  fontsize=9, xytext=(0, 6), textcoords="offset points", ha="right")
            handles.append(Line2D([], [], color=colour, lw=2))
        plots.finish_axes(axes, f"Test accuracy of {result['network']} on CIFAR-10", "top-1 (%)",
                          "minutes of training" if by_time else "epoch")
        axes.set_xlim(left=0)
        axes.margins(y=0.1)
        plots.add_foot(figure, handles, [name for name, _ in series], result["machine"])
        save_png(figure, RESULTS / result["name"])
    for file in sorted(RESULTS.glob("*/comparison.json")):
        save_png(plot_compare.plot(plot_compare.read_variants(file.parent)), file.parent)
    return 0


def main():
    parser = argparse.ArgumentParser(description="Keeps results and the tables made of them.",
                                     epilog="The file begins with what stands where.")
    commands = parser.add_subparsers(required=True)
    for function in (write, check, plot):
        commands.add_parser(function.__name__).set_defaults(run=function)
    adding = commands.add_parser("add")
    adding.set_defaults(run=add)
    adding.add_argument("name", metavar="NAME", help="the folder in docs/results")
    adding.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="output folder of resgrad train")
    adding.add_argument("--data-path", type=Path, required=True, help="the folder of CIFAR-10")
    adding.add_argument("--resgrad", type=Path, default=ROOT / "build" / "resgrad")
    comparing = commands.add_parser("add-comparison")
    comparing.set_defaults(run=add_comparison)
    comparing.add_argument("name", metavar="NAME", help="the folder in docs/results")
    comparing.add_argument("folder", metavar="RUN", type=Path, help="output folder of resgrad compare")
    args = parser.parse_args()
    return args.run(args)


if __name__ == "__main__":
    run_script(main)
