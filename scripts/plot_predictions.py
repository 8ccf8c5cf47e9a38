#!/usr/bin/env python3
"""Draws images with the classes that a network gives them.

    build/resgrad predict --checkpoint FILE --index 0,1,2 --json --save-images DIR > DIR/predictions.json
    python3 scripts/plot_predictions.py DIR/predictions.json [-o OUT]

Reads what `resgrad predict --json --save-images` printed and the images that it names, and writes
OUT.png and OUT.svg (default: beside the file, without its suffix). The title of an image is its likeliest
class and that one's probability; where the label is another one it is named too. Needs Debian's
python3-matplotlib. Exit code 1 with one sentence when a file is missing or malformed.
"""
import argparse
from pathlib import Path

from plots import COLOURS, GREY, panels, plt, save, without_suffix
from script import InputError, read_json, run_script

COLUMNS = 5
RIGHT, WRONG = COLOURS[2], COLOURS[1]


def read_predictions(path):
    """(image file, likeliest class, its probability, label or None) of each input."""
    try:
        return [(Path(p["image"]), p["top"][0]["name"], float(p["top"][0]["probability"]), p.get("label"))
                for p in read_json(path)["predictions"]]
    except (ValueError, KeyError, IndexError, TypeError):
        raise InputError(f"{path}: expected what `resgrad predict --json --save-images` prints, "
                         "got something else") from None


def plot(predictions):
    rows = -(-len(predictions) // COLUMNS)
    figure, axes = panels(COLUMNS, (2 * COLUMNS, 2.3 * rows), rows)
    for panel in axes.flat:
        panel.axis("off")
    for panel, (image, name, probability, label) in zip(axes.flat, predictions):
        try:
            panel.imshow(plt.imread(image), interpolation="nearest")
        except (OSError, ValueError, SyntaxError) as error:
            raise InputError(f"{image}: cannot be read as an image ({error})") from error
        colour = GREY if label is None else RIGHT if label == name else WRONG
        wrong = "" if label in (None, name) else f"\n(is {label})"
        panel.set_title(f"{name} {100 * probability:.0f} %{wrong}", fontsize=9, color=colour)
    figure.tight_layout()
    return figure


def main():
    parser = argparse.ArgumentParser(description="Draws images with the classes a network gives them.")
    parser.add_argument("predictions", type=Path, help="output of resgrad predict --json --save-images")
    parser.add_argument("-o", "--out", metavar="OUT", type=Path, help="write OUT.png and OUT.svg")
    args = parser.parse_args()
    predictions = read_predictions(args.predictions)
    if not predictions:
        raise InputError(f"{args.predictions}: no prediction is recorded")
    save(plot(predictions), without_suffix(args.out or args.predictions.with_suffix("")))


if __name__ == "__main__":
    run_script(main)
