#!/usr/bin/env python3
"""Trains small networks with random settings, disturbs them, and compares bytes: see scripts/soak.sh.

  tests/integration/soak.py RESGRAD SECONDS [SEED]

Each round draws settings, trains undisturbed, then trains the same with --resume auto until it is done,
while it is killed, stopped, run into a full disk (RLIMIT_FSIZE) or given a clock that jumps. The weights
must be the same bytes, and metrics.csv the same but for its times. One run of 20,000 steps shows that the
memory of a run does not grow after its first 200 steps.
"""
import collections
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from resume_test import Failure, Program, check, check_same

LONG_STEPS, WARM_STEPS, MOST_GROWTH_KB = 20000, 200, 256
WEIGHTS = ("last.safetensors", "best.safetensors", "ema.safetensors")

# Adds up to a year, forwards or backwards and anew for each call, to the clock of the day.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
static long jump(void) { return (random() % 2 ? 1 : -1) * (random() % 31536000); }
int clock_gettime(clockid_t id, struct timespec* t) {
  static int (*real)(clockid_t, struct timespec*);
  if (!real) *(void**)&real = dlsym(RTLD_NEXT, "clock_gettime");
  int code = real(id, t);
  if (id == CLOCK_REALTIME) t->tv_sec += jump();
  return code;
}
"""


class Machine(Program):
    """The program, with a clock that jumps where it is asked for."""

    def __init__(self, path, folder):
        super().__init__(path)
        source, self.clock = folder / "clock.c", folder / "clock.so"
        source.write_text(CLOCK)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", source, "-o", self.clock, "-ldl"], check=True)

    def start(self, command, folder, *flags, jumps=False, **limits):
        if not jumps:
            return super().start(command, folder, *flags, **limits)
        os.environ["LD_PRELOAD"] = str(self.clock)
        try:
            return super().start(command, folder, *flags, **limits)
        finally:
            del os.environ["LD_PRELOAD"]


def draw_settings(rng):
    """Flags in pairs, as Program.start takes them."""
    def pick(flag, *values):
        return [flag, str(rng.choice(values))]
    flags = ["--blocks", "1,1", "--seed", str(rng.randrange(10**6))]
    flags += pick("--channels", "8,8", "8,16", "16,32") + pick("--activation", "post", "pre")
    flags += pick("--stem-channels", 8) + pick("--shortcut", "A", "B")
    flags += pick("--batch-size", 4, 8, 16) + pick("--epochs", 2, 3, 5)
    flags += pick("--limit-train-batches", 6, 11) + pick("--accumulate", 1, 2, 3)
    flags += pick("--lr-scheduler", "constant", "multistep", "cosine", "onecycle", "triangular")
    flags += pick("--lr", 0.001, 0.01) + pick("--label-smoothing", 0, 0.1)
    flags += pick("--ema-decay", 0, 0, 0.9) + pick("--mixup", 0, 0.4) + pick("--cutmix", 0, 1)
    flags += pick("--random-erasing", 0, 0.5) + pick("--flip", "none", "random", "alternating")
    flags += pick("--pad", 0, 2, 4) + pick("--pad-mode", "zero", "reflect")
    flags += pick("--optimizer", "sgd", "adamw") + pick("--clip-grad-norm", 0, 1)
    return flags + pick("--val-split", 0, 100)


def disturb(resgrad, out, flags, rng, count):
    """One start of the run; whether it came to its end."""
    flags = [*flags, "--resume", "auto", "--workers", str(rng.randrange(3)), "--keep",
             str(rng.randrange(3)), "--checkpoint-minutes", rng.choice(["1e-6", "1e-3", "10"])]
    how = rng.choice(["kill", "kill", "stop", "full disk", "clock"])
    jumps = how == "clock" or rng.random() < 0.2
    limit = rng.choice([2000, 30000, 60000]) if how == "full disk" else None
    process = resgrad.start("train", out, *flags, jumps=jumps, file_limit=limit)
    ends_by_itself = how in ("full disk", "clock")
    try:
        text = process.communicate(timeout=120 if ends_by_itself else rng.expovariate(2.5))[0]
    except subprocess.TimeoutExpired:
        check(not ends_by_itself, f"{how}: still running after two minutes: {flags}")
        process.send_signal(signal.SIGKILL if how == "kill" else rng.choice(
            [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]))
        text = process.communicate()[0]
    count[how] += 1
    count["clock"] += jumps and how != "clock"
    code = process.returncode
    expected = {0, -signal.SIGKILL} if how == "kill" else {0, 143, 130, 129} if how == "stop" else \
        {0, 1} if how == "full disk" else {0}
    if how == "stop":  # before the program listens to signals
        expected |= {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}
    check(code in expected, f"{how}: exit code {code}:\n{text}")
    return code == 0


def compare(resgrad, folder, rng, count):
    flags = draw_settings(rng)
    want, got = folder / "want", folder / "got"
    process = resgrad.start("train", want, *flags)
    text = process.communicate()[0]
    if process.returncode == 2:  # settings that do not go together
        count["refused"] += 1
        return
    check(process.returncode == 0, f"{flags}: exit code {process.returncode}:\n{text}")
    while not disturb(resgrad, got, flags, rng, count):
        pass
    try:
        # a full disk may have left the end of a record unwritten, which one more start mends
        resgrad.run("train", got, *flags, "--resume", "auto")
        check_same(want, got)
    except Failure as failure:
        raise Failure(f"{' '.join(flags)}\n{failure}") from failure
    count["trainings"] += 1
    count["bytes"] += sum((got / name).stat().st_size for name in WEIGHTS if (got / name).exists())


def resident_kb(process):
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def long_run(resgrad, folder):
    """The largest resident size from step 200 on, by when two epochs were evaluated, less that at
    step 200, and the latter, in KB."""
    process = resgrad.start("train", folder / "long", "--blocks", "1,1", "--channels", "8,8",
                            "--stem-channels", "8", "--batch-size", "4", "--limit-train-batches", "100",
                            "--epochs", "1000", "--max-steps", str(LONG_STEPS), "--print-freq", "50")
    first = largest = 0
    for line in process.stdout:
        if not line.startswith("epoch ") or "data wait" not in line:
            continue
        epoch, batch = line.split()[1:3]
        step = (int(epoch.split("/")[0]) - 1) * int(batch.split("/")[1]) + int(batch.split("/")[0])
        if step >= WARM_STEPS:
            first = first or resident_kb(process)
            largest = max(largest, resident_kb(process))
    check(process.wait() == 0 and first > 0, "the long run failed")
    return largest - first, first


def main():
    resgrad_path, seconds = sys.argv[1], float(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(10**6)
    print(f"soak: {seconds:.0f} s with seed {seed}", flush=True)
    rng, count, start = random.Random(seed), collections.Counter(), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        resgrad = Machine(resgrad_path, Path(scratch))
        try:
            growth, size = long_run(resgrad, Path(scratch))
            print(f"soak: {LONG_STEPS} steps: {growth} KB more than the {size} KB after step {WARM_STEPS}",
                  flush=True)
            check(growth <= MOST_GROWTH_KB, "the memory of a run grew")
            while time.monotonic() - start < seconds:
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    compare(resgrad, Path(folder), rng, count)
            check(count["trainings"] > 0, f"no training was compared, {count['refused']} were refused")
        except Failure as failure:
            print(f"soak: FAILED with seed {seed}: {failure}", file=sys.stderr)
            return 1
    print(f"soak: {time.monotonic() - start:.0f} s: {count['trainings']} trainings ({count['refused']} more refused), {count['kill']} kills, "
          f"{count['stop']} stops, {count['full disk']} full disks, {count['clock']} clock jumps, "
          f"{count['bytes']} bytes of weights compared: no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
