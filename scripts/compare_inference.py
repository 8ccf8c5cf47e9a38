#!/usr/bin/env python3
"""Measures inference of resgrad against onnxruntime and OpenVINO, and prints the results as a Markdown table.

    python3 scripts/compare_inference.py --install              # gets both into build/runtimes first
    python3 scripts/compare_inference.py --models resnet20 --batches 1 --rounds 3

The other two get the network of `resgrad export --format onnx --fold-norms`, with the batch size fixed, in
float32, and as many threads. On four random images their logits must first be those of `resgrad predict`, up to
1e-4 of the largest. Then all three take turns, each time in a fresh process, `--rounds` times; a process calls
once without counting, then for `--seconds`, and its rate is that of its median call. The table shows the median
over the rounds, in brackets the smallest and largest; the ratio is resgrad over the better of the two medians.
--isa avx2 holds resgrad and onnxruntime's and OpenVINO's oneDNN to AVX2; kernels of onnxruntime's own look at
the processor and cannot be held.

--install makes a virtual environment and gets onnxruntime and openvino from PyPI (some 80 MB). The figures are
worth what the machine is: nothing else should run on it.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path

from compare_pytorch import AVX2, ROOT, Failure, cpu_name, measure_all, run, run_script, spread, table

PACKAGES = ("onnxruntime==1.32.0", "openvino==2026.4.1")
MODELS = ("resnet18", "resnet20", "resnext29_32x4d")
RUNTIMES = ("onnxruntime", "openvino")
TOLERANCE = 1e-4
CHECKED_IMAGES = 4
IMAGE = (3, 32, 32)
VALUES = 3 * 32 * 32

# ---- the other side: runs in a process of its own ------------------------------------------------


def onnxruntime_network(job, batch):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    options.add_free_dimension_override_by_name("batch", batch)
    session = onnxruntime.InferenceSession(job["network"], options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"input": images})[0], onnxruntime.__version__


def openvino_network(job, batch):
    import openvino
    core = openvino.Core()
    model = core.read_model(job["network"])
    model.reshape([batch, *IMAGE])
    request = core.compile_model(model, "CPU", {
        "PERFORMANCE_HINT": "LATENCY" if batch == 1 else "THROUGHPUT", "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": job["threads"], "INFERENCE_PRECISION_HINT": "f32",
    }).create_infer_request()
    version = openvino.get_version().split("-")[0]
    return lambda images: request.infer({0: images}, share_inputs=True, share_outputs=True)[0], version


def work(job):
    import time

    import numpy as np
    make = {"onnxruntime": onnxruntime_network, "openvino": openvino_network}[job["runtime"]]
    if job["check"]:
        images = np.fromfile(job["images"], np.float32).reshape(CHECKED_IMAGES, *IMAGE)
        logits = np.array(job["logits"], np.float32)
        got = np.asarray(make(job, CHECKED_IMAGES)[0](images))
        return {"error": float(np.abs(got - logits).max() / np.abs(logits).max())}
    network, version = make(job, job["batch"])
    images = np.random.default_rng(1).uniform(-1, 1, (job["batch"], *IMAGE)).astype(np.float32)
    network(images)
    seconds, begin = [], time.perf_counter()
    while len(seconds) < 3 or time.perf_counter() - begin < job["seconds"]:
        start = time.perf_counter()
        network(images)
        seconds.append(time.perf_counter() - start)
    return {"version": version, "images_per_s": job["batch"] / statistics.median(seconds)}


# ---- running all three ---------------------------------------------------------------------------


def run_runtime(args, runtime, network, **job):
    job |= {"runtime": runtime, "network": str(network), "threads": args.threads, "seconds": args.seconds}
    return run([str(args.python), str(Path(__file__).resolve()), "--worker", json.dumps(job)],
               {"OMP_NUM_THREADS": str(args.threads)} | (AVX2 if args.isa == "avx2" else {}))


def run_resgrad(args, model, batch):
    result = run([str(args.resgrad), "bench", "--model", model, "-b", "1", "--infer-batch-size", str(batch),
                  "--threads", str(args.threads), "--steps", "3", "--seconds", str(args.seconds),
                  "--isa", args.isa, "--json"], {})
    return {"isa": result["isa"], "images_per_s": result["infer_images_per_s"]}


def resgrad(args, *arguments):
    done = subprocess.run([args.resgrad, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"resgrad {arguments[0]}: {done.stderr.strip()}")


def exported(args, model, folder):
    """The ONNX file of a network whose running statistics are those of a step of training."""
    weights, network = folder / model / "last.safetensors", folder / f"{model}.onnx"
    resgrad(args, "train", "--model", model, "--dataset", "synthetic", "--max-steps", 1, "-b", 16,
            "--limit-eval-batches", 1, "--quiet", "--output-dir", folder / model)
    resgrad(args, "export", "--format", "onnx", "--fold-norms", "--checkpoint", weights, "--output", network)
    images = array("f", (random.uniform(-1, 1) for _ in range(CHECKED_IMAGES * VALUES))).tobytes()
    (folder / "images").write_bytes(images)
    header = json.dumps({"images": {"dtype": "F32", "shape": [CHECKED_IMAGES, *IMAGE],
                                    "data_offsets": [0, len(images)]}}).encode()
    (folder / "images.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + images)
    resgrad(args, "predict", "--checkpoint", weights, "--input", folder / "images.safetensors",
            "--logits-output", folder / "logits.safetensors")
    raw = (folder / "logits.safetensors").read_bytes()
    logits = array("f", raw[8 + int.from_bytes(raw[:8], "little"):]).tolist()
    rows = [logits[i:i + len(logits) // CHECKED_IMAGES]
            for i in range(0, len(logits), len(logits) // CHECKED_IMAGES)]
    for runtime in RUNTIMES:
        error = run_runtime(args, runtime, network, check=True, images=str(folder / "images"),
                            logits=rows)["error"]
        if not error <= TOLERANCE:
            raise Failure(f"{model}: {runtime}: logits differ from resgrad's by {error:.1e} of the largest")
    return network


def measure(args, model, folder):
    network, results = exported(args, model, folder), []
    for batch in args.batches:
        runs = {name: [] for name in ("resgrad", *RUNTIMES)}
        for r in range(args.rounds):
            runs["resgrad"].append(run_resgrad(args, model, batch))
            for runtime in RUNTIMES:
                runs[runtime].append(run_runtime(args, runtime, network, check=False, batch=batch))
            rates = ", ".join(f"{name} {side[-1]['images_per_s']:.1f}" for name, side in runs.items())
            print(f"{model}, batch {batch}: round {r + 1} of {args.rounds}: {rates} images/s",
                  file=sys.stderr, flush=True)
        results.append({"model": model, "batch": batch, "runs": runs})
    return results


def report(args, results, load):
    rows = []
    for result in results:
        rates = {name: [r["images_per_s"] for r in side] for name, side in result["runs"].items()}
        middle = {name: statistics.median(values) for name, values in rates.items()}
        digits = 0 if middle["resgrad"] >= 200 else 1
        rows.append([f"{result['model']}, {result['batch']}",
                     *(spread(values, digits) for values in rates.values()),
                     f"**{middle['resgrad'] / max(middle[name] for name in RUNTIMES):.2f}**"])
    first = results[0]["runs"]
    head = (f"{cpu_name()}, {args.threads} threads, {args.rounds} rounds of {args.seconds:g} s each; resgrad "
            f"with {first['resgrad'][0]['isa']}, onnxruntime {first['onnxruntime'][0]['version']}, OpenVINO "
            f"{first['openvino'][0]['version']}; load before the start {load:.2f}")
    if args.json:
        args.json.write_text(json.dumps({"machine": head, "runs": results}, indent=1) + "\n")
    return head + "\n\n" + table(["network, batch", "resgrad images/s", "onnxruntime", "OpenVINO",
                                  "ratio to the better"], rows)


def install(args):
    environment = args.python.parent.parent
    # one that was left without pip, for want of Debian's python3-venv, is made anew
    has_pip = args.python.is_file() and subprocess.run([args.python, "-m", "pip", "--version"],
                                                       capture_output=True).returncode == 0
    if not has_pip:
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
    subprocess.run([args.python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Measures inference of resgrad against onnxruntime and OpenVINO.",
        epilog="The file begins with how it is done and what the columns mean.")
    parser.add_argument("--models", nargs="+", default=list(MODELS), metavar="MODEL",
                        help=f"of `resgrad models` (default: {', '.join(MODELS)})")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 128], metavar="N", help="(default: 1 128)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: 5)")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement, at least (default: 3)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="of all three (default: all cores)")
    parser.add_argument("--isa", choices=("auto", "avx2"), default="auto", help="(default: auto)")
    parser.add_argument("--install", action="store_true", help=f"first get {' and '.join(PACKAGES)} from PyPI")
    parser.add_argument("--python", type=Path, default=ROOT / "build" / "runtimes" / "bin" / "python3",
                        help="a Python that has both (default: build/runtimes/bin/python3)")
    parser.add_argument("--resgrad", type=Path, default=ROOT / "build" / "resgrad",
                        help="the program (default: build/resgrad)")
    parser.add_argument("--json", type=Path, help="also write every run to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.rounds, args.threads, *args.batches) < 1 or args.seconds < 0:
        parser.error("expected positive numbers")
    return args


def main():
    args = parse_arguments()
    if args.worker:
        print(json.dumps(work(json.loads(args.worker))))
        return 0
    if args.install:
        install(args)
    elif not args.python.is_file():
        raise Failure(f"--python: expected a Python with onnxruntime and openvino, got {args.python}; "
                      "--install makes it")
    with tempfile.TemporaryDirectory() as folder:
        return measure_all(args, lambda model: measure(args, model, Path(folder)), report)


if __name__ == "__main__":
    run_script(main)
