#!/usr/bin/env python3
"""A run on several ranks of MPI ends with the files of one process, or all its ranks end at once.

  tests/integration/ranks_test.py RESGRAD MPIEXEC [CASE...]     all cases by default

Runs are small (a residual network of three blocks, some updates of 16 synthetic images). As root Open
MPI wants OMPI_ALLOW_RUN_AS_ROOT, which is set here.
"""
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = ("--model resnet20 --blocks 1,1,1 --channels 16,16,32 --dataset synthetic --batch-size 16 --epochs 2 "
       "--limit-train-batches 6 --limit-eval-batches 3 --threads 1 --shards 4").split()
ALL_ON = ("--ema-decay 0.9 --mixup 0.5 --cutmix 0.5 --random-erasing 0.3 --accumulate 2 --clip-grad-norm 1 "
          "--drop-path 0.2 --optimizer adamw --lr 0.001").split()
LONG = "--epochs 50 --limit-train-batches 40 --print-freq 1".split()
END_WITHIN = 5  # seconds
SLACK = 20  # seconds more for a busy machine


class Failure(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


def merged(flags):
    """Later ones of RUN and flags count."""
    given = RUN + [str(flag) for flag in flags]
    return sum(dict(zip(given[::2], given[1::2])).items(), ())


class Program:
    def __init__(self, path, mpiexec):
        self.path = os.path.abspath(path)
        self.mpiexec = mpiexec
        version = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, check=True)
        open_mpi = "open" in (version.stdout + version.stderr).lower()
        self.options = ["--oversubscribe"] if open_mpi else []

    def start(self, ranks, *words, last=None):
        """`resgrad WORDS` on so many ranks, or without MPI for None; last: those of the last rank."""
        command = [self.path, *words]
        if ranks:
            launcher = [self.mpiexec, *self.options]
            if last:
                command = [*launcher, "-n", str(ranks - 1), *command, ":", "-n", "1", self.path, *last]
            else:
                command = [*launcher, "-n", str(ranks), *command]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1",
                                     "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_WAIT_POLICY": "passive"})

    def run(self, ranks, *words, expect=0, **how):
        process = self.start(ranks, *words, **how)
        out = process.communicate()[0]
        check(process.returncode == expect,
              f"{ranks} ranks, {' '.join(words)}: expected exit code {expect}, got {process.returncode}:\n{out}")
        return out

    def train(self, ranks, folder, *flags, **how):
        return self.run(ranks, "train", *merged(flags), "--output-dir", str(folder), **how)

    def start_long(self, ranks, folder, *flags):
        """A long run; returns when it has made some steps."""
        process = self.start(ranks, "train", *merged([*LONG, *flags]), "--output-dir", str(folder))
        head = []
        for line in process.stdout:
            head.append(line)
            if line.startswith("epoch ") and "images/s" in line and len(head) > 5:
                return process
        raise Failure(f"no step was made:\n{''.join(head)}")


def check_same(want, got):
    for name in ("last.safetensors", "best.safetensors", "ema.safetensors"):
        if (want / name).exists():
            check((want / name).read_bytes() == (got / name).read_bytes(), f"{got / name}: other bytes")


def steps_done(checkpoint):
    """The updates before a checkpoint, by the metadata of the file."""
    with open(checkpoint, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        metadata = json.loads(file.read(length))["__metadata__"]
    return json.loads(metadata["step"])


def ranks_of(launcher):
    """The processes of the program below a launcher, in the order of their start."""
    below, found = [launcher.pid], []
    while below:
        pid = below.pop()
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            continue
        below += map(int, children)
        if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "resgrad":
            found.append(pid)
    return sorted(found)


def wait_for_end(process, ranks, what):
    """Its output, after all ended in time."""
    begin = time.monotonic()
    out = process.communicate(timeout=120)[0]
    while any(os.path.exists(f"/proc/{pid}") for pid in ranks):
        check(time.monotonic() - begin < 60, f"{what}: a rank is still there")
        time.sleep(0.05)
    took = time.monotonic() - begin
    check(took < END_WITHIN + SLACK, f"{what}: the end took {took:.1f} s")
    return out


def said(out):
    """The messages of the program in the output, without those of the launcher."""
    return [line for line in out.splitlines() if "resgrad: " in line]


def check_one_message(out, who, text):
    messages = said(out)
    check(len(messages) == 1 and messages[0].startswith(who) and text in messages[0],
          f"expected one message of {who or 'the program'} with '{text}', got:\n{out}")


def test_same(resgrad, folder):
    """A plain process and 2, 3 and 4 ranks, with any threads and workers: the same bytes."""
    for name, flags, runs in (("plain", [], ((2, 2, 0), (4, 1, 1))), ("all", ALL_ON, ((3, 1, 2), (4, 1, 0)))):
        want = folder / name
        resgrad.train(None, want, *flags)
        for ranks, threads, workers in runs:
            got = folder / f"{name}{ranks}"
            resgrad.train(ranks, got, *flags, "--threads", threads, "--workers", workers)
            check_same(want, got)


def test_kill(resgrad, folder):
    """kill -9 of a rank ends all; another number of ranks goes on, and a plain process ends it."""
    flags = [*ALL_ON, "--checkpoint-minutes", "1e-6"]
    out = folder / "run"
    for number, ranks in enumerate((4, 3)):
        process = resgrad.start_long(ranks, out, *flags, "--resume", "auto")
        pids = ranks_of(process)
        check(len(pids) == ranks, f"expected {ranks} ranks, got {pids}")
        os.kill(pids[number % ranks], signal.SIGKILL)
        wait_for_end(process, pids, f"kill of one of {ranks} ranks")
        check(process.returncode != 0, "the launcher says that all was well")
    # Where the kills left the run depends on the machine: the runs that are compared end some steps on.
    end = ["--max-steps", steps_done(out / "last.safetensors") + 4]
    resgrad.train(None, out, *LONG, *flags, *end, "--resume", "auto")
    resgrad.train(None, folder / "whole", *LONG, *flags, *end)
    check_same(folder / "whole", out)


def test_signals(resgrad, folder):
    """USR1 leaves a checkpoint and the run goes on; USR2 leaves one and ends it."""
    for ranks in (None, 2):
        out = folder / f"run{ranks}"
        process = resgrad.start_long(ranks, out, "--checkpoint-minutes", 0)
        last = out / "last.safetensors"
        check(not last.exists(), "there is a checkpoint before one was asked for")
        process.send_signal(signal.SIGUSR1)
        steps = 0  # since the checkpoint was seen: the next one is of a later step
        for line in process.stdout:
            steps += last.exists() and "images/s" in line
            if steps == 3:
                break
        check(process.poll() is None, "USR1 ended the run")
        before = last.read_bytes()
        process.send_signal(signal.SIGUSR2)
        text = wait_for_end(process, ranks_of(process), "USR2")
        check(process.returncode == 128 + signal.SIGUSR2, f"exit code {process.returncode}:\n{text}")
        check(text.count("go on with: ") == 1, text)
        check(last.read_bytes() != before, "USR2 left no checkpoint of its own")
        log = (out / "train.log").read_text()
        check("stopped after step" in log, log)


def test_failures(resgrad, folder):
    """What one rank meets, or all, is said once and ends all in time, with exit code 1."""

    def failed(name, who, text, *flags, last=None):
        def words(more):
            return ["train", *merged([*flags, *more]), "--output-dir", str(folder / name)]

        process = resgrad.start(3, *words([]), last=words(last) if last else None)
        out = process.communicate(timeout=120)[0]
        check(process.returncode == 1, f"{name}: exit code {process.returncode}:\n{out}")
        check_one_message(out, who, text)

    failed("nan", "rank 0 (", "expected finite loss", "--lr", "1e30", "--lr-scheduler", "constant")
    check((folder / "nan" / "nonfinite.safetensors").exists(), "no state at the NaN")
    failed("other_data", "rank 0 (", "train: data: expected the same at all 3 ranks",
           last=["--val-split", "100"])
    failed("missing_data", "rank 2 (", "nowhere", last=["--dataset", "cifar10", "--data-path", "nowhere"])
    failed("few_shards", "rank 0 (", "expected at least 3, one for each rank, got 2", "--shards", "2")
    process = resgrad.start_long(2, folder / "full", "--max-steps", "300", "--checkpoint-minutes", "0")
    pids = ranks_of(process)
    for pid in pids:  # as on a full disk: no file of a checkpoint's size can be written any more
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    out = process.communicate(timeout=120)[0]
    check(process.returncode == 1, f"full disk: exit code {process.returncode}:\n{out}")
    check_one_message(out, "rank 0 (", "expected to write the checkpoint")


def test_usage(resgrad, folder):
    """Wrong usage is said once, with exit code 2; --help, too; other subcommands are one process."""
    out = resgrad.run(3, "train", "--no-such-flag", expect=2)
    check(out.count("no-such-flag") == 1, out)
    out = resgrad.run(3, "models", expect=2)
    check(out.count("expected one process, got 3") == 1, out)
    out = resgrad.run(3, "train", "--dry-run", "--dataset", "synthetic", expect=2)
    check(out.count("--dry-run: expected one process") == 1, out)
    out = resgrad.run(2, "train", "--help")
    check(out.count("--accumulate") == 1, out)
    del folder


TESTS = {name[len("test_"):]: test for name, test in list(globals().items()) if name.startswith("test_")}


def main():
    program = Program(sys.argv[1], sys.argv[2])
    for name in sys.argv[3:] or TESTS:
        with tempfile.TemporaryDirectory() as folder:
            begin = time.monotonic()
            try:
                TESTS[name](program, Path(folder))
            except Failure as failure:
                print(f"{name}: {failure}")
                return 1
            print(f"{name}: passed in {time.monotonic() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
