#!/usr/bin/env python3
"""Tests scripts/convert_cifar.py on small pickles as numpy would write them."""
import pickle
import subprocess
import sys
import tempfile
import types
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "convert_cifar.py"

# Stand-ins that are pickled as numpy's arrays are, since numpy need not be installed.
numpy = types.ModuleType("numpy")
multiarray = types.ModuleType("numpy.core.multiarray")


class ndarray:
    def __init__(self, rows, by_columns=False):
        self.rows, self.by_columns = rows, by_columns

    def __reduce__(self):
        lines = [bytes(column) for column in zip(*self.rows)] if self.by_columns else self.rows
        state = (1, (len(self.rows), 3072), dtype("u1", 0, 1), self.by_columns, b"".join(lines))
        return multiarray._reconstruct, (ndarray, (0,), b"b"), state


class dtype:
    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return dtype, self.arguments, (3, "|", None, None, None, -1, -1, 0)

    def __setstate__(self, state):
        pass


def _reconstruct(*_):
    raise NotImplementedError


for thing, module in ((ndarray, numpy), (dtype, numpy), (_reconstruct, multiarray)):
    thing.__module__ = module.__name__
    setattr(module, thing.__name__, thing)
sys.modules.update({"numpy": numpy, "numpy.core": types.ModuleType("numpy.core"),
                    "numpy.core.multiarray": multiarray})


def image(value):
    return bytes((value + i) % 256 for i in range(3072))


def dump(file, content):
    file.write_bytes(pickle.dumps(content, protocol=2))


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)


def expect(condition, what):
    if not condition:
        sys.exit(f"convert_cifar_test: {what}")


def main():
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        python = root / "cifar-10-batches-py"
        python.mkdir()
        for i, file in enumerate([f"data_batch_{b}" for b in range(1, 6)] + ["test_batch"]):
            dump(python / file, {b"labels": [i, 9], b"data": ndarray([image(i), image(100)], i == 2)})
        result = run(python)
        expect(result.returncode == 1 and "batches.meta" in result.stderr, f"missing file: {result}")
        dump(python / "batches.meta", {b"label_names": [b"airplane", b"automobile"]})
        result = run(python)
        expect(result.returncode == 0, f"CIFAR-10: {result}")
        binary = root / "cifar-10-batches-bin"
        for i, file in enumerate([f"data_batch_{b}.bin" for b in range(1, 6)] + ["test_batch.bin"]):
            records = bytes([i]) + image(i) + bytes([9]) + image(100)
            expect((binary / file).read_bytes() == records, f"records of {file}")
        expect((binary / "batches.meta.txt").read_bytes() == b"airplane\nautomobile\n", "names")
        result = run(python)
        expect(result.returncode == 1 and "found something" in result.stderr, f"second time: {result}")

        python = root / "cifar-100-python"
        python.mkdir()
        for file in ("train", "test"):
            dump(python / file, {b"fine_labels": [77], b"coarse_labels": [3], b"data": ndarray([image(5)])})
        dump(python / "meta", {b"fine_label_names": [b"apple"], b"coarse_label_names": [b"fruit"]})
        result = run(python, root / "made" / "here")
        expect(result.returncode == 0, f"CIFAR-100: {result}")
        expect((root / "made/here/train.bin").read_bytes() == bytes([3, 77]) + image(5), "CIFAR-100 records")
        expect((root / "made/here/fine_label_names.txt").read_bytes() == b"apple\n", "CIFAR-100 names")

        (python / "train").write_bytes(b"cos\nsystem\n(S'touch " + str(root / "run").encode() + b"'\ntR.")
        result = run(python, root / "evil")
        expect(result.returncode == 1 and "posix" not in result.stdout, f"a pickle with code: {result}")
        expect(not (root / "run").exists() and not (root / "evil").exists(), "a pickle was run")
        expect(sorted(path.name for path in root.iterdir()) ==
               ["cifar-10-batches-bin", "cifar-10-batches-py", "cifar-100-python", "made"], "left over files")
    print("convert_cifar_test: passed")


main()
