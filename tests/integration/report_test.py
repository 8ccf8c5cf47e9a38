"""scripts/report.py on short runs of the program: what is on the page, and how a browser shows it.

  tests/integration/report_test.py RESGRAD
"""
import html.parser
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
RUN = ("--model resnet20 --dataset synthetic --batch-size 8 --limit-eval-batches 2 --threads 1 "
       "--epochs 2 --limit-train-batches 3 --quiet").split()
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Written behind the page: what a reader would see as broken.
PROBE = """<script>
const pictures = [...document.images];
const result = {pictures: pictures.length,
                missing: pictures.filter(p => p.naturalWidth === 0).length,
                drawings: [...document.querySelectorAll("svg[role=img]")]
                  .filter(s => s.getBoundingClientRect().height > 100).length,
                wider: document.documentElement.scrollWidth - window.innerWidth};
document.title = "probe:" + JSON.stringify(result) + ":";
</script>"""


class Outside(html.parser.HTMLParser):
    """The tags, and what a page would ask others for."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.resources = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href") and not value.startswith(("data:", "#")):
                self.resources.append(value)


def report(*arguments):
    return subprocess.run([sys.executable, "-B", SCRIPTS / "report.py", *map(str, arguments)],
                          capture_output=True, text=True, check=False)


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.root = Path(cls.temporary.name)
        for name, seed in (("a", "1"), ("b", "2")):
            cls.resgrad("train", *RUN, "--seed", seed, "--profile", "--output-dir", cls.root / name)
        cls.resgrad("compare", *RUN, "--seeds", "2", "--output-dir", cls.root / "both")

    @classmethod
    def resgrad(cls, *arguments):
        done = subprocess.run([RESGRAD, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def page(self, *arguments):
        out = self.root / "page.html"
        done = report(*arguments, "--resgrad", RESGRAD, "-o", out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        text = out.read_text(encoding="utf-8")
        self.assertEqual(Outside(text).resources, [])
        self.assertNotIn("@import", text)
        self.check_in_browser(text)
        return text

    def check_in_browser(self, text):
        if BROWSER is None:
            print("report_test: no Chromium here: pages are not opened", file=sys.stderr)
            return
        probed = self.root / "probed.html"
        probed.write_text(text.replace("</body>", PROBE + "</body>"), encoding="utf-8")
        for width in (400, 1400):
            done = subprocess.run(
                [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900",
                 f"--user-data-dir={self.root / 'profile'}", "--enable-logging=stderr", "--dump-dom",
                 probed.as_uri()], capture_output=True, text=True, timeout=300)
            found = re.search("probe:(.*?):</title>", done.stdout)
            self.assertIsNotNone(found, done.stderr[-2000:])
            seen = json.loads(found[1])
            self.assertNotIn("CONSOLE", done.stderr)
            self.assertEqual(seen["missing"], 0)
            self.assertEqual(seen["pictures"], text.count("<figure>"))
            self.assertEqual(seen["drawings"], text.count("<svg role="))
            self.assertLessEqual(seen["wider"], 0, f"wider than the window of {width} pixels")

    def test_run(self):
        text = self.page(self.root / "a")
        evaluated = json.loads(self.resgrad("eval", "--checkpoint", self.root / "a/best.safetensors",
                                            "--json"))
        self.assertIn(f"top-1 {evaluated['top1']:.2f} %", text)
        for c in evaluated["classes"]:
            self.assertIn(f"<td>{c['name']}</td><td>{c['images']}</td><td>{c['top1']:.2f}</td>", text)
        wrong = sum(map(sum, evaluated["confusion"])) - sum(
            row[i] for i, row in enumerate(evaluated["confusion"]))
        self.assertEqual(text.count("<figure>"), min(20, wrong))
        for part in ("Confusion", "Most wrong images", "Where the time went", "conv2d", "batch_size"):
            self.assertIn(part, text)
        work = text.split("Where the time went")[1].split("</table>")[0]
        shares = [float(share) for share in re.findall(r"<td>([0-9.]+)</td></tr>", work)]
        self.assertGreater(len(shares), 5)
        self.assertAlmostEqual(sum(shares), 100, delta=2)
        self.assertNotIn("<td>step", work)

    def test_runs(self):
        text = self.page(self.root / "a", self.root / "b", "--no-evaluation")
        self.assertIn("Training of a, b", text)
        self.assertNotIn("<figure>", text)
        for name in "ab":
            last = (self.root / name / "metrics.csv").read_text().splitlines()[-1].split(",")
            self.assertIn(f"<td>{name}</td><td>resnet20</td><td>synthetic</td><td>2</td>"
                          f"<td>{float(last[3]):.4f}</td><td>{float(last[6]):.2f}</td>", text)

    def test_own_images_that_a_run_held_out(self):
        images = self.root / "images"
        for name in ("a", "b"):
            (images / "train" / name).mkdir(parents=True)
        shown = json.loads(self.resgrad("predict", "--checkpoint", self.root / "a/best.safetensors", "--index",
                                        ",".join(map(str, range(20))), "--json", "--save-images", self.root / "png"))
        for i, row in enumerate(shown["predictions"]):
            shutil.move(row["image"], images / "train" / "ab"[i % 2])
        folder = ["folder" if word == "synthetic" else word for word in RUN]
        self.resgrad("train", *folder, "--data-path", images, "--val-split", "6", "--blocks", "1,1",
                     "--channels", "8,16", "--stem-channels", "8", "--output-dir", self.root / "own")
        text = self.page(self.root / "own")
        self.assertIn("best.safetensors on 6 val images of folder", text)
        self.assertIn("resnet20 with blocks=1,1 channels=8,16 stem_channels=8", text)

    def test_comparison(self):
        text = self.page(self.root / "both")
        for line in (self.root / "both" / "compare.csv").read_text().splitlines()[1:]:
            kind, name, measure, n, *numbers = line.split(",")
            cells = [kind, name, measure, n] + [f"{float(v):.5g}" if v else "" for v in numbers]
            self.assertIn("".join(f"<td>{cell}</td>" for cell in cells), text)
        self.assertIn("Accuracy against cost", text)

    def test_errors_are_one_sentence(self):
        for arguments, message in (([self.root / "none"], "no such folder"),
                                   ([self.root / "a", self.root / "both"], "or one comparison alone"),
                                   ([self.root / "a", "--resgrad", "/none"], "/none: No such file"),
                                   ([self.root / "a", "--resgrad", "/bin/false"], "exit code 1, without a message")):
            done = report(*arguments, "-o", self.root / "x.html")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(message, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertFalse((self.root / "x.html").exists())


if __name__ == "__main__":
    RESGRAD = sys.argv.pop(1)
    unittest.main()
