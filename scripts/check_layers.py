#!/usr/bin/env python3
"""Checks that includes point downward (README, "The map"), never in a circle, and the rules that go
with the layers.

  scripts/check_layers.py [--root DIR]     lists violations as file:line: reason; exit code 1 if any
  scripts/check_layers.py --self-test      plants violations in a temporary tree and expects each
"""
import argparse
import re
import sys
import tempfile
from pathlib import Path

# What the files of a layer may include besides the standard library and other packages.
# core/xtensor.h is a layer of its own: it includes nothing of ours.
CORE = {"core/xtensor.h", "core/kernels", "core"}
TRAIN = CORE | {"core/ops", "nn", "data", "train/optim", "train/io", "train/log", "train/dist", "train"}
ALLOWED = {
    "core/xtensor.h": set(),
    "core/kernels": {"core/xtensor.h", "core/kernels"},
    "core": CORE,
    "core/ops": CORE | {"core/ops"},
    "core/catalogue": CORE | {"core/ops", "core/catalogue"},
    "nn": CORE | {"core/ops", "nn"},
    "models": CORE | {"core/ops", "nn", "models"},
    "data": CORE | {"data"},  # not core/autograd, see below
    "train/optim": CORE | {"core/ops", "nn", "train/optim"},
    "train/io": CORE | {"train/io"},
    "train/log": CORE | {"core/ops", "nn", "train/optim", "train/io", "train/log"},
    "train/dist": CORE | {"core/ops", "nn", "train/dist"},
    "train": TRAIN,
    "train/cli": TRAIN | {"core/catalogue", "models", "train/cli"},
}
LIBRARIES = set(ALLOWED) - {"train/cli"}
OUTSIDE = ("tests", "bench", "examples")  # may include every layer, but xtensor only through its door
SUFFIXES = (".h", ".cpp")

# One inline function of a wider header, compiled for AVX-512, could be linked into baseline code.
ISA_SYSTEM_HEADERS = {"omp.h", "cstddef", "cstdint", "immintrin.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>)')
# A second file that includes xtensor without the cure in core/xtensor.h breaks the one-definition
# rule.
XTENSOR_DOOR = "core/xtensor.h"
XTENSOR_HEADER = re.compile(r"xtensor(-blas)?/|xtl/")
# xt::adapt names a buffer and xt::eval has a value; every other result may be a lazy expression.
LAZY_AUTO = re.compile(r"\bauto\b[\s&]*\w+\s*(?:=\s*|[({]\s*)xt::(?!adapt\b|eval\b)")
FORBIDDEN_IN_LIBRARIES = [
    (re.compile(r"\bstd::(cout|cerr|clog)\b"), "libraries never print"),
    (re.compile(r"(?<![\w.>])(?:std::)?v?(printf|puts|putchar)\s*\("), "libraries never print"),
    (re.compile(r"\bfmt::print(ln)?\s*\(\s*(\"|fmt::|stdout|stderr)"), "libraries never print"),
    (
        re.compile(r"(?<![\w.>:])(?:std::|::)?(_?exit|_Exit|quick_exit|abort|terminate)\s*\("),
        "libraries never end the program; throw",
    ),
    (re.compile(r"\b(secure_)?getenv\s*\("), "libraries never read the environment"),
]
# The rule of core/kernels/threads.h: OpenMP's own number is the calling thread's, and a promise.
THREADS = "core/kernels/threads.cpp"
OPENMP_NUMBER = re.compile(r"\bomp_(get_num_threads|get_max_threads|set_num_threads)\b")
OWN_TEAM = re.compile(r"\bomp parallel\b(?!.*\bnum_threads\()")
NO_STREAMS = re.compile(r"\b(stdout|stderr)\b")

COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\s\\]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'",
    re.DOTALL,
)


def without_comments(text):
    """`text` with every comment blanked and every line in its place."""

    def blank(match):
        found = match.group()
        return re.sub(r"[^\n]", " ", found) if found.startswith(("//", "/*")) else found

    return COMMENT_OR_STRING.sub(blank, text)


def layer_of(path):
    """The layer of a path from the root; None when it belongs to none."""
    if path in ALLOWED:
        return path
    folders = path.split("/")[:-1]
    if folders[:2] == ["core", "autograd"]:
        return "core"
    for depth in (2, 1):
        layer = "/".join(folders[:depth])
        if layer in ALLOWED:
            return layer
    return None


class Tree:
    def __init__(self, root):
        self.root = root
        self.text = {}
        for top in sorted({layer.split("/")[0] for layer in ALLOWED} | set(OUTSIDE)):
            for file in sorted((root / top).rglob("*")):
                if file.suffix in SUFFIXES and file.is_file():
                    name = file.relative_to(root).as_posix()
                    self.text[name] = without_comments(file.read_text(encoding="utf-8"))

    def includes(self, name):
        """(line number, "own header" or None, <system header> or None) of each include."""
        for number, line in enumerate(self.text[name].splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1), match.group(2)


def check_includes(tree, name):
    layer = layer_of(name)
    for line, own, system in tree.includes(name):
        if system is not None:
            if XTENSOR_HEADER.match(system) and name != XTENSOR_DOOR:
                yield line, f"<{system}> comes through core/xtensor.h only"
            continue
        if own not in tree.text:
            yield line, f'"{own}" is no file from the root of the repository'
            continue
        if layer is None:
            continue
        target = layer_of(own)
        if target not in ALLOWED[layer]:
            yield line, f'{layer} must not include {target or own.split("/")[0]} ("{own}")'
        elif layer == "data" and own.startswith("core/autograd/"):
            yield line, f'data must not include core/autograd ("{own}")'


def unit_of(name):
    """What a header and its sources have in common: core/pool for core/pool.h, .cpp and _isa.cpp."""
    return name.rpartition(".")[0].removesuffix("_isa")


def check_circles(tree):
    """Units, each a header with its sources, that need each other; at one include of each circle."""
    needs = {unit_of(name): {} for name in tree.text}
    for name in tree.text:
        for line, own, _ in tree.includes(name):
            if own in tree.text and unit_of(own) != unit_of(name):
                needs[unit_of(name)].setdefault(unit_of(own), (name, line))
    # depth first: what leads back to a unit of the present path closes a circle
    done = set()
    for start in needs:
        if start in done:
            continue
        path, waiting = [start], [iter(needs[start])]
        while path:
            unit = next(waiting[-1], None)
            if unit is None:
                done.add(path.pop())
                waiting.pop()
            elif unit in path:
                circle = path[path.index(unit) :] + [unit]
                yield *needs[path[-1]][unit], "circle of files: " + " -> ".join(circle)
            elif unit not in done:
                path.append(unit)
                waiting.append(iter(needs[unit]))


def check_homes(tree):
    """Headers whose source lies in another folder: it bears their name, includes them, and has no
    header beside it. A header that only includes others needs no source."""
    only_includes = re.compile(r"(\s*#[^\n]*\n)*\s*")
    headers = {unit_of(name) for name in tree.text if name.endswith(".h")}
    sources = {unit_of(name) for name in tree.text if name.endswith(".cpp")}
    for name in tree.text:
        if not name.endswith(".cpp") or layer_of(name) is None or unit_of(name) in headers:
            continue
        for line, own, _ in tree.includes(name):
            same_name = own and unit_of(own).rpartition("/")[2] == unit_of(name).rpartition("/")[2]
            if not same_name or unit_of(own) in sources or own not in tree.text:
                continue
            if not only_includes.fullmatch(tree.text[own]):
                yield name, line, f'the source of "{own}" lies in another folder'


def check_isa(tree):
    """Files that are compiled once per instruction set, with all that they include."""
    waiting = [(name, name) for name in tree.text if name.endswith("_isa.cpp")]
    seen = set()
    while waiting:
        name, source = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for line, own, system in tree.includes(name):
            if system is not None and system not in ISA_SYSTEM_HEADERS:
                yield name, line, f"<{system}> in code that is compiled per instruction set ({source})"
            elif own is not None and not own.startswith("core/kernels/"):
                yield name, line, f'"{own}" in code that is compiled per instruction set ({source})'
            elif own in tree.text:
                waiting.append((own, source))


def check_words(tree, name):
    layer = layer_of(name)
    text = tree.text[name]

    def lines(pattern):
        return (text.count("\n", 0, match.start()) + 1 for match in pattern.finditer(text))

    if layer is not None:
        for line in lines(LAZY_AUTO):
            yield line, "auto keeps an xtensor expression unevaluated; name its type"
    if layer in LIBRARIES:
        for pattern, reason in FORBIDDEN_IN_LIBRARIES:
            for line in lines(pattern):
                yield line, reason
        for line in lines(OWN_TEAM):
            yield line, "a parallel region asks for num_threads(), see core/kernels/threads.h"
        if name not in (THREADS, "core/kernels/gemm.cpp"):  # which keeps BLAS to one thread
            for line in lines(OPENMP_NUMBER):
                yield line, "no library code asks OpenMP for threads, see core/kernels/threads.h"
        if layer not in ("train", "train/log"):  # the progress line and the log are given a stream there
            for line in lines(NO_STREAMS):
                yield line, "libraries never print"


def violations(root):
    tree = Tree(root)
    found = {*check_isa(tree), *check_circles(tree), *check_homes(tree)}
    for name in tree.text:
        for check in (check_includes, check_words):
            found.update((name, line, reason) for line, reason in check(tree, name))
    return sorted(found), len(tree.text)


# (file, its text, the part of the message that must be reported; None: nothing)
PLANTED = [
    ("core/tensor.h", '#include "core/kernels/gemm.h"\n', None),
    ("core/kernels/gemm.h", "#include <cstdint>\n", None),
    ("core/xtensor.h", "#include <xtensor/xarray.hpp>\n", None),
    ("core/ops/relu.h", '#include "core/xtensor.h"\n', None),
    ("core/autograd/node.h", '#include "core/tensor.h"\n', None),
    ("nn/module.h", '#include "core/ops/relu.h"\n// std::cout, "nn/none.h", exit(1)\n', None),
    ("models/net.h", '#include "nn/module.h"\n', None),
    ("data/loader.h", '#include "core/tensor.h"\n', None),
    ("train/trainer.h", '#include "data/loader.h"\nvoid f() { g(stdout); app.exit(1); }\n', None),
    ("train/cli/main.cpp", '#include "models/net.h"\nint main() { std::exit(1); }\n', None),
    ("tests/net_test.cpp", '#include "models/net.h"\n', None),
    ("core/kernels/ok_isa.cpp", '#include "core/kernels/gemm.h"\n', None),
    ("core/up.cpp", '#include "nn/module.h"\n', "core must not include nn"),
    ("core/ops_up.cpp", '#include "core/ops/relu.h"\n', "core must not include core/ops"),
    ("core/kernels/up.cpp", '#include "core/tensor.h"\n', "core/kernels must not include core "),
    ("core/kernels/graph.cpp", '#include "core/autograd/node.h"\n', "core/kernels must not include core "),
    ("core/kernels/wide_isa.cpp", "#include <algorithm>\n", "<algorithm> in code that is compiled per"),
    ("core/kernels/deep_isa.cpp", '#include "core/kernels/deep.h"\n', None),
    ("core/kernels/deep.h", "#include <vector>\n", "<vector> in code that is compiled per"),
    ("nn/up.cpp", '#include "models/net.h"\n', "nn must not include models"),
    ("models/side.cpp", '#include "data/loader.h"\n', "models must not include data"),
    ("data/graph.cpp", '#include "core/autograd/node.h"\n', "data must not include core/autograd"),
    ("data/ops.cpp", '#include "core/ops/relu.h"\n', "data must not include core/ops"),
    ("train/net.cpp", '#include "models/net.h"\n', "train must not include models"),
    ("train/flags.cpp", '#include "train/cli/main.cpp"\n', "train must not include train/cli"),
    ("nn/door.cpp", "\n#include <xtensor/xview.hpp>\n", ":2: <xtensor/xview.hpp> comes through"),
    ("tests/door_test.cpp", "#include <xtensor/xview.hpp>\n", "comes through core/xtensor.h only"),
    ("core/ring_a.h", '#include "core/ring_b.h"\n', None),
    ("core/ring_a.cpp", '#include "core/ring_a.h"\n', None),
    ("core/ring_b.h", "", None),
    ("core/ring_b.cpp", '#include "core/ring_c.h"\n', None),
    ("core/ring_c.h", '\n#include "core/ring_a.h"\n', "core/ring_a -> core/ring_b -> core/ring_c -> core/ring_a"),
    ("core/kernels/pair.h", "", None),
    ("core/kernels/pair_isa.cpp", '#include "core/kernels/next.h"\n', ":1: circle of files"),
    ("core/kernels/next.h", '#include "core/kernels/pair.h"\n', None),
    ("nn/home.h", "void f();\n", None),
    ("models/home.cpp", '#include "nn/home.h"\n', 'the source of "nn/home.h" lies in another folder'),
    ("models/twin.h", "", None),
    ("nn/twin.h", "void f();\n", None),
    ("models/twin.cpp", '#include "models/twin.h"\n#include "nn/twin.h"\n', None),
    ("core/relative.cpp", '#include "tensor.h"\n', "is no file from the root"),
    ("core/ops/lazy.cpp", "auto y =\n    xt::sum(x);\n", ":1: auto keeps an xtensor expression"),
    ("core/print.cpp", 'void f() { std::cout << "x"; }\n', "never print"),
    ("data/printf.cpp", 'void f() { std::printf("x"); }\n', "never print"),
    ("train/print.cpp", 'void f() { fmt::print("x"); }\n', "never print"),
    ("models/stream.cpp", "void f() { g(stderr); }\n", "never print"),
    ("nn/exit.cpp", "void f() { std::exit(1); }\n", "never end the program"),
    ("nn/abort.cpp", "void f() { abort(); }\n", "never end the program"),
    ("core/kernels/team.cpp", "#pragma omp parallel for num_threads(num_threads())\n", None),
    ("core/kernels/threads.cpp", "auto n = omp_get_max_threads();\n", None),
    ("core/kernels/own_team.cpp", "#pragma omp parallel for\n", "a parallel region asks for num_threads()"),
    ("data/number.cpp", "auto n = omp_get_num_threads();\n", "no library code asks OpenMP for threads"),
    ("train/env.cpp", 'auto v = std::getenv("HOME");\n', "never read the environment"),
]


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        for name, text, _ in PLANTED:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        found, _ = violations(Path(folder))
    by_file = {}
    for name, line, reason in found:
        by_file.setdefault(name, []).append(f"{name}:{line}: {reason}")
    failures = []
    for name, _, expected in PLANTED:
        messages = by_file.get(name, [])
        if expected is None:
            failures += [f"unexpected: {message}" for message in messages]
        elif len(messages) != 1 or expected not in messages[0]:
            failures.append(f"{name}: expected one message with '{expected}', got {messages}")
    for failure in failures:
        print(failure)
    planted = sum(expected is not None for _, _, expected in PLANTED)
    print(f"check_layers: self-test: {planted} planted violations, {len(failures)} failures")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    found, files = violations(arguments.root)
    if files == 0:
        print(f"check_layers: no sources in {arguments.root}")
        return 1
    for name, line, reason in found:
        print(f"{name}:{line}: {reason}")
    print(f"check_layers: {files} files, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
