#!/usr/bin/env python3
"""Measures resgrad against PyTorch on the same networks and prints the results as Markdown tables.

    python3 scripts/compare_pytorch.py                          # all networks, takes half an hour
    python3 scripts/compare_pytorch.py --models resnet20 --rounds 3 --seconds 2 --json r20.json
    python3 scripts/compare_pytorch.py --isa avx2               # both sides held to AVX2

Both train the same network (the same number of parameters, which is checked) on random float32 images
with cross entropy and SGD with momentum and weight decay, with the same batch and number of threads.
Inference runs in evaluation mode without recording gradients, on batches of 128: resgrad with
prepare_inference(), which folds batch norms into convolutions, as its own commands do; PyTorch as it is by
itself. compare_inference.py compares with programs that fold, too.

For each network PyTorch first runs once in either memory format, contiguous and channels_last, and the
faster one is kept, for training and inference apart. Then resgrad and PyTorch take turns, each time in
a fresh process, `--rounds` times. A process measures at least three steps and `--seconds`, after two
steps of training and one of inference that are not counted; its rate is that of its median step. The
tables show the median over the rounds, and the smallest and largest in brackets.

PyTorch runs with glibc's malloc tuned (MALLOC below): by default malloc gives large blocks back to the
system and maps them anew in each step. One run with the default settings is shown beside. Its page
faults per step are recorded in the JSON file; tuned, they should be near zero.

First step: seconds from the start of the process, loading included, until the first training step is
done. Peak memory: the largest resident size up to the end of training. FMA peak: measured by resgrad in
the same process, on the same threads. Share: multiply-adds of training per second, counted as direct
convolution, over that peak; Winograd can exceed 1. PyTorch's share uses the same peak.

Needs Debian's python3-torch (scripts/setup.sh --with-pytorch) or another torch through --python. The
figures are worth what the machine is: nothing else should run on it.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BATCH = {"resnet18": 128, "preact_resnet18": 128, "resnet20": 128, "resnet56": 128,
         "resnext29_32x4d": 32, "resnext29_8x64d": 8, "resnet50": 64}
INFER_BATCH = 128
MIN_STEPS = 3
FORMATS = ("contiguous", "channels_last")
# Nothing is given back to the system, and the heap grows in large pieces.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_MMAP_THRESHOLD_": str(2**40),
          "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": str(2**26)}
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2"}

# ---- PyTorch's side: runs in a process of its own ----------------------------------------------


def process_age():
    """Seconds since this process was started, as resgrad bench counts them."""
    import time
    with open("/proc/self/stat") as file:
        start_ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / os.sysconf("SC_CLK_TCK")


def run_torch(job):
    """Trains and infers as `resgrad bench` does; returns the same fields."""
    import resource
    import time

    from script import need
    need("torch")
    import torch
    from torch_networks import make

    def time_calls(function):
        function()
        seconds, begin = [], time.perf_counter()
        while len(seconds) < MIN_STEPS or time.perf_counter() - begin < job["seconds"]:
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
        return seconds

    def random_images(count, memory_format):
        images = torch.rand(count, 3, 32, 32) * 2 - 1
        return images.contiguous(memory_format=memory_format)

    def usage():
        return resource.getrusage(resource.RUSAGE_SELF)

    torch.set_num_threads(job["threads"])
    torch.manual_seed(1)
    torch_format = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    memory_format = torch_format[job["train_format"]]
    net = make(job["model"]).to(memory_format=memory_format).train()
    images = random_images(job["batch"], memory_format)
    labels = torch.randint(10, (job["batch"],))
    sgd = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)

    def train_step():
        sgd.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        sgd.step()

    train_step()
    first_step_done_s = process_age()
    faults = usage().ru_minflt
    train = time_calls(train_step)
    faults = (usage().ru_minflt - faults) / (len(train) + 1)
    peak_rss_mb = usage().ru_maxrss / 1024

    memory_format = torch_format[job["infer_format"]]
    net = net.to(memory_format=memory_format).eval()
    images = random_images(INFER_BATCH, memory_format)
    with torch.no_grad():
        infer = time_calls(lambda: net(images))
    isa = [line.split()[-1] for line in torch.__config__.show().splitlines() if "CPU cap" in line]
    return {"parameters": sum(p.numel() for p in net.parameters()), "version": torch.__version__,
            "threads": torch.get_num_threads(), "isa": isa[0] if isa else "unknown",
            "train_format": job["train_format"], "infer_format": job["infer_format"],
            "steps": len(train), "train_images_per_s": job["batch"] / statistics.median(train),
            "infer_images_per_s": INFER_BATCH / statistics.median(infer),
            "first_step_done_s": first_step_done_s, "peak_rss_mb": peak_rss_mb,
            "page_faults_per_step": faults}


# ---- running both ------------------------------------------------------------------------------


class Failure(Exception):
    pass


def run(command, extra_environment):
    """Runs a command that prints one JSON object. What could tilt the comparison is not inherited."""
    tilting = ("OMP_", "GOMP_", "KMP_", "MKL_", "MALLOC_", "ATEN_", "ONEDNN_", "DNNL_", "LD_PRELOAD")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(tilting)}
    try:
        done = subprocess.run(command, env=environment | extra_environment, capture_output=True,
                              text=True)
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failure(f"{command[0]} {command[1]}: exit code {done.returncode}: {reason}")
    return json.loads(done.stdout)


def run_resgrad(args, model, batch):
    return run([str(args.resgrad), "bench", "--model", model, "-b", str(batch), "--json",
                "--infer-batch-size", str(INFER_BATCH), "--threads", str(args.threads),
                "--steps", str(MIN_STEPS), "--seconds", str(args.seconds), "--isa", args.isa], {})


def run_pytorch(args, model, batch, train_format, infer_format, tuned=True):
    job = {"model": model, "batch": batch, "threads": args.threads, "seconds": args.seconds,
           "train_format": train_format, "infer_format": infer_format}
    environment = {"OMP_NUM_THREADS": str(args.threads)}
    environment |= MALLOC if tuned else {}
    environment |= AVX2 if args.isa == "avx2" else {}
    result = run([args.python, str(Path(__file__).resolve()), "--worker", json.dumps(job)],
                 environment)
    if args.isa == "avx2" and result["isa"] != "AVX2":
        raise Failure(f"PyTorch: expected to be held to AVX2, got {result['isa']}")
    return result


def measure(args, model):
    batch = args.batch_size or BATCH[model]

    def progress(text):
        print(f"{model}, batch {batch}: {text}", file=sys.stderr, flush=True)

    first = {}
    for memory_format in FORMATS:
        progress(f"PyTorch in {memory_format}")
        first[memory_format] = run_pytorch(args, model, batch, memory_format, memory_format)
    train_format, infer_format = (max(FORMATS, key=lambda f: first[f][f"{phase}_images_per_s"])
                                  for phase in ("train", "infer"))
    progress("PyTorch with malloc's defaults")
    untuned = run_pytorch(args, model, batch, train_format, infer_format, tuned=False)
    ours, torch = [], []
    for r in range(args.rounds):
        ours.append(run_resgrad(args, model, batch))
        torch.append(run_pytorch(args, model, batch, train_format, infer_format))
        rates = [side[-1]["train_images_per_s"] for side in (ours, torch)]
        progress("round {} of {}: {:.1f} and {:.1f} images/s".format(r + 1, args.rounds, *rates))
    for theirs in [untuned, *torch, *first.values()]:
        if theirs["parameters"] != ours[0]["parameters"]:
            raise Failure(f"{model}: expected the same number of parameters, got "
                          f"{ours[0]['parameters']} here and {theirs['parameters']} in PyTorch")
    return {"model": model, "batch": batch, "resgrad": ours, "pytorch": torch,
            "pytorch_untuned": untuned, "pytorch_formats": first}


# ---- the tables --------------------------------------------------------------------------------


def summarise(result):
    """Medians of one network over its rounds, ratios as resgrad over PyTorch."""
    ours, torch = result["resgrad"], result["pytorch"]

    def medians(field):
        return [statistics.median(r[field] for r in side) for side in (ours, torch)]

    summary = {"model": result["model"], "batch": result["batch"]}
    for field in ("train_images_per_s", "infer_images_per_s", "peak_rss_mb", "first_step_done_s"):
        a, b = medians(field)
        pairs = [x[field] / y[field] for x, y in zip(ours, torch)]
        summary[field] = {"resgrad": a, "pytorch": b, "ratio": a / b, "ratio_min": min(pairs),
                          "ratio_max": max(pairs), "untuned": result["pytorch_untuned"][field]}
    share = statistics.median(r["direct_conv_share"] for r in ours)
    summary["fma_peak_gflops"] = statistics.median(r["fma_peak_gflops"] for r in ours)
    summary["direct_conv_share"] = {
        "resgrad": share, "pytorch": share / summary["train_images_per_s"]["ratio"]}
    return summary


def spread(values, digits):
    low, middle, high = (f"{v:.{digits}f}" for v in (min(values), statistics.median(values),
                                                     max(values)))
    return f"{middle} ({low}–{high})"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(header, rows):
    return "\n".join([row(header), "|" + "---|" * len(header), *map(row, rows)])


def speed_table(results, summaries, phase):
    field = f"{phase}_images_per_s"
    header = ["network, batch", "resgrad images/s", "PyTorch images/s", "ratio",
              "format of PyTorch", "PyTorch untuned"]
    if phase == "train":
        header += ["share of direct bound", "PyTorch's"]
    rows = []
    for result, summary in zip(results, summaries):
        speed, share = summary[field], summary["direct_conv_share"]
        digits = 0 if speed["pytorch"] >= 200 else 1
        batch = result["batch"] if phase == "train" else INFER_BATCH
        cells = [f"{result['model']}, {batch}"]
        cells += [spread([r[field] for r in result[side]], digits)
                  for side in ("resgrad", "pytorch")]
        cells += [f"**{speed['ratio']:.2f}** ({speed['ratio_min']:.2f}–{speed['ratio_max']:.2f})",
                  result["pytorch"][0][f"{phase}_format"], f"{speed['untuned']:.{digits}f}"]
        if phase == "train":
            cells += [f"{share['resgrad']:.2f}", f"{share['pytorch']:.2f}"]
        rows.append(cells)
    return table(header, rows)


def memory_table(results, summaries):
    rows = []
    for result, summary in zip(results, summaries):
        memory, first = summary["peak_rss_mb"], summary["first_step_done_s"]
        rows.append([f"{result['model']}, {result['batch']}", f"{memory['resgrad']:.0f}",
                     f"{memory['pytorch']:.0f}", f"**{memory['ratio']:.2f}**",
                     f"{memory['untuned']:.0f}", f"{first['resgrad']:.2f}",
                     f"{first['pytorch']:.2f}",
                     spread([r["fma_peak_gflops"] for r in result["resgrad"]], 0)])
    return table(["network, batch", "resgrad peak MB", "PyTorch peak MB", "ratio",
                  "PyTorch untuned MB", "resgrad first step s", "PyTorch first step s",
                  "FMA peak GFLOP/s"], rows)


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown CPU"


def report(args, results, load):
    summaries = [summarise(result) for result in results]
    ours, theirs = results[0]["resgrad"][0], results[0]["pytorch"][0]
    head = (f"{cpu_name()}, {args.threads} threads, {args.rounds} rounds of {args.seconds:g} s each; "
            f"resgrad with {ours['isa']}, engine {ours['conv_engine']}; PyTorch {theirs['version']} "
            f"({theirs['isa']}), malloc tuned; load before the start {load:.2f}")
    if args.json:
        args.json.write_text(json.dumps({
            "machine": head, "seconds": args.seconds, "isa": args.isa, "malloc": MALLOC,
            "summaries": summaries, "runs": results}, indent=1) + "\n")
    return "\n\n".join([head, "Training", speed_table(results, summaries, "train"),
                        f"Inference, batch {INFER_BATCH}", speed_table(results, summaries, "infer"),
                        "Memory of training, and start", memory_table(results, summaries)])


def parse_arguments():
    def positive(kind):
        def parse(text):
            value = kind(text)
            if value <= 0:
                raise ValueError
            return value
        parse.__name__ = f"positive {kind.__name__}"
        return parse

    parser = argparse.ArgumentParser(
        description="Measures resgrad against PyTorch on the same networks.",
        epilog="The file begins with how it is done and what the columns mean.")
    parser.add_argument("--models", nargs="+", choices=BATCH, default=list(BATCH),
                        metavar="MODEL", help=f"of {', '.join(BATCH)} (default: all)")
    parser.add_argument("-b", "--batch-size", type=positive(int),
                        help="of training (default: " +
                        ", ".join(f"{m} {b}" for m, b in BATCH.items()) + ")")
    parser.add_argument("--rounds", type=positive(int), default=5, help="(default: 5)")
    parser.add_argument("--seconds", type=positive(float), default=5,
                        help="each process measures training, then inference, for at least this long"
                        " (default: 5)")
    parser.add_argument("--threads", type=positive(int), default=len(os.sched_getaffinity(0)),
                        help="of both (default: all cores)")
    parser.add_argument("--isa", choices=("auto", "avx2"), default="auto",
                        help="avx2 holds both to AVX2 (default: auto)")
    parser.add_argument("--python", default="/usr/bin/python3",
                        help="a Python that can import torch (default: /usr/bin/python3)")
    parser.add_argument("--resgrad", type=Path, default=ROOT / "build" / "resgrad",
                        help="the program (default: build/resgrad)")
    parser.add_argument("--json", type=Path, help="also write every run to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_all(args, measure, report):
    """Prints report(args, results, load) of what measure(model) gives for each network, in lists: what was finished
    is not lost. Returns the exit code."""
    name = Path(sys.argv[0]).stem
    # an error here costs nothing; after an hour it would
    if not args.resgrad.is_file():
        raise Failure(f"--resgrad: expected the program, got {args.resgrad}; scripts/test.sh builds it")
    if args.json:
        args.json.open("a").close()
    load, results, status = os.getloadavg()[0], [], 0
    if load > 0.5:
        print(f"{name}: the machine is busy (load {load:.2f}); figures will be wrong", file=sys.stderr)
    try:
        for model in args.models:
            results += measure(model)
    except Failure as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        status = 130
    if results:
        print(report(args, results, load))
    return status


def run_script(main):
    """Runs main() as the whole script: an error of the input or the system is one sentence, exit code 1."""
    try:
        sys.exit(main())
    except (Failure, OSError, subprocess.CalledProcessError) as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        sys.exit(1)


def main():
    args = parse_arguments()
    if args.worker:
        print(json.dumps(run_torch(json.loads(args.worker))))
        return 0
    return measure_all(args, lambda model: [measure(args, model)], report)


if __name__ == "__main__":
    run_script(main)
