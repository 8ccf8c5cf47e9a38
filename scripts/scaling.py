#!/usr/bin/env python3
"""What several hosts are worth: a model of a training step on ranks of MPI, one rank a host.

  scripts/scaling.py RESGRAD                 prints the tables of docs/scaling.md
  scripts/scaling.py RESGRAD --check         fails when docs/scaling.md has other tables
  scripts/scaling.py RESGRAD --measure HOSTS RATE MODEL BATCH
      runs MODEL on emulated hosts (scripts/emulate_hosts.sh, as root), and prints the waiting of a step
      beside that of the model, for the speed of one rank that the run itself had

A rank goes forward and backward through its images, one third and two thirds of its time, which its layers
share by their multiply-adds. Gradients travel in buckets of 4 MB, at least four, from the last layer to the
first, each as soon as it is full, one after the other: a bucket of G bytes takes
    2 (R - 1) / R * G / bandwidth + 2 * latency * messages,
of which there is one to each of the R - 1 others at a time. What is not through at the end of backward is
waited for. All of a rank's images go through the network before the last gradients do, so with --accumulate
only the last batch of an update overlaps.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUCKET, BUCKETS = 4 << 20, 4  # bytes at most, how many at least, as in train/dist/gradient_exchange.cpp
BACKWARD = 2 / 3  # share of backward in a step


@dataclass
class Network:
    name: str
    bandwidth: float  # bytes a second that arrive at a rank
    latency: float  # seconds of a message


# Ethernet frames of 1500 bytes hold 1448 of the program's; latencies are those of switched Ethernet.
NETWORKS = [Network("1 Gbit/s", 1e9 / 8 * 1448 / 1538, 50e-6), Network("10 Gbit/s", 1e10 / 8 * 1448 / 1538, 30e-6)]


def output_of(command, **environment):
    """What a program prints; ends this one with its last message when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        raise SystemExit(f"scaling: {command[0]}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def layers(resgrad, model):
    """(parameters, multiply-adds of an image) of the layers in the order of forward."""
    text = output_of([resgrad, "summary", "--model", model, "--depth", "99"])
    found = []
    for line in text.splitlines():
        row = re.match(r"\W*(\w+): [\d-]+ +\[([\d, ]+)\] +([\d,]+)$", line)
        if row:
            parameters = int(row[3].replace(",", ""))
            shape = [int(size) for size in row[2].split(",")]
            pixels = shape[2] * shape[3] if len(shape) == 4 else 1
            found.append((parameters, parameters * pixels if row[1] in ("Conv2d", "Linear") else 0))
    return found


def waiting(network, ranks, layer_table, seconds):
    """Of a step whose last batch takes `seconds` on each rank: those that it waits for gradients."""
    if ranks == 1:
        return 0.0
    work = sum(macs for _, macs in layer_table)
    full = min(BUCKET, 4 * sum(parameters for parameters, _ in layer_table) / BUCKETS)
    clock, sent = (1 - BACKWARD) * seconds, 0.0
    bucket = 0
    for parameters, macs in reversed(layer_table):
        clock += BACKWARD * seconds * macs / work
        bucket += 4 * parameters
        if bucket >= full:
            sent, bucket = max(sent, clock) + transfer(network, ranks, bucket), 0
    sent = max(sent, clock) + transfer(network, ranks, bucket) + transfer(network, ranks, 0)
    return sent - clock


def transfer(network, ranks, size):
    return 2 * (ranks - 1) / ranks * size / network.bandwidth + 2 * network.latency * (ranks - 1)


# Measured with `resgrad bench --model MODEL --batch-size 128 --threads T`: images a second.
ONE_CORE = {"resnet18": 68.2, "resnet20": 725, "resnext29_32x4d": 19.2}
TWO_CORES = {"resnet18": 125.8, "resnet20": 1373, "resnext29_32x4d": 36.4}
HOSTS = [1, 2, 8, 64]
CORES = [2, 32]
IMAGES = 128  # of a rank in a batch


def speed(model, cores):
    """Images a second of one host; each doubling of cores costs what the first one does."""
    doublings = (cores - 1).bit_length()
    return ONE_CORE[model] * cores * (TWO_CORES[model] / ONE_CORE[model] / 2) ** doublings


def table(resgrad):
    lines = ["| network | cores a host | network | accumulate | " +
             " | ".join(f"{hosts} hosts" if hosts > 1 else "1 host" for hosts in HOSTS) + " |",
             "|---|---|---|---|" + "---|" * len(HOSTS)]
    for model in ONE_CORE:
        layer_table = layers(resgrad, model)
        for cores in CORES:
            seconds = IMAGES / speed(model, cores)
            for network in NETWORKS:
                for accumulate in (1, 4):
                    cells = []
                    for hosts in HOSTS:
                        update = accumulate * seconds + waiting(network, hosts, layer_table, seconds)
                        share = accumulate * seconds / update
                        cells.append(f"{hosts * IMAGES * accumulate / update:,.0f} ({100 * share:.0f} %)")
                    lines.append(f"| {model} | {cores} | {network.name} | {accumulate} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def measure(resgrad, hosts, rate, model, batch):
    """Prints what a run on emulated hosts waited, and what the model says of its speed."""
    match = re.fullmatch(r"(\d+)gbit", rate)
    if not match:
        raise SystemExit(f"scaling: RATE: expected such as 1gbit, got {rate}")
    network = Network(rate, int(match[1]) * NETWORKS[0].bandwidth, NETWORKS[0].latency)
    command = [str(ROOT / "scripts/emulate_hosts.sh"), str(hosts), rate, "mpirun", "-n", str(hosts), resgrad, "train",
               "--model", model, "--dataset", "synthetic", "--batch-size", str(batch * hosts), "--epochs", "1",
               "--max-steps", "12", "--threads", "1", "--limit-eval-batches", "1", "--profile", "--output-dir",
               "", "--overwrite"]
    with tempfile.TemporaryDirectory() as folder:
        command[-2] = folder + "/run"
        out = output_of(command, OMP_WAIT_POLICY="passive")
    step = float(re.search(r"all of \d+ steps +([\d.]+)", out)[1]) / 1e3
    waited = float(re.search(r"sum over shards +[\d.]+ +([\d.]+)", out)[1]) / 1e3
    said = waiting(network, hosts, layers(resgrad, model), step - waited)
    print(f"{model}, {hosts} hosts, {rate}, {batch} images each: a step of {1e3 * step:.0f} ms waits "
          f"{1e3 * waited:.1f} ms ({100 * waited / step:.1f} %), by the model {1e3 * said:.1f} ms "
          f"({100 * said / (step - waited + said):.1f} %)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("resgrad")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--measure", nargs=4, metavar=("HOSTS", "RATE", "MODEL", "BATCH"))
    arguments = parser.parse_args()
    if arguments.measure:
        hosts, rate, model, batch = arguments.measure
        measure(arguments.resgrad, int(hosts), rate, model, int(batch))
    elif arguments.check:
        if table(arguments.resgrad) not in (ROOT / "docs/scaling.md").read_text():
            print("scaling: docs/scaling.md has other tables: see scripts/scaling.py --help", file=sys.stderr)
            return 1
    else:
        print(table(arguments.resgrad))
    return 0


if __name__ == "__main__":
    sys.exit(main())
