#!/usr/bin/env python3
"""Writes tests/golden/image_ops.json: what torchvision's image operations make of some images.

    /usr/bin/python3 scripts/make_image_goldens.py [--out tests/golden]

Needs PyTorch and torchvision; Debian's python3-torch and python3-torchvision suffice. The images are
not stored; both sides make them by one formula, here `image`, in C++ tests/data/image_ops_test.cpp:
byte i of the planes R, G, B has the value

    z = (i + 1) * 2654435761 mod 2^32,  b = (z ^ z >> 15) >> 8 mod 256
    noise   b        dim   60 + b mod 61        flat   77

A case is an operation on an image at all magnitudes of a policy, one after the other, each with both
signs where it has one (first the positive); `md5` is that of all results in that order. Operations
are torchvision's on uint8 tensors, with the nearest pixel and black outside. The magnitudes are those
of the policy, low + (high - low) * bin / 30 as a float32; torchvision's linspace, whose last bit
depends on the processor, is stored for comparison.
"""
import argparse
import hashlib
import json
import sys
import warnings
from pathlib import Path

from script import need

need("numpy", "torch", "torchvision")
warnings.filterwarnings("ignore")
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402
from torchvision.transforms import InterpolationMode  # noqa: E402
from torchvision.transforms.autoaugment import (RandAugment, TrivialAugmentWide,  # noqa: E402
                                                _apply_op)

BINS = 31
SIZES = ((32, 32), (17, 24))
IMAGES = {"noise": lambda b: b, "dim": lambda b: 60 + b % 61, "flat": lambda b: 77 + 0 * b}


def image(name, height, width):
    i = np.arange(3 * height * width, dtype=np.uint64)
    z = (i + np.uint64(1)) * np.uint64(2654435761) % np.uint64(2**32)
    b = ((z ^ (z >> np.uint64(15))) >> np.uint64(8)) % np.uint64(256)
    return torch.from_numpy(IMAGES[name](b).astype(np.uint8).reshape(3, height, width))


def spaces(size):
    return {"trivial": TrivialAugmentWide()._augmentation_space(BINS),
            "rand": RandAugment()._augmentation_space(BINS, size)}


def magnitudes(stored):
    """The magnitudes of an operation: those of the policy, without the rounding of linspace."""
    values = stored.double().numpy()
    if not torch.is_floating_point(stored):  # bits
        return values
    exact = values[0] + (values[-1] - values[0]) * np.arange(BINS) / (BINS - 1)
    return exact.astype(np.float32).astype(np.float64)


def case(policy, op, stored, signed, name, size):
    digest = hashlib.md5()
    start = image(name, *size)
    for magnitude in magnitudes(stored) if stored.ndim else [0.0]:
        for sign in (1, -1) if signed else (1,):
            result = _apply_op(start, op, sign * float(magnitude), InterpolationMode.NEAREST, None)
            digest.update(result.numpy().tobytes())
    return {"policy": policy, "op": op, "image": name, "height": size[0], "width": size[1],
            "md5": digest.hexdigest()}


def main():
    parser = argparse.ArgumentParser(description="Writes the golden values of image operations.")
    parser.add_argument("--out", type=Path,
                        default=Path(__file__).resolve().parent.parent / "tests" / "golden",
                        help="output folder (default: tests/golden)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cases, ranges = [], []
    for size in SIZES:
        for policy, space in spaces(size).items():
            for op, (stored, signed) in space.items():
                cases += [case(policy, op, stored, signed, name, size) for name in IMAGES]
                ranges.append({"policy": policy, "op": op, "height": size[0], "width": size[1],
                               "signed": signed,
                               "magnitudes": stored.double().tolist() if stored.ndim else []})
    path = args.out / "image_ops.json"

    def lines(items):
        return ",\n".join("    " + json.dumps(item) for item in items)

    made_by = f"scripts/make_image_goldens.py, torchvision {torchvision.__version__}"
    path.write_text(f'{{\n  "made_by": {json.dumps(made_by)},\n  "cases": [\n{lines(cases)}\n  ],\n'
                    f'  "magnitudes": [\n{lines(ranges)}\n  ]\n}}\n')
    print(f"{path}: {len(cases)} cases, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
