#!/usr/bin/env python3
"""Converts CIFAR-10 or CIFAR-100 from the Python version (pickles) to the binary one, which resgrad reads.

  scripts/convert_cifar.py FROM [TO]

FROM is the folder cifar-10-batches-py or cifar-100-python. TO is the folder that is made, by default
cifar-10-batches-bin or cifar-100-binary beside it. Needs no numpy.
"""
import argparse
import os
import pickle
import sys
import tempfile
from pathlib import Path

PIXELS = 3072
# Python files, binary files, keys of the labels in their order, the names of the classes, by folder of TO
CIFAR_10 = ("cifar-10-batches-bin",
            {**{f"data_batch_{i}": f"data_batch_{i}.bin" for i in range(1, 6)}, "test_batch": "test_batch.bin"},
            (b"labels",), {"batches.meta": [(b"label_names", "batches.meta.txt")]})
CIFAR_100 = ("cifar-100-binary", {"train": "train.bin", "test": "test.bin"}, (b"coarse_labels", b"fine_labels"),
             {"meta": [(b"coarse_label_names", "coarse_label_names.txt"),
                       (b"fine_label_names", "fine_label_names.txt")]})


class Array:
    """What a pickled numpy array of bytes holds."""

    def __init__(self, *_):
        self.by_columns, self.data = False, b""

    def __setstate__(self, state):
        if len(state) == 5:  # of an array, else of its dtype
            _, _, _, self.by_columns, self.data = state

    def row(self, i, count):
        return self.data[i::count] if self.by_columns else self.data[i * PIXELS:(i + 1) * PIXELS]


class Unpickler(pickle.Unpickler):
    """Makes nothing but arrays: a pickle may otherwise run any code."""

    def find_class(self, module, name):
        if module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype"):
            return Array
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return lambda text, encoding: text.encode(encoding)
        raise pickle.UnpicklingError(f"expected an array, got {module}.{name}")


def load(file):
    try:
        with open(file, "rb") as stream:
            return Unpickler(stream, encoding="bytes").load()
    except Exception as error:  # a damaged pickle can fail in any way
        raise ValueError(f"{file}: expected a file of the Python version, got: {error}") from error


def records(file, keys):
    """The bytes of a binary file: for each image its labels and its pixels."""
    content = load(file)
    try:
        labels, images = [content[key] for key in keys], content[b"data"]
        size = len(images.data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: expected data and {keys}, missing: {error}") from error
    count = len(labels[0])
    if any(len(column) * PIXELS != size for column in labels):
        raise ValueError(f"{file}: expected {PIXELS} bytes per label, got {size} for {count}")
    return b"".join(bytes(row) + images.row(i, count) for i, row in enumerate(zip(*labels)))


def convert(source, target):
    for name, files, keys, metas in (CIFAR_10, CIFAR_100):
        if all((source / file).is_file() for file in (*files, *metas)):
            break
    else:
        raise ValueError(f"{source}: expected the files {', '.join(CIFAR_10[1])} and batches.meta, or "
                         f"{', '.join(CIFAR_100[1])} and meta")
    target = target or source.resolve().parent / name
    if target.exists():
        raise ValueError(f"{target}: expected nothing there, found something")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as unfinished:
        folder = Path(unfinished, name)
        folder.mkdir()
        for file, binary in files.items():
            (folder / binary).write_bytes(records(source / file, keys))
        for file, lists in metas.items():
            content = load(source / file)
            for key, text in lists:
                (folder / text).write_bytes(b"".join(line + b"\n" for line in content[key]))
        os.replace(folder, target)
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="FROM", help="cifar-10-batches-py or cifar-100-python")
    parser.add_argument("target", type=Path, nargs="?", metavar="TO", help="default: beside FROM")
    args = parser.parse_args()
    try:
        print(f"convert_cifar: done: {convert(args.source, args.target)}")
    except (ValueError, OSError) as error:
        print(f"convert_cifar: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
