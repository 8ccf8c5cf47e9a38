#!/usr/bin/env python3
"""A run that is killed, stopped or out of disk ends with the same files as one that is not.

  tests/integration/resume_test.py RESGRAD [CASE...]     all cases by default

Runs are small (resnet20, 48 updates of 16 synthetic images) and write a checkpoint after every
update, so that moments drawn at random fall into all parts of the program. They depend on the seed
printed at the start (set RESGRAD_TEST_SEED to repeat it) and on the machine's speed; what is checked
does not.
"""
import csv
import os
import random
import re
import resource
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = ("--model resnet20 --dataset synthetic --epochs 4 --batch-size 16 --limit-train-batches 12 "
       "--limit-eval-batches 2 --threads 1").split()
ALL_ON = ("--ema-decay 0.9 --mixup 0.5 --cutmix 0.5 --random-erasing 0.3 --accumulate 2 "
          "--clip-grad-norm 1 --optimizer adamw --epochs 8").split()
EVERY_STEP = "--checkpoint-minutes 1e-6 --print-freq 1".split()


class Failure(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


class Program:
    """The resgrad executable."""

    def __init__(self, path):
        self.path = os.path.abspath(path)

    def start(self, command, folder, *flags, file_limit=None):
        def prepare():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)  # whatever the tests were started under
            if file_limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        given = RUN + list(flags)
        options = dict(zip(given[::2], given[1::2]))  # later ones count
        return subprocess.Popen(
            [self.path, command, *sum(options.items(), ()), "--output-dir", str(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=prepare,
            env={**os.environ, "OMP_WAIT_POLICY": "passive"})

    def run(self, command, folder, *flags, expect=0, **limits):
        process = self.start(command, folder, *flags, **limits)
        out = process.communicate()[0]
        check(process.returncode == expect,
              f"{command} {' '.join(flags)}: expected exit code {expect}, "
              f"got {process.returncode}:\n{out}")
        return out

    def interrupt(self, number, command, folder, *flags, steps, delay=0.0):
        """Sends the signal after so many progress lines, or lets the run end if it is shorter."""
        process = self.start(command, folder, *EVERY_STEP, *flags)
        head = []
        for line in process.stdout:
            head.append(line)
            steps -= line.startswith("epoch ") and "images/s" in line
            if steps <= 0:
                time.sleep(delay)
                process.send_signal(number)
                break
        rest = process.stdout.read()
        return process.wait(), "".join(head) + rest


def metrics(folder):
    """metrics.csv without the times."""
    with open(folder / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    times = ("images_per_s", "seconds")
    check(all(rows[0].keys() >= {name} for name in times), f"metrics.csv lacks one of {times}")
    return [{name: value for name, value in row.items() if name not in times} for row in rows]


def check_same(want, got):
    names = ["last.safetensors", "best.safetensors"]
    if (want / "ema.safetensors").exists():
        names.append("ema.safetensors")
    for name in names:
        check((want / name).read_bytes() == (got / name).read_bytes(), f"{got / name}: other bytes")
    check(metrics(want) == metrics(got), f"metrics differ:\n{metrics(want)}\n{metrics(got)}")
    leftovers = [p.name for p in got.iterdir() if ".tmp-" in p.name]
    check(not leftovers, f"{got}: left behind {leftovers}")


def test_kill(resgrad, folder, rng, flags=()):
    """Ten times kill -9 at a random moment and --resume auto, with 1 and 2 workers."""
    resgrad.run("train", folder / "whole", *flags, "--workers", "1")
    check(not flags or (folder / "whole" / "ema.safetensors").exists(), "no averaged weights")
    resgrad.run("train", folder / "whole2", *flags, "--workers", "2")
    check_same(folder / "whole", folder / "whole2")
    for workers in ("1", "2"):
        out = folder / f"killed{workers}"
        killed = 0
        for _ in range(10):
            code, text = resgrad.interrupt(
                signal.SIGKILL, "train", out, *flags, "--resume", "auto", "--workers", workers,
                steps=rng.randint(0, 4), delay=rng.uniform(0, 0.08))
            check(code in (0, -signal.SIGKILL), f"exit code {code}:\n{text}")
            killed += code != 0
        check(killed >= 5, f"only {killed} of 10 runs were killed before their end")
        resgrad.run("train", out, *flags, "--resume", "auto", "--workers", workers)
        check_same(folder / "whole", out)
        log = (out / "train.log").read_text()
        check("resumed from" in log, f"no run was resumed:\n{log}")
        again = resgrad.run("train", out, *flags, "--resume", "auto", "--workers", workers)
        check("finished already" in again, again)
        check_same(folder / "whole", out)


def test_kill_all_on(resgrad, folder, rng):
    """The same with everything that adds to the state of a run."""
    test_kill(resgrad, folder, rng, ALL_ON)


def test_stop(resgrad, folder, rng):
    """SIGTERM, SIGINT and SIGHUP in mid-epoch: a checkpoint, how to resume, 143, 130 and 129; then
    the same."""
    resgrad.run("train", folder / "whole")
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)):
        for workers in ("1", "2"):
            out = folder / f"stopped{code}-{workers}"
            steps = rng.randint(14, 20)  # in the second epoch of four
            got, text = resgrad.interrupt(number, "train", out, "--checkpoint-minutes", "0",
                                          "--workers", workers, steps=steps)
            check(got == code, f"expected exit code {code}, got {got}:\n{text}")
            check(text.rstrip().endswith(f"--output-dir {out} --resume auto"), f"no hint:\n{text}")
            resgrad.run("train", out, "--resume", "auto", "--workers", workers)
            check_same(folder / "whole", out)


def test_closed_terminal(resgrad, folder, rng):
    """The terminal goes: a checkpoint is left. Under nohup the run goes on."""
    resgrad.run("train", folder / "whole")
    flags = [*RUN, *EVERY_STEP, "--output-dir"]
    for nohup in (False, True):
        out = folder / f"run{nohup}"
        pid, terminal = os.forkpty()
        if pid == 0:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.chdir(folder)  # where nohup leaves its output
            prefix = ["nohup"] if nohup else []
            os.execvp((prefix or [resgrad.path])[0], [*prefix, resgrad.path, "train", *flags, str(out)])
        steps = rng.randint(2, 20)
        while not (out / "metrics.jsonl").exists() or (
                (out / "metrics.jsonl").read_text().count("\n") < steps):
            if select.select([terminal], [], [], 0.02)[0]:
                try:
                    os.read(terminal, 65536)  # or the terminal would be full
                except OSError:  # nohup took the output elsewhere, or the run has ended
                    time.sleep(0.02)
            check(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None,
                  f"nohup {nohup}: ended before step {steps}")
        os.close(terminal)
        status = os.waitpid(pid, 0)[1]
        code = os.waitstatus_to_exitcode(status)
        check(code == (0 if nohup else 129), f"nohup {nohup}: exit code {code}")
        if not nohup:
            check((out / "last.safetensors").exists(), "no checkpoint")
            resgrad.run("train", out, "--resume", "auto")
        check_same(folder / "whole", out)


def test_terminal_style(resgrad, folder, rng):
    """Lines are drawn anew and coloured on a terminal, unless TERM or NO_COLOR forbid it."""
    del rng

    def shown(**variables):
        pid, terminal = os.forkpty()
        if pid == 0:
            for name in ("NO_COLOR", "COLORTERM"):
                os.environ.pop(name, None)
            os.environ.update(variables)
            os.execv(resgrad.path, [resgrad.path, "train", *RUN, "--max-steps", "2",
                                    "--output-dir", str(folder / "run")])
        out = b""
        try:
            while chunk := os.read(terminal, 65536):
                out += chunk
        except OSError:  # the other side is closed
            pass
        os.close(terminal)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        check(code == 0, f"exit code {code}: {out}")
        return out

    def coloured(out):
        return re.search(rb"\x1b\[[0-9;]*m", out) is not None

    out = shown(TERM="xterm")
    check(coloured(out) and b"\x1b[K" in out, out)
    check(re.search(rb"\revaluation \[[=> ]+\] [12]/2\x1b\[K", out), out)
    out = shown(TERM="xterm", NO_COLOR="1")
    check(not coloured(out) and b"\x1b[K" in out, out)
    out = shown(TERM="dumb")
    check(b"\x1b" not in out and b"\r" not in out.replace(b"\r\n", b"\n"), out)
    check(b"epoch 1/4 2/12" in out, out)


def test_go_on_line(resgrad, folder, rng):
    """The line that a stopped run prints goes on, pasted into the same shell, wherever its folder
    came from."""
    resgrad.run("train", folder / "whole")
    shell = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    every_step = " ".join(EVERY_STEP)
    run = " ".join(RUN)

    def stopped(command):
        """Stops the command line after some steps; what it prints last."""
        process = subprocess.Popen(["bash", "-c", "exec " + command], cwd=folder, env=shell,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        steps, text = rng.randint(1, 10), ""
        for line in process.stdout:
            text += line
            if "images/s" in line:
                steps -= 1
                if steps == 0:
                    process.send_signal(signal.SIGTERM)
        check(process.wait() == 143, text)
        line = text.rstrip().splitlines()[-1]
        check(line.startswith("go on with: "), text)
        return line.removeprefix("go on with: ")

    def pasted(command):
        result = subprocess.run(["bash", "-c", command], cwd=folder, env=shell, text=True,
                                capture_output=True, check=False)
        check(result.returncode == 0 and "resumed from" in result.stdout,
              f"{command}: {result.returncode}: {result.stdout}{result.stderr}")

    def start(name):
        line = stopped(f"{resgrad.path} train {run} {every_step} --output-dir '{name}'")
        return line, folder / name

    for name in ("plain", "a b'c\"$HOME", "-dash"):
        line = stopped(f"{resgrad.path} train {run} {every_step} "
                       f"--overwrite --output-dir={shlex.quote(name)}")
        pasted(line)
        check_same(folder / "whole", folder / name)
    for resume in ("--resume given", "--resume=given", "--resume given/last.safetensors",
                   "--config resume.toml", "--resume auto --config output.toml"):
        (folder / "resume.toml").write_text('resume = "given"\n')
        (folder / "output.toml").write_text('output_dir = "given"\n')
        shutil.rmtree(folder / "given", ignore_errors=True)
        start("given")
        pasted(stopped(f"{resgrad.path} train {run} {every_step} {resume}"))
        check_same(folder / "whole", folder / "given")
        check(not (folder / "runs").exists(), f"{resume}: a run was begun anew")
    line, _ = start("first")
    pasted(stopped(f"{resgrad.path} train {run} {every_step} --resume first --output-dir second"))
    check_same(folder / "whole", folder / "second")
    pasted(line)  # the first is as it was
    check_same(folder / "whole", folder / "first")


def test_max_steps(resgrad, folder, rng):
    """A run that --max-steps ended within an epoch ends as one without it when it goes further."""
    resgrad.run("train", folder / "whole")
    for number in range(4):
        out = folder / f"run{number}"
        resgrad.run("train", out, "--max-steps", str(rng.randint(1, 47)))
        resgrad.run("train", out, "--resume", "auto")
        check_same(folder / "whole", out)


def test_garbage(resgrad, folder, rng):
    """A line that cannot be read in a file that only records does not keep a run from going on."""
    resgrad.run("train", folder / "whole")
    out = folder / "run"
    code, text = resgrad.interrupt(signal.SIGTERM, "train", out, steps=rng.randint(14, 20))
    check(code == 143, text)
    for name in ("metrics.jsonl", "metrics.csv", "train.log", "args.json"):
        with open(out / name, "ab") as file:
            file.write(b"\0\xffgarbage\n")
    text = resgrad.run("train", out, "--resume", "auto")
    check("metrics.jsonl: dropped 1 lines" in text, text)
    check("metrics.csv: " in text and "times of earlier epochs are unknown" in text, text)
    check_same(folder / "whole", out)


def test_two_runs(resgrad, folder, rng):
    """A run works in runs/b: one that starts in runs, where results are, leaves it alone."""
    del rng
    resgrad.run("train", folder / "whole")
    runs = folder / "runs"
    resgrad.run("train", runs, "--max-steps", "1")
    best = (runs / "best.safetensors").read_bytes()
    below = resgrad.start("train", runs / "b", *EVERY_STEP)
    for line in below.stdout:
        if " 3/12 " in line:
            break
    text = resgrad.run("train", runs, "--max-steps", "1")
    check(f"moved the earlier run in {runs} to {runs}/previous-1" in text, text)
    check((runs / "previous-1" / "best.safetensors").read_bytes() == best, "other bytes")
    rest = below.stdout.read()
    check(below.wait() == 0, rest)
    check_same(folder / "whole", runs / "b")


def test_disk_full(resgrad, folder, rng):
    """A limit below the size of a checkpoint: clear errors, and the earlier checkpoint is intact."""
    resgrad.run("train", folder / "whole")
    out = folder / "run"
    code, text = resgrad.interrupt(signal.SIGTERM, "train", out, steps=rng.randint(14, 20))
    check(code == 143, text)
    before = (out / "last.safetensors").read_bytes()
    text = resgrad.run("train", out, "--resume", "auto", *EVERY_STEP, expect=1, file_limit=1 << 20)
    check(f"{out}/last.safetensors: expected to write, got: File too large" in text, text)
    check("epoch   4 " in text, f"training did not go on:\n{text}")
    check((out / "last.safetensors").read_bytes() == before, "the earlier checkpoint has changed")
    resgrad.run("train", out, "--resume", "auto")
    check_same(folder / "whole", out)


def test_missing_folder(resgrad, folder, rng):
    """The output folder goes in mid-run and comes back: warnings, and the run ends as it should."""
    del rng
    resgrad.run("train", folder / "whole")
    out = folder / "run"
    process = resgrad.start("train", out, *EVERY_STEP)
    text = ""
    for line in process.stdout:
        text += line
        if " 3/12 " in line and out.exists():
            out.rename(folder / "gone")
        if "no checkpoint of step" in line and (folder / "gone").exists():
            (folder / "gone").rename(out)
    check(process.wait() == 0, text)
    check(f"{out}/last.safetensors: expected to create a file in the folder, got: No such file" in
          text, text)
    resgrad.run("train", out, "--resume", "auto")  # removes what was being written at that moment
    check_same(folder / "whole", out)


def test_full_tmpfs(resgrad, folder, rng):
    """A 1 MB file system as output folder, where one may be mounted."""
    del rng
    out = folder / "tmpfs"
    out.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(out)],
                             capture_output=True, check=False).returncode == 0
    if not mounted:
        print("  (no tmpfs can be mounted here; the file size limit stands for it)")
        return
    try:
        text = resgrad.run("train", out / "run", "--max-steps", "3", *EVERY_STEP, expect=1)
        check("No space left on device" in text, text)
        check(not list((out / "run").glob("*.safetensors")), "half a checkpoint was left")
    finally:
        subprocess.run(["umount", str(out)], check=False)


def test_damage(resgrad, folder, rng):
    """Truncated at 200 places and every byte of the header flipped: always an error, exit code 1."""
    out = folder / "run"
    resgrad.run("train", out, "--max-steps", "1")
    whole = (out / "last.safetensors").read_bytes()
    header_end = 8 + struct.unpack("<Q", whole[:8])[0]
    damaged = folder / "damaged.safetensors"

    def rejects(content, what):
        damaged.write_bytes(content)
        result = subprocess.run([resgrad.path, "eval", "--checkpoint", str(damaged)],
                                capture_output=True, text=True, check=False)
        check(result.returncode == 1 and str(damaged) in result.stderr,
              f"{what}: exit code {result.returncode}: {result.stdout}{result.stderr}")

    # the program is started for some of them; tests/train/checkpoint_test.cpp goes through all
    for size in [0, 7, 8, header_end] + [rng.randrange(len(whole)) for _ in range(26)]:
        rejects(whole[:size], f"truncated to {size} bytes")
    for _ in range(30):
        place = rng.randrange(header_end)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.randrange(8)
        rejects(bytes(flipped), f"bit of byte {place} flipped")

    # a damaged last checkpoint: reported, and the one before is used
    resgrad.run("train", folder / "whole")
    out = folder / "fallback"
    code, text = resgrad.interrupt(signal.SIGTERM, "train", out, steps=16)
    check(code == 143, text)
    last = out / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-5])
    text = resgrad.run("train", out, "--resume", "auto")
    check("last.safetensors: expected" in text and "last.1.safetensors instead" in text, text)
    check((out / "last.safetensors.damaged").exists(), "the damaged file is gone")
    check_same(folder / "whole", out)
    for file in out.glob("last*.safetensors"):
        file.write_bytes(b"x")
    text = resgrad.run("train", out, "--resume", "auto", expect=1)
    check("got 3 that cannot" in text, text)


def test_mismatch(resgrad, folder, rng):
    """Settings and networks that differ are named, and nothing is touched."""
    del rng
    out = folder / "run"
    resgrad.run("train", out, "--max-steps", "2")
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    text = resgrad.run("train", out, "--max-steps", "2", "--seed", "7", "--lr", "0.2",
                       "--resume", "auto", expect=1)
    check("lr is 0.1 there and 0.2 here; " in text and "seed is 1 there and 7 here" in text, text)
    text = resgrad.run("train", out, "--max-steps", "2", "--model", "resnet32", "--resume", "auto",
                       expect=1)
    check('model is "resnet20" there and "resnet32" here' in text and "missing: " in text, text)
    text = resgrad.run("train", out, "--resume", str(folder / "nothing"), expect=1)
    check(str(folder / "nothing") in text, text)
    check(before == {p.name: p.read_bytes() for p in out.iterdir()}, "files have changed")


def test_nonfinite(resgrad, folder, rng):
    """A loss that is not finite stops before the update, names step and layer, leaves the state."""
    del rng
    out = folder / "run"
    text = resgrad.run("train", out, "--lr", "1e30", "--lr-scheduler", "constant", expect=1)
    check("train: step " in text and "layer " in text and "tensor " in text, text)
    check(f"{out}/nonfinite.safetensors" in text and (out / "nonfinite.safetensors").exists(), text)
    text = resgrad.run("train", out, "--lr", "1e30", "--lr-scheduler", "constant",
                       "--on-nonfinite", "skip", expect=1)
    check("skipped the update of step" in text and "were skipped" in text, text)


def test_compare(resgrad, folder, rng):
    """A comparison that was stopped goes on with what is missing, to the same table."""
    flags = ["--seeds", "2", "--epochs", "2"]
    whole, out = folder / "whole", folder / "stopped"
    resgrad.run("compare", whole, *flags)
    for _ in range(3):
        code, text = resgrad.interrupt(signal.SIGTERM, "compare", out, *flags, "--resume", "auto",
                                       steps=rng.randint(14, 30))
        check(code == 143, text)
        check(text.rstrip().endswith("--resume auto"), text)
    resgrad.run("compare", out, *flags, "--resume", "auto")
    check((whole / "compare.csv").read_bytes() == (out / "compare.csv").read_bytes(), "other table")
    for run in ("post/seed1", "pre/seed1", "post/seed2", "pre/seed2"):
        check_same(whole / run, out / run)
    check(not list(out.glob("*/*.previous-*")), "a run was begun anew")


def main():
    cases = {name.removeprefix("test_"): f for name, f in globals().items()
             if name.startswith("test_")}
    resgrad, chosen = Program(sys.argv[1]), sys.argv[2:] or cases
    seed = int(os.environ.get("RESGRAD_TEST_SEED", random.randrange(1 << 32)))
    print(f"RESGRAD_TEST_SEED={seed}")
    for name in chosen:
        folder = Path(tempfile.mkdtemp(prefix="resgrad-"))
        start = time.monotonic()
        try:
            cases[name](resgrad, folder, random.Random(seed))
        except Failure as failure:
            print(f"{name}: FAILED: {failure}")
            return 1
        finally:
            shutil.rmtree(folder)
        print(f"{name}: passed in {time.monotonic() - start:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
