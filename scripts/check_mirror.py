#!/usr/bin/env python3
"""Checks that every source has a test at the mirrored place: core/ops/conv2d.cpp has
tests/core/ops/conv2d_test.cpp, core/kernels/pool_isa.cpp has tests/core/kernels/pool_test.cpp; and that
a CMakeLists.txt names every test, without which it would never run.

  scripts/check_mirror.py [--root DIR]     lists what has no test or never runs; exit code 1 if any
"""
import argparse
import re
import sys
from pathlib import Path

FOLDERS = ("core", "nn", "models", "data", "train")
NOT_CHECKED = ("train/cli/",)  # the command line is tested from outside, in tests/integration

# Sources that need no test file of their own, each with the reason.
EXCEPTIONS = {
    "core/kernels/dispatch.cpp": "forwards to the *_isa.cpp kernels, whose tests run every set",
    "core/kernels/conv2d/grouped/backward_weight_isa.cpp": "a pass of grouped.cpp, whose test runs it",
    "core/kernels/conv2d/reference/reference.cpp": "an engine of core/kernels/conv2d.h, whose test runs it",
    "core/kernels/conv2d/winograd/planes_isa.cpp": "the transforms of winograd.cpp, whose test runs them",
    "core/kernels/conv2d/microkernel_isa.cpp": "the product of two engines, whose tests run it",
    "core/ops/batch_norm_passes.cpp": "the parts of batch norms, which the tests of those operations run",
    "core/ops/conv2d_passes.cpp": "the parts of convolutions, likewise",
}


def test_of(source):
    """Where the test of the source file (a path from the root) belongs."""
    return f"tests/{source.removesuffix('.cpp').removesuffix('_isa')}_test.cpp"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root
    sources = sorted(
        file.relative_to(root).as_posix() for top in FOLDERS for file in (root / top).rglob("*.cpp")
    )
    problems = [
        f"{source}: has no test {test_of(source)}"
        for source in sources
        if not source.startswith(NOT_CHECKED)
        and source not in EXCEPTIONS
        and not (root / test_of(source)).is_file()
    ]
    for source in EXCEPTIONS:
        if source not in sources:
            problems.append(f"{source}: is in the list of exceptions, but does not exist")
        elif (root / test_of(source)).is_file():
            problems.append(f"{source}: has a test, but is in the list of exceptions")
    for test in (root / "tests").rglob("*_test.*"):
        lists = [folder / "CMakeLists.txt" for folder in test.parents if folder.is_relative_to(root / "tests")]
        if not any(test.relative_to(file.parent).as_posix() in re.split(r"[\s()]+|}/", file.read_text())
                   for file in lists if file.is_file()):
            problems.append(f"{test.relative_to(root)}: is in no CMakeLists.txt")
    if not sources:
        problems.append(f"no sources in {root}")
    for problem in problems:
        print(problem)
    print(f"check_mirror: {len(sources)} sources, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
