"""The plot scripts on made-up runs: pictures that are there, and errors in one sentence."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
HEADER = "epoch,step,lr,train_loss,train_top1,test_loss,test_top1,images_per_s,seconds\n"


def run(script, *arguments, options=("-B",)):
    return subprocess.run([sys.executable, *options, SCRIPTS / script, *arguments],
                          capture_output=True, text=True, check=False)


class Plots(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.root = Path(self.temporary.name)

    def make_run(self, name, rows=None, steps=None, header=HEADER):
        folder = self.root / name
        folder.mkdir(parents=True)
        if rows is None:
            # the second epoch was not evaluated
            rows = "1,10,0.1,2,20,1.9,25,900,5\n2,20,0.05,1.5,40,,,900,5\n3,30,0,1,60,1.2,55,900,5\n"
        (folder / "metrics.csv").write_text(header + rows)
        if steps is not None:
            (folder / "metrics.jsonl").write_text(steps)
        return folder

    def check_pictures(self, result, out):
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, f"{out}.png {out}.svg\n")
        self.assertEqual(Path(f"{out}.png").read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        return Path(f"{out}.svg").read_text(encoding="utf-8")

    def check_error(self, result, text):
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, "")
        self.assertIn(text, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)

    def test_confusion(self):
        file, out = self.root / "eval.json", self.root / "c.svg"
        evaluation = {"model": "r", "dataset": "d", "top1": 87.5, "confusion": [[3, 1], [0, 4]],
                      "classes": [{"name": "cat"}, {"name": "dog"}]}
        file.write_text(json.dumps(evaluation))
        done = run("plot_confusion.py", file, "-o", out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        svg = out.read_text(encoding="utf-8")
        for text in ("r on d: top-1 87.50 %", "cat", "dog", "75.0", "25.0", "100.0"):
            self.assertIn(f"<!-- {text} -->", svg)
        self.assertNotIn("<!-- 0.0 -->", svg)
        file.write_text(json.dumps(evaluation | {"confusion": [[3]]}))
        self.check_error(run("plot_confusion.py", file), "2 classes, but a matrix of shape (1, 1)")
        file.write_text('{"classes": []}')
        self.check_error(run("plot_confusion.py", file), "is not the output of resgrad eval --json")

    def test_range_of_learning_rates(self):
        table = self.root / "find-lr.csv"
        rows = "".join(f"{10.0**(i / 10 - 5)},{3 - i / 20},{3 - i / 25},"
                       f"{'steepest' if i == 12 else 'lowest' if i == 39 else ''}\n" for i in range(40))
        table.write_text("lr,loss,smoothed_loss,mark\n" + rows)
        svg = self.check_pictures(run("plot_find_lr.py", table), self.root / "find-lr")
        for text in ("Learning-rate range test", "smoothed", "steepest: 0.00016", "lowest: 0.079"):
            self.assertIn(f">{text}<", svg)
        self.check_error(run("plot_find_lr.py", self.root / "no.csv"), "no.csv: cannot be read")
        table.write_text("lr,loss\n1,2\n")
        self.check_error(run("plot_find_lr.py", table), "no column smoothed_loss")

    def test_one_run(self):
        run_dir = self.make_run("r20", steps='{"step":5,"lr":0.1}\n{"step":25,"lr":0.01}\n{"st')
        svg = self.check_pictures(run("plot_run.py", run_dir), run_dir / "run")
        for text in ("Loss", "Accuracy", "Learning rate", "r20", "evaluation"):
            self.assertIn(f">{text}<", svg)

    def test_many_runs(self):
        a, b = self.make_run("x/a"), self.make_run("x/b", rows="1,10,0.1,2,20,,,900,5\n")
        out = self.root / "pictures" / "both"
        svg = self.check_pictures(run("plot_run.py", a, b, "-o", f"{out}.png"), out)
        self.assertIn(">a<", svg)
        self.assertIn(">b<", svg)
        result = run("plot_run.py", a, b)
        self.assertEqual(result.returncode, 2)
        self.assertIn("several runs need -o", result.stderr)
        self.assertEqual(run("plot_run.py", a, a, "-o", out).returncode, 2)

    def test_compare(self):
        for variant in ("post", "pre"):
            for seed in (1, 2):
                self.make_run(f"c/{variant}/seed{seed}")
        out = self.root / "c" / "compare"
        svg = self.check_pictures(run("plot_compare.py", self.root / "c"), out)
        self.assertIn(">post (2 seeds)<", svg)
        self.assertIn("one standard deviation", svg)
        # a list of runs decides which are drawn: not a third, and not one that has diverged
        self.make_run("c/pre/seed3")
        rows = ["pre,1,finished", "post,1,finished", "pre,2,diverged", "post,2,finished"]
        (self.root / "c" / "runs.csv").write_text("\n".join(["variant,seed,result", *rows, ""]))
        svg = self.check_pictures(run("plot_compare.py", self.root / "c"), out)
        self.assertIn(">pre (1 seed)<", svg)
        self.assertIn(">post (2 seeds)<", svg)
        self.assertLess(svg.index(">pre (1"), svg.index(">post (2"))

    def test_averaged_weights(self):
        header = HEADER.replace("images_per_s", "ema_test_loss,ema_test_top1,images_per_s")
        run_dir = self.make_run("c/a/seed1", "1,10,0.1,2,20,1.9,25,1.5,61.5,900,5\n", header=header)
        svg = self.check_pictures(run("plot_compare.py", self.root / "c"), self.root / "c" / "compare")
        self.assertIn(">61.5<", svg)
        svg = self.check_pictures(run("plot_run.py", run_dir), run_dir / "run")
        self.assertIn(">averaged weights<", svg)

    def test_costs(self):
        header = "variant,seed,result,epochs,train_loss,test_top1,parameters,multiply_adds,images_per_s,minutes"
        rows = ["a,1,finished,3,1,50,270000,40000000,900,2", "b,1,finished,3,1,60,540000,80000000,,",
                "a,2,finished,3,1,52,270000,40000000,900,2", "b,2,diverged,0,,,540000,80000000,,"]
        for variant, seed in ("a", 1), ("a", 2), ("b", 1):
            self.make_run(f"c/{variant}/seed{seed}")
        (self.root / "c" / "runs.csv").write_text("\n".join([header, *rows, ""]))
        result, out = run("plot_compare.py", self.root / "c"), self.root / "c" / "compare"
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, f"{out}.png {out}.svg\n{out}-costs.png {out}-costs.svg\n")
        svg = Path(f"{out}-costs.svg").read_text(encoding="utf-8")
        for text in ("Multiply-adds", "Parameters", "millions per image", "a", "b"):
            self.assertIn(f">{text}<", svg)
        (self.root / "c" / "runs.csv").write_text("\n".join([header, rows[0].replace("40000000", "x"), ""]))
        result = run("plot_compare.py", self.root / "c")
        self.assertEqual(result.returncode, 1)
        self.assertIn("multiply_adds is not a number: 'x'", result.stderr)

    def test_errors(self):
        self.check_error(run("plot_run.py", self.root / "none"), "no such folder")
        self.check_error(run("plot_run.py", self.root), "metrics.csv: cannot be read")
        self.check_error(run("plot_run.py", self.make_run("empty", rows="")), "no epoch is recorded")
        bad = self.make_run("bad", rows="1,10,0.1,two,20,,,900,5\n")
        self.check_error(run("plot_run.py", bad), "line 2: train_loss is not a number: 'two'")
        torn = self.make_run("torn", steps='{"step":5,"lr":0.1}\n{"step":6}\n')
        self.check_error(run("plot_run.py", torn), "line 2: not a record of a step")
        self.check_error(run("plot_compare.py", self.root), "no <variant>/seed<k>/metrics.csv of a finished run")

    def test_missing_package(self):
        scripts = sorted(SCRIPTS.glob("plot_*.py")) + [
            SCRIPTS / name for name in ("check_interop.py", "make_goldens.py", "make_summary_goldens.py")]
        self.assertGreaterEqual(len(scripts), 6)
        for script in scripts:
            # -S: only Python's own modules
            result = run(script, "x", options=("-B", "-S"))
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertEqual(result.stderr.count("\n"), 1)
            self.assertRegex(result.stderr, rf"^{script.stem}: needs (matplotlib|torch|numpy), which "
                                            r"\S+ does not have: apt-get install python3-\S+ gives it")


    def test_predictions(self):
        rgb = (255, 0, 0)
        png = self.root / "a.png"
        plt.imsave(png, np.full((4, 4, 3), rgb, dtype=np.uint8))
        entries = [{"input": "0", "image": str(png), "label": "cat",
                    "top": [{"class": 0, "name": name, "probability": 0.75}]}
                   for name in ("cat", "dog")]
        del entries[0]["label"]
        file = self.root / "predictions.json"
        file.write_text(json.dumps({"predictions": entries}))
        svg = self.check_pictures(run("plot_predictions.py", file), self.root / "predictions")
        for text in ("cat 75 %", "dog 75 %", "(is cat)"):
            self.assertIn(f">{text}<", svg)
        png.write_bytes(b"nothing")
        self.check_error(run("plot_predictions.py", file), "cannot be read as an image")
        file.write_text('{"predictions": [{"input": "0"}]}')
        self.check_error(run("plot_predictions.py", file), "expected what `resgrad predict")
        self.check_error(run("plot_predictions.py", self.root / "none.json"), "cannot be read")


if __name__ == "__main__":
    unittest.main()
