#!/usr/bin/env python3
"""Writes the tables that torchinfo 1.8.0 prints, which `resgrad summary` reproduces.

    python3 -m venv --system-site-packages venv && venv/bin/pip install torchinfo==1.8.0
    venv/bin/python scripts/make_summary_goldens.py [--out tests/golden/summary]

Needs PyTorch (Debian's python3-torch suffices), Python 3.11 or newer (older ones print the units of
the mult-adds differently) and torchinfo 1.8.0 from PyPI. Each table is str(summary) + a newline;
index.json says which block or network, input size and depth it is of. The figures are checked
against the published parameter counts and mult-adds before anything is written.
"""
import argparse
import json
import sys
from pathlib import Path

from script import need

need("torch", "torchinfo")
import torchinfo  # noqa: E402

from make_goldens import ResNetBlock, ResNeXtBlock, make  # noqa: E402

BLOCK_INPUT = [4, 128, 64, 64]
BLOCKS = {  # name: (class, options, parameters, [mult-adds, input, forward/backward, total])
    "block_1": (ResNetBlock, dict(bottleneck_ratio=1), 50_304, "822.08 8.39 20.97 29.56"),
    "block_2": (ResNetBlock, dict(bottleneck_ratio=4), 6_048, "97.52 8.39 16.78 25.19"),
    "block_3": (ResNetBlock, dict(stride=3, bottleneck_ratio=4), 6_048, "26.32 8.39 3.83 12.24"),
    "block_4": (ResNeXtBlock, dict(bottleneck_ratio=1), 50_496, "822.08 8.39 33.55 42.15"),
    "block_5": (ResNeXtBlock, dict(groups=4, bottleneck_ratio=4), 5_808, "90.44 8.39 29.36 37.77"),
    "block_6": (ResNeXtBlock, dict(stride=3, groups=4, bottleneck_ratio=4), 5_808,
                "25.48 8.39 20.11 28.53"),
    # beyond the source text: rows of an identity shortcut, bottleneck_ratio 2
    "block_identity": (ResNetBlock, dict(c_in=32, bottleneck_ratio=2), None, None),
}

CIFAR = [1, 3, 32, 32]
NETWORKS = {  # file: (model, options, input size, depth)
    "resnet20": ("resnet20", {}, CIFAR, 3),
    "resnet20_B": ("resnet20", dict(shortcut="B"), CIFAR, 3),
    "resnet20_depth1": ("resnet20", {}, CIFAR, 1),
    "resnet20_depth2": ("resnet20", {}, CIFAR, 2),
    "resnet20_depth4": ("resnet20", {}, CIFAR, 4),
    "resnet20_2x3x33x31": ("resnet20", {}, [2, 3, 33, 31], 4),
    "resnet110_depth2": ("resnet110", {}, CIFAR, 2),
    "resnet18": ("resnet18", {}, CIFAR, 3),
    "resnet18_depth5": ("resnet18", {}, CIFAR, 5),
    "resnet50_imagenet": ("resnet50", dict(stem="imagenet", num_classes=1000), [1, 3, 224, 224], 3),
    "resnet50_imagenet_depth4": ("resnet50", dict(stem="imagenet", num_classes=1000),
                                 [1, 3, 224, 224], 4),
    "preact_resnet20": ("preact_resnet20", {}, CIFAR, 3),
    "preact_resnet164_depth4": ("preact_resnet164", {}, CIFAR, 4),
    "resnext29_32x4d": ("resnext29_32x4d", {}, CIFAR, 3),
    "resnext29_32x4d_depth4": ("resnext29_32x4d", {}, [2, 3, 32, 32], 4),
}

PUBLISHED = [  # model, options, parameters, mult-adds at 1x3x32x32
    ("resnet20", {}, 269_722, 40_552_426),
    ("resnet32", {}, 464_154, 68_864_874),
    ("resnet44", {}, 658_586, 97_177_322),
    ("resnet56", {}, 853_018, 125_489_770),
    ("resnet110", {}, 1_727_962, 252_895_786),
    ("resnet20", dict(shortcut="B"), 272_474, 40_814_762),
    ("resnet56", dict(shortcut="B"), 855_770, 125_752_106),
    ("preact_resnet110", {}, 1_727_962, 252_895_786),
    ("preact_resnet110", dict(shortcut="B"), 1_730_522, 253_157_930),
    ("preact_resnet164", {}, 1_703_258, 244_525_226),
    ("preact_resnet1001", {}, 10_327_706, 1_487_999_210),
    ("resnet18", {}, 11_173_962, 555_432_330),
    ("resnet50", {}, 23_520_842, 1_297_883_018),
    ("resnext29_32x4d", {}, 4_775_754, 774_081_162),
    ("resnext29_4x64d", {}, 17_562_442, 2_736_501_898),
    ("resnext29_8x64d", {}, 34_426_698, 5_387_323_530),
    ("resnext29_16x64d", {}, 68_155_210, 10_688_966_794),
]
IMAGENET_PARAMETERS = {
    "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032,
    "resnet101": 44_549_160, "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904, "resnext101_32x8d": 88_791_336,
}


class Mismatch(Exception):
    pass


def expect(what, got, expected):
    if got != expected:
        raise Mismatch(f"{what}: expected {expected}, got {got}")


def summarise(module, size, depth=3):
    return torchinfo.summary(module, input_size=size, depth=depth, verbose=0)


def check_published():
    for name, options, parameters, mult_adds in PUBLISHED:
        result = summarise(make(name, **options), CIFAR)
        expect(f"{name} {options}", (result.total_params, result.total_mult_adds),
               (parameters, mult_adds))
    for name, parameters in IMAGENET_PARAMETERS.items():
        module = make(name, stem="imagenet", num_classes=1000)
        expect(name, sum(p.numel() for p in module.parameters()), parameters)


def tables():
    """Yields (file name, description for the index, text)."""
    for file, (block, options, parameters, figures) in BLOCKS.items():
        options = dict(c_in=128, c_out=32) | options
        size = [BLOCK_INPUT[0], options["c_in"], *BLOCK_INPUT[2:]]
        result = summarise(block(**options), size)
        if parameters is not None:
            expect(f"{file} parameters", result.total_params, parameters)
            text = str(result).splitlines()
            labels = ("Total mult-adds", "Input size", "Forward/backward", "Estimated Total")
            got = [line.split(":")[1].strip() for label in labels for line in text
                   if line.startswith(label)]
            expect(f"{file} figures", " ".join(got), figures)
        yield file, dict(block=block.__name__, input=size, depth=3) | options, str(result)
    for file, (name, options, size, depth) in NETWORKS.items():
        result = summarise(make(name, **options), size, depth)
        yield file, dict(model=name, input=size, depth=depth) | options, str(result)


def main():
    parser = argparse.ArgumentParser(description="Writes the tables that torchinfo 1.8.0 prints.")
    parser.add_argument("--out", type=Path,
                        default=Path(__file__).resolve().parent.parent / "tests/golden/summary",
                        help="output folder (default: tests/golden/summary)")
    args = parser.parse_args()
    try:
        expect("torchinfo version", torchinfo.__version__, "1.8.0")
        check_published()
        written = list(tables())
    except Mismatch as error:
        print(f"make_summary_goldens: {error}", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    for file, _, text in written:
        (args.out / f"{file}.txt").write_text(text + "\n", encoding="utf-8")
    rows = ",\n".join(f"  {json.dumps(f)}: {json.dumps(spec)}" for f, spec, _ in written)
    (args.out / "index.json").write_text("{\n" + rows + "\n}\n", encoding="utf-8")
    print(f"{args.out}: {len(written)} tables")
    return 0


if __name__ == "__main__":
    sys.exit(main())
