#!/usr/bin/env python3
"""Makes one page of training runs, or of a comparison, that needs nothing but itself to be read.

    python3 scripts/report.py RUN_DIR... [-o report.html] [--resgrad build/resgrad] [--data-path DATA]

A run is an output folder of `resgrad train`, a comparison one of `resgrad compare`. The page shows how each
run ended, the curves of all, and for each run its settings, the accuracy of every class, the confusion
matrix, the images that were most wrong, and where the time of a step went (where the run had --profile).
Of a comparison it shows the table with its intervals, the curves with bands, and what accuracy cost.

For classes and images the best weights are evaluated by the program itself, so the data must be there:
--data-path, else where the run found them. --no-evaluation leaves both out. Pictures are drawn into the
page: no file or address outside of it is asked for. Needs Debian's python3-matplotlib. Exit code 1 with
one sentence when a folder is missing or malformed, or the program fails.
"""
import argparse
import base64
import csv
import html
import io
import json
import subprocess
import tempfile
from pathlib import Path

# first: it says which package is missing
import plots
import plot_compare
import plot_run
from script import InputError, read_json, run_script

ROOT = Path(__file__).resolve().parent.parent
MOST_WRONG = 20
MOST_CLASSES = 20  # with a cell each in the confusion matrix

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; margin: 0 auto; max-width: 70rem; padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; } h3 { margin-top: 2rem; }
h1, h2, .settings td { overflow-wrap: anywhere; }
svg { width: 100%; min-width: 44rem; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.15rem 0.6rem; text-align: right; border-bottom: 1px solid #e5e5e5; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid #999; }
.confusion td { min-width: 2rem; border: 1px solid #fff; font-size: 0.8rem; text-align: center; }
.confusion th { font-weight: normal; font-size: 0.8rem; }
.images { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; width: 9rem; font-size: 0.8rem; line-height: 1.3; }
figure img { width: 100%; image-rendering: pixelated; display: block; }
.label { color: #555; } details { margin: 1rem 0; } summary { cursor: pointer; }
"""


# ---- pieces of a page ----------------------------------------------------------------------------


def text(value):
    return html.escape(str(value))


def table(header, rows, kind=""):
    head = "".join(f"<th>{text(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")


def drawing(figure, name):
    """The figure as part of the page. Its text stays text, which a reader can find and copy."""
    out = io.StringIO()
    figure.savefig(out, format="svg",
                   metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    plots.plt.close(figure)
    svg = out.getvalue()
    svg = svg[svg.index("<svg"):]
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{text(name)}"', 1)
    return f'<div class="wide">{svg}</div>'


# ---- what the program says -----------------------------------------------------------------------


def program(args, *command):
    flags = ["--data-path", str(args.data_path)] if args.data_path else []
    try:
        done = subprocess.run([str(args.resgrad), *command, *flags], capture_output=True, text=True)
    except OSError as error:
        raise InputError(f"{args.resgrad}: {error.strerror}; --resgrad says where the program is, "
                         "--no-evaluation does without it") from error
    if done.returncode != 0:
        messages = done.stderr.strip().splitlines() or [f"ended with exit code {done.returncode}, without a message"]
        raise InputError(f"{args.resgrad} {command[0]}: {messages[-1]}")
    return done.stdout


def evaluated_split(settings, data_path):
    """The test images; of own images without any those that the training held out."""
    has_test = any((Path(data_path) / part).is_dir() for part in ("test", "val"))
    return "val" if settings["dataset"] == "folder" and settings.get("val_split") and not has_test else "test"


def evaluation(args, settings, weights):
    """Accuracy of the classes, the confusion matrix and the most wrong images of one weights file."""
    if settings.get("data_path") and not args.data_path and settings["dataset"] != "synthetic":
        args = argparse.Namespace(**vars(args) | {"data_path": settings["data_path"]})
    of_weights = ["--checkpoint", str(weights), "--json", "--split",
                  evaluated_split(settings, args.data_path or "")]
    with tempfile.TemporaryDirectory() as folder:
        predictions = Path(folder) / "predictions.csv"
        result = json.loads(program(args, "eval", *of_weights, "--predictions", str(predictions)))
        with predictions.open(newline="", encoding="utf-8", errors="replace") as file:
            wrong = [row for row in csv.DictReader(file) if row["label"] != row["predicted"]]
        wrong = sorted(wrong, key=lambda row: -float(row["loss"]))[:MOST_WRONG]
        pictures = []
        if wrong:
            shown = json.loads(program(
                args, "predict", *of_weights, "--index", ",".join(row["index"] for row in wrong),
                "--save-images", folder))
            pictures = [Path(p["image"]).read_bytes() for p in shown["predictions"]]
    return result, list(zip(wrong, pictures))


def classes_part(result):
    rows = sorted(([c["name"], c["images"], f"{c['top1']:.2f}"] for c in result["classes"]),
                  key=lambda row: float(row[2]))
    return "<h3>Accuracy of the classes</h3>" + table(["class", "images", "top-1 %"], rows)


def confusion_part(result):
    names = [c["name"] for c in result["classes"]]
    if len(names) > MOST_CLASSES:
        pairs = [(count, names[i], names[j]) for i, row in enumerate(result["confusion"])
                 for j, count in enumerate(row) if i != j and count > 0]
        rows = [[label, predicted, count] for count, label, predicted in sorted(pairs, reverse=True)[:20]]
        return "<h3>Most frequent mistakes</h3>" + table(["label", "predicted", "images"], rows)
    lines = []
    for name, row in zip(names, result["confusion"]):
        cells = ""
        for count in row:
            share = count / max(1, sum(row))
            ink = "#fff" if share > 0.5 else "#222"
            cells += (f'<td style="background: rgba(0, 114, 178, {share:.3f}); color: {ink}">'
                      f"{count or ''}</td>")
        lines.append(f"<tr><th>{text(name)}</th>{cells}</tr>")
    head = "".join(f"<th>{text(name)}</th>" for name in names)
    return ("<h3>Confusion</h3><p>Rows are labels, columns predictions, in images.</p>"
            '<div class="wide"><table class="confusion">'
            f"<thead><tr><th></th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>")


def wrong_part(wrong):
    if not wrong:
        return "<h3>Most wrong images</h3><p>None: every image got its label.</p>"
    figures = ""
    for row, picture in wrong:
        data = base64.b64encode(picture).decode()
        name = row["file"] or f"image {row['index']}"
        figures += (f'<figure><img alt="{text(name)}" src="data:image/png;base64,{data}">'
                    f"<figcaption>{text(row['predicted'])} {100 * float(row['probability']):.1f} %<br>"
                    f"<span class=\"label\">is {text(row['label'])}, loss {float(row['loss']):.2f}<br>"
                    f"{text(name)}</span></figcaption></figure>")
    return f'<h3>Most wrong images</h3><div class="images">{figures}</div>'


# ---- a run ---------------------------------------------------------------------------------------


def time_part(folder):
    path = folder / "profile.json"
    if not path.is_file():
        return ""
    times = {}
    for event in read_json(path).get("traceEvents", []):
        if "dur" in event and event["cat"] != "step":  # a step encloses its pieces
            times[event["name"]] = times.get(event["name"], 0) + event["dur"] / 1000
    total = sum(times.values())
    rows = [[name, f"{ms:.1f}", f"{100 * ms / total:.1f}"]
            for name, ms in sorted(times.items(), key=lambda item: -item[1])[:20]]
    return "<h3>Where the time went</h3>" + table(["work", "ms in the steps recorded", "%"], rows)


def settings_part(settings):
    rows = [[name, json.dumps(value)] for name, value in settings.items() if value not in ("", None, [])]
    return f"<details><summary>All settings</summary>{table(['setting', 'value'], rows, 'settings')}</details>"


def run_part(args, name, folder):
    settings = read_json(folder / "args.json")
    parts = [f"<h2>{text(name)}</h2>", settings_part(settings)]
    weights = folder / "best.safetensors"
    if not args.no_evaluation and weights.is_file():
        result, wrong = evaluation(args, settings, weights)
        parts += [f"<p>best.safetensors on {result['images']} {result['split']} images of {text(result['dataset'])}: "
                  f"loss {result['loss']:.4f}, top-1 {result['top1']:.2f} %.</p>",
                  classes_part(result), confusion_part(result), wrong_part(wrong)]
    return "".join(parts) + time_part(folder)


def network_of(settings):
    """The name of the network, and the fields of its description that were given."""
    names = list(settings)
    fields = names[names.index("model") + 1:names.index("recompute")] if "recompute" in names else []
    given = [f"{name}={settings[name]}" for name in fields if settings[name] != ""]
    return " ".join([settings["model"], *(["with"] if given else []), *given])


def runs_page(args):
    runs = dict(zip(plot_run.names_of(args.folders), map(plot_run.read_run, args.folders)))
    rows = []
    for (name, run), folder in zip(runs.items(), args.folders):
        settings = read_json(folder / "args.json")
        measured = run["test_top1"][~plots.np.isnan(run["test_top1"])]
        last, best = (f"{v:.2f}" for v in (measured[-1], measured.max())) if len(measured) else ("", "")
        rows.append([name, network_of(settings), settings["dataset"], f"{run['epoch'][-1]:.0f}",
                     f"{run['train_loss'][-1]:.4f}", last, best])
    title = "Training of " + ", ".join(runs)
    parts = [table(["run", "network", "data", "epochs", "train loss", "last top-1 %", "best top-1 %"], rows),
             drawing(plot_run.plot(runs), "loss, accuracy and learning rate by epoch")]
    parts += [run_part(args, name, folder) for name, folder in zip(runs, args.folders)]
    return title, parts


# ---- a comparison --------------------------------------------------------------------------------


def rounded(cell):
    """Numbers with five digits; what is no number, and whole numbers, as they are."""
    try:
        return cell if cell.lstrip("-").isdigit() else f"{float(cell):.5g}"
    except ValueError:
        return cell


def csv_part(path, title):
    if not path.is_file():
        return ""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return f"<h2>{title}</h2>" + table(rows[0], [[rounded(c) for c in row] for row in rows[1:]]) if rows else ""


def comparison_page(args, folder):
    parts = [csv_part(folder / "compare.csv", "Results"),
             "<h2>Curves</h2>",
             drawing(plot_compare.plot(plot_compare.read_variants(folder)), "curves of the variants")]
    costs = plot_compare.read_costs(folder)
    if costs:
        parts += ["<h2>Accuracy against cost</h2>", drawing(plot_compare.plot_costs(costs), "costs")]
    parts.append(csv_part(folder / "runs.csv", "Runs"))
    if (folder / "args.json").is_file():
        parts.append(settings_part(read_json(folder / "args.json")))
    return f"Comparison {folder.resolve().name}", parts


def page(title, parts):
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="icon" href="data:,"><style>{STYLE}</style></head>\n'
            f"<body><h1>{text(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n")


def main():
    parser = argparse.ArgumentParser(description="Makes one page of training runs or of a comparison.")
    parser.add_argument("folders", metavar="RUN_DIR", type=Path, nargs="+",
                        help="output folder of resgrad train, or one of resgrad compare")
    parser.add_argument("-o", "--out", type=Path, help="(default: report.html in the first folder)")
    parser.add_argument("--resgrad", type=Path, default=ROOT / "build" / "resgrad",
                        help="the program (default: build/resgrad)")
    parser.add_argument("--data-path", type=Path, help="the folder of the data (default: the run's)")
    parser.add_argument("--no-evaluation", action="store_true", help="no classes and no images")
    args = parser.parse_args()
    out = args.out or args.folders[0] / "report.html"
    compares = [f for f in args.folders if (f / "runs.csv").is_file()]
    if compares and len(args.folders) > 1:
        raise InputError(f"{compares[0]}: expected runs, or one comparison alone, got both")
    out.write_text(page(*(comparison_page(args, compares[0]) if compares else runs_page(args))),
                   encoding="utf-8")
    print(out)


if __name__ == "__main__":
    run_script(main)
