#!/usr/bin/env python3
"""Trains scripts/recipes/fastresnet8.toml in PyTorch: the same network, weights, images and settings.

    python3 scripts/pytorch_fastresnet8.py --data-path DATA --check          # the first losses of both
    python3 scripts/pytorch_fastresnet8.py --data-path DATA --output-dir runs/pytorch --seed 1

The order of the images, their shifts and mirrorings are drawn as resgrad draws them (Philox4x32-10,
core/random.cpp), and the first weights are taken from `resgrad train`, so that both compute the same up
to rounding. --check trains both for --steps updates, prints the losses, and fails when two differ by more
than 1e-3; training multiplies differences, so that after some fifteen updates rounding alone does that.
Without --check PyTorch trains to the end and writes metrics.csv with the columns that the two programs
share; test-time augmentation is evaluated once at the end, as in `resgrad eval --tta`.

PyTorch gets what helps it: channels_last or contiguous memory (--format; compare both by --steps), images
prepared outside the measured time, which resgrad's waits for data are part of, and glibc's malloc tuned as in
compare_pytorch.py. Needs Debian's python3-torch (scripts/setup.sh --with-pytorch).
"""
import argparse
import csv
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare_pytorch import MALLOC, ROOT
from script import need

need("torch", "numpy")
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

EPOCHS, BATCH, IMAGES = 14, 512, 50000
LR, MOMENTUM, DECAY, BIAS_SCALE, SMOOTHING, PAD = 0.652, 0.85, 1.53e-3, 64, 0.2, 2
STEPS = IMAGES // BATCH
RISE, START = 0.2, 0.2  # of the triangle: share of the steps that go up, first rate over the largest
TOLERANCE = 1e-3
COLUMNS = ["epoch", "step", "lr", "train_loss", "test_loss", "test_top1", "images_per_s", "seconds"]

# ---- random numbers of core/random.h -----------------------------------------------------------

SHUFFLE, AUGMENT = 1, 2


def philox(seed, purpose, epoch, samples, blocks):
    """Words [samples, 4 * blocks] of the sequences of `samples`."""
    samples = np.asarray(samples, np.uint64)
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    x = [np.empty((len(samples), blocks), np.uint64) for _ in range(4)]
    x[0][:] = (purpose << 28) + np.arange(blocks, dtype=np.uint64)
    x[1][:] = epoch
    x[2][:] = (samples & low)[:, None]
    x[3][:] = (samples >> shift)[:, None]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = x[0] * np.uint64(0xD2511F53), x[2] * np.uint64(0xCD9E8D57)
        x = [(p1 >> shift) ^ x[1] ^ np.uint64(key[0]), p1 & low,
             (p0 >> shift) ^ x[3] ^ np.uint64(key[1]), p0 & low]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(x, axis=2).reshape(len(samples), -1)


def below(words, n):
    """Uniform integers in [0, n) from words, and which words are refused (Lemire's method)."""
    product = words * np.asarray(n, np.uint64)
    threshold = (2**32 - np.asarray(n, np.uint64)) % np.asarray(n, np.uint64)
    return product >> np.uint64(32), (product & np.uint64(0xFFFFFFFF)) < threshold


def permutation(seed, epoch, n):
    """Random(seed, shuffle, epoch).permutation(n)."""
    words = philox(seed, SHUFFLE, epoch, [0], n // 2)[0]
    order, used = np.arange(n), 0
    for i in range(n, 1, -1):
        while True:
            (j, refused), used = below(words[used], i), used + 1
            if not refused:
                break
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def draw_augmentation(seed, epoch, n):
    """(dy, dx, flip) of all images: draw_augmentation() of data/augment.cpp, flip alternating."""
    def draws(of_epoch):
        words, columns = philox(seed, AUGMENT, of_epoch, np.arange(n), 2), []
        used = np.zeros(n, np.int64)
        for size in (2 * PAD + 1, 2 * PAD + 1, 2):
            while True:
                values, refused = below(words[np.arange(n), used], size)
                used += refused
                if not refused.any():
                    break
            used += 1
            columns.append(values.astype(np.int64))
        return columns
    dy, dx, flip = draws(epoch)
    return dy - PAD, dx - PAD, (draws(0)[2] == 1) != (epoch % 2 == 1)


# ---- images --------------------------------------------------------------------------------------


def read_cifar(folder, names):
    records = np.concatenate([np.fromfile(folder / name, np.uint8).reshape(-1, 3073)
                              for name in names])
    mean = np.array([0.4914, 0.4822, 0.4465]).reshape(3, 1, 1)
    std = np.array([0.2470, 0.2435, 0.2616]).reshape(3, 1, 1)
    levels = np.arange(256).reshape(1, 1, 256) / 255
    table = ((levels - mean) / std).reshape(3, 256).astype(np.float32)
    pixels = records[:, 1:].reshape(-1, 3, 32, 32)
    images = np.stack([table[c][pixels[:, c]] for c in range(3)], axis=1)
    return images, records[:, 0].astype(np.int64)


def augmented(images, dy, dx, flip):
    """Each image moved by (dy, dx) over its reflection, then mirrored where `flip`."""
    size = images.shape[2]
    places = np.arange(size)

    def source(shift):
        at = np.abs(places + shift[:, None])
        return np.minimum(at, 2 * (size - 1) - at)

    rows, columns = source(dy), source(dx)
    columns = np.where(flip[:, None], columns[:, ::-1], columns)
    n = np.arange(len(images))
    return images[n[:, None, None, None], np.arange(3)[:, None, None], rows[:, None, :, None],
                  columns[:, None, None, :]]


# ---- network -------------------------------------------------------------------------------------


def conv(c_in, c_out, bias=False):
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=bias)


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.main_path = nn.Sequential(conv(channels, channels), nn.BatchNorm2d(channels))

    def forward(self, x):
        return F.relu_(self.main_path(x) + x)


class FastResNet8(nn.Module):
    """fastresnet8 of models/registry.cpp, with its names."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 32, bias=True), nn.ReLU(inplace=True))
        c_in = 32
        for s, c in enumerate((64, 256, 256), start=1):
            unit = nn.Sequential(conv(c_in, c), nn.MaxPool2d(2), nn.BatchNorm2d(c),
                                 nn.ReLU(inplace=True))
            self.add_module(f"stage{s}", nn.Sequential(unit, Block(c)))
            c_in = c
        self.fc = nn.Linear(c_in, 10)
        self.stem[0].weight.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.requires_grad_(False)

    def forward(self, x):
        x = self.stage3(self.stage2(self.stage1(self.stem(x))))
        return self.fc(x.amax((2, 3))) / 9


def make_optimizer(net):
    norm_biases = {id(m.bias) for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
    trained = [p for p in net.parameters() if p.requires_grad]
    groups = [{"params": [p for p in trained if id(p) not in norm_biases], "lr": LR, "scale": 1},
              {"params": [p for p in trained if id(p) in norm_biases], "lr": LR,
               "scale": BIAS_SCALE, "weight_decay": DECAY / BIAS_SCALE}]
    return torch.optim.SGD(groups, LR, MOMENTUM, weight_decay=DECAY, nesterov=True)


def learning_rate(step):
    total = EPOCHS * STEPS
    turn = RISE * total
    if step < turn:
        return LR * (START + (1 - START) * step / turn)
    return LR * (1 - (step - turn) / (total - turn))


# ---- training ------------------------------------------------------------------------------------


def run_resgrad(args, folder, *more):
    command = [str(args.resgrad), "train", "--config",
               str(ROOT / "scripts" / "recipes" / "fastresnet8.toml"), "--data-path",
               str(args.data_path), "--seed", str(args.seed), "--threads", str(args.threads),
               "--output-dir", str(folder), "--limit-eval-batches", "1", "--quiet", *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"pytorch_fastresnet8: resgrad: {done.stderr.strip()}")


def first_weights(args, folder):
    """The weights before the first update: an update at a rate of 1e-30 changes none."""
    run_resgrad(args, folder, "--max-steps", "1", "--lr", "1e-30")
    raw = (folder / "last.safetensors").read_bytes()
    start = 8 + struct.unpack("<Q", raw[:8])[0]
    state = {}
    for name, entry in json.loads(raw[8:start]).items():
        kind, _, rest = name.partition(".")
        if kind == "model" and entry["dtype"] == "F32" and "running" not in rest:
            begin, end = entry["data_offsets"]
            values = np.frombuffer(raw[start + begin:start + end], np.float32)
            state[rest] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return state


class Training:
    def __init__(self, args):
        self.args = args
        torch.set_num_threads(args.threads)
        self.format = getattr(torch, {"contiguous": "contiguous_format"}.get(args.format, args.format))
        self.net = FastResNet8()
        with tempfile.TemporaryDirectory() as folder:
            left_out = self.net.load_state_dict(first_weights(args, Path(folder) / "run"), strict=False)
        assert all("running" in n or "num_batches" in n for n in left_out.missing_keys), left_out
        self.net = self.net.to(memory_format=self.format)
        self.sgd = make_optimizer(self.net)
        self.images, self.labels = read_cifar(
            args.data_path, [f"data_batch_{i}.bin" for i in range(1, 6)])
        self.step = 0

    def tensor(self, images):
        return torch.from_numpy(images).contiguous(memory_format=self.format)

    def epoch(self, epoch, most_steps=STEPS):
        """Trains one epoch; returns its losses and the seconds of its updates."""
        order = permutation(self.args.seed, epoch, IMAGES)
        dy, dx, flip = draw_augmentation(self.args.seed, epoch, IMAGES)
        losses, seconds = [], 0
        self.net.train()
        for b in range(min(STEPS, most_steps)):
            rows = order[b * BATCH:(b + 1) * BATCH]
            images = self.tensor(augmented(self.images[rows], dy[rows], dx[rows], flip[rows]))
            labels = torch.from_numpy(self.labels[rows])
            start = time.perf_counter()
            for group in self.sgd.param_groups:
                group["lr"] = learning_rate(self.step) * group["scale"]
            self.sgd.zero_grad(set_to_none=True)
            loss = F.cross_entropy(self.net(images), labels, label_smoothing=SMOOTHING)
            loss.backward()
            self.sgd.step()
            losses.append(loss.item())
            seconds += time.perf_counter() - start
            self.step += 1
        return losses, seconds

    def evaluate(self, images, labels, views=1):
        """Loss, accuracy and seconds; of 6 views: both sides, and both moved by a pixel."""
        def sides(x):
            return (self.net(x) + self.net(x.flip(3))) / 2

        self.net.eval()
        loss = right = 0
        start = time.perf_counter()
        with torch.no_grad():
            for b in range(0, len(images), BATCH):
                x, y = self.tensor(images[b:b + BATCH]), torch.from_numpy(labels[b:b + BATCH])
                logits = sides(x) if views > 1 else self.net(x)
                if views == 6:
                    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
                    corners = sides(padded[:, :, :32, :32]) + sides(padded[:, :, 2:, 2:])
                    logits = logits / 2 + corners / 4
                loss += F.cross_entropy(logits, y, reduction="sum").item()
                right += (logits.argmax(1) == y).sum().item()
        return loss / len(images), 100 * right / len(images), time.perf_counter() - start


def check(args):
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        run_resgrad(args, run, "--max-steps", str(args.steps), "--print-freq", "1")
        lines = (run / "metrics.jsonl").read_text().splitlines()
    ours = [row["loss"] for row in map(json.loads, lines) if "images_per_s" in row and "loss" in row]
    theirs, seconds = Training(args).epoch(0, args.steps)
    print("step  resgrad    PyTorch    difference")
    for step, (a, b) in enumerate(zip(ours, theirs), start=1):
        print(f"{step:4}  {a:.6f}  {b:.6f}  {abs(a - b):.6f}")
    worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    print(f"largest difference {worst:.6f} (at most {TOLERANCE}); "
          f"PyTorch {args.steps * BATCH / seconds:.0f} images/s, {args.format}")
    return 0 if worst <= TOLERANCE else 1


def train(args):
    args.output_dir.mkdir(parents=True, exist_ok=True)
    training = Training(args)
    test = read_cifar(args.data_path, ["test_batch.bin"])
    with (args.output_dir / "metrics.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        rows.writeheader()
        for epoch in range(EPOCHS):
            losses, seconds = training.epoch(epoch)
            loss, top1, evaluation = training.evaluate(*test)
            rows.writerow({"epoch": epoch + 1, "step": training.step,
                           "lr": learning_rate(training.step - 1),
                           "train_loss": sum(losses) / len(losses), "test_loss": loss,
                           "test_top1": round(top1, 4), "images_per_s": round(STEPS * BATCH / seconds, 1),
                           "seconds": round(seconds + evaluation, 3)})
            file.flush()
            print(f"epoch {epoch + 1}  test top-1 {top1:.2f} %  {STEPS * BATCH / seconds:.0f} images/s",
                  flush=True)
    tta = {name: training.evaluate(*test, views)[1]
           for name, views in (("none", 1), ("flip", 2), ("multicrop", 6))}
    (args.output_dir / "eval.json").write_text(json.dumps({"top1": tta}) + "\n")
    print(tta)
    return 0


def main():
    parser = argparse.ArgumentParser(description="Trains the recipe fastresnet8 in PyTorch.",
                                     epilog="The file begins with how it is done.")
    parser.add_argument("--data-path", type=Path, required=True, help="the folder of CIFAR-10")
    parser.add_argument("--check", action="store_true", help="compare the first losses with resgrad's")
    parser.add_argument("--steps", type=int, default=10, choices=range(1, 98), metavar="N",
                        help="of --check, 1 to 97, those of an epoch (default: 10)")
    parser.add_argument("--output-dir", type=Path, default=ROOT / "runs" / "pytorch_fastresnet8")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--format", choices=("contiguous", "channels_last"), default="channels_last")
    parser.add_argument("--resgrad", type=Path, default=ROOT / "build" / "resgrad")
    args = parser.parse_args()
    if (args.data_path / "cifar-10-batches-bin").is_dir():
        args.data_path /= "cifar-10-batches-bin"
    if not (args.data_path / "test_batch.bin").is_file():
        parser.error(f"--data-path: expected the folder of CIFAR-10, got {args.data_path}")
    if MALLOC.items() - os.environ.items():  # read by the C library when the process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], dict(os.environ) | MALLOC)
    return check(args) if args.check else train(args)


if __name__ == "__main__":
    sys.exit(main())
