"""scripts/quickstart.sh from its start to its pictures, without the build, which was.

  tests/integration/quickstart_test.py ROOT       the sources, with the program in ROOT/build
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SHORT = ("--epochs 1 --limit-train-batches 2 --limit-eval-batches 1 --batch-size 8 --threads 1 --blocks 1,1 "
         "--channels 8,8 --stem-channels 8").split()


class Quickstart(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        (self.folder / "bin").mkdir()
        cmake = self.folder / "bin" / "cmake"  # in place of the real one
        cmake.write_text("#!/bin/sh\n")
        cmake.chmod(0o755)

    def run_script(self, *flags, expect=0):
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        environment.pop("RESGRAD_DATA", None)
        done = subprocess.run(["bash", ROOT / "scripts/quickstart.sh", *map(str, flags)], cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def check_pictures(self, out, shown):
        for name in ("curves.png", "predictions.png", "last.safetensors"):
            self.assertGreater((out / name).stat().st_size, 0, name)
        self.assertFalse((out / "some.csv").exists())
        predictions = json.loads((out / "predictions.json").read_text())["predictions"]
        self.assertEqual(len(predictions), shown)

    def test_synthetic(self):
        out = self.folder / "a run"
        text = self.run_script(*SHORT, "--dataset", "synthetic", "--output-dir", out)
        self.check_pictures(out, 10)
        self.assertIn("--epochs 3 --dataset synthetic", text)

    def test_data_of_a_file_of_settings(self):
        self.run_script(*SHORT, "--dataset", "synthetic", "--output-dir", self.folder / "first")
        images = self.folder / "my images"
        for name in ("a", "b"):
            (images / "train" / name).mkdir(parents=True)
        for i, picture in enumerate(sorted((self.folder / "first" / "images").iterdir())):
            picture.rename(images / "train" / "ab"[i % 2] / picture.name)
        settings = self.folder / "own.toml"
        settings.write_text(f'dataset = "folder"\ndata-path = "{images}"\nval-split = 4\n')
        out = self.folder / "second"
        short = ["4" if flag == "8" and SHORT[i - 1] == "--batch-size" else flag for i, flag in enumerate(SHORT)]
        text = self.run_script("--config", settings, *short, "--output-dir", out)
        self.check_pictures(out, 4)
        self.assertIn("--dataset folder --data-path", text)

    def test_dry_run(self):
        out = self.folder / "none"
        self.run_script("--dry-run", *SHORT, "--dataset", "synthetic", "--output-dir", out)
        self.assertFalse(out.exists())

    def test_cifar_is_asked_for(self):
        text = self.run_script("--download", "--dataset", "synthetic", expect=2)
        self.assertIn("gets CIFAR-10, expected it with cifar10, not synthetic", text)


if __name__ == "__main__":
    ROOT = Path(sys.argv.pop(1)).resolve()
    unittest.main()
