#!/usr/bin/env python3
"""Checks that weights travel between resgrad and PyTorch, both ways, and that images do.

    python3 scripts/check_interop.py [--resgrad build/resgrad] [--only NAME ...] [--onnx MODEL ...]

For each network: weights and running statistics drawn by PyTorch are saved as its state_dict, read by
`resgrad import`, and `resgrad predict` must give PyTorch's logits on the same input; weights trained
for two steps by `resgrad train` (CIFAR networks) or the imported ones (ImageNet networks) are written
by `resgrad export`, loaded by load_state_dict(strict=True), and must give the same logits there. "The
same" is a largest difference of at most 1e-4 of the largest logit. The networks are torchvision's own
and, in the same few words, the CIFAR networks of chenyaofo, akamaster and kuangliu and the pre-activation
networks of kuangliu and timm. Weights of other types and under the names of wrappers must give the logits
of the plain file. Image files are decoded, resized and cropped by torchvision and by `resgrad predict`,
with the same probabilities. ONNX files of four networks, plain, with folded norms and with pixels as
inputs, must please ONNX's checker and give the same logits in onnxruntime; --onnx names other networks.

Needs Debian's python3-torch and python3-torchvision (scripts/setup.sh --with-pytorch); the ONNX files
need onnx and onnxruntime from PyPI and are skipped without them. Exit code 0 when everything agrees,
else 1.
"""
import argparse
import importlib.util
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from script import need

need("torch", "torchvision", "PIL")
import torch  # noqa: E402
from interop_networks import (Cifar, KuangliuPreAct, ResNetV2, torchvision_cifar,  # noqa: E402
                              torchvision_imagenet)
from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402
from torch.optim.swa_utils import AveragedModel  # noqa: E402
from torchvision import transforms  # noqa: E402

TOLERANCE = 1e-4
DTYPES = {"F32": torch.float32, "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16,
          "F64": torch.float64}

# ---- safetensors -------------------------------------------------------------------------------


def save_tensors(path, tensors):
    names = {dtype: name for name, dtype in DTYPES.items()}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        values = tensor.detach().contiguous()
        if tensor.dtype == torch.bfloat16:  # which NumPy does not know
            values = values.view(torch.int16)
        raw = values.numpy().tobytes()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def load_tensors(path):
    file = path.read_bytes()
    start = 8 + struct.unpack("<Q", file[:8])[0]
    tensors = {}
    for name, entry in json.loads(file[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            raw = bytearray(file[start + begin:start + end])
            tensors[name] = torch.frombuffer(raw, dtype=DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


# name: layout, model of resgrad, network of PyTorch, input size, flags of `resgrad train` or None
CASES = {
    "torchvision resnet18": ("torchvision", "resnet18", lambda: torchvision_imagenet("resnet18"), 64, None),
    "torchvision resnet50": ("torchvision", "resnet50", lambda: torchvision_imagenet("resnet50"), 64, None),
    "torchvision resnext50_32x4d": ("torchvision", "resnext50_32x4d",
                                    lambda: torchvision_imagenet("resnext50_32x4d"), 64, None),
    "torchvision resnet18, CIFAR stem": ("torchvision", "resnet18", lambda: torchvision_cifar("resnet18"), 32, []),
    "chenyaofo resnet20": ("chenyaofo", "resnet20", lambda: Cifar((3, 3, 3), 16, "B", "downsample", "fc"), 32,
                           ["--shortcut", "B"]),
    # keys with the prefix module., as its checkpoints have
    "akamaster resnet20": ("akamaster", "resnet20",
                           lambda: nn.DataParallel(Cifar((3, 3, 3), 16, "A", "shortcut", "linear")), 32, []),
    "kuangliu resnet18": ("kuangliu", "resnet18", lambda: Cifar((2, 2, 2, 2), 64, "B", "shortcut", "linear"), 32, []),
    "kuangliu preact_resnet18": ("kuangliu", "preact_resnet18", lambda: KuangliuPreAct((2, 2, 2, 2)), 32, None),
    "kuangliu preact_resnet50": ("kuangliu", "resnet50", lambda: KuangliuPreAct((3, 4, 6, 3), True), 32, None),
    "resnetv2 preact_resnet18": ("resnetv2", "preact_resnet18", lambda: ResNetV2((2, 2, 2, 2)), 64, None),
    "resnetv2 preact_resnet50": ("resnetv2", "resnet50", lambda: ResNetV2((3, 4, 6, 3), True), 64, None),
}

# name: flags of `resgrad train`. Zeroed norms would hide what is behind them.
ONNX = {
    "resnet18": ["--model", "resnet18"],
    "preact_resnet18": ["--model", "preact_resnet18"],
    "resnext29_32x4d": ["--model", "resnext29_32x4d", "--zero-init-residual", "off"],
    "a network by description": [
        "--block", "bottleneck", "--blocks", "2,1,2", "--channels", "64,96,128", "--groups", "8",
        "--bottleneck-ratio", "2", "--activation", "pre", "--shortcut", "A", "--stem-channels", "32",
        "--pool", "max", "--logit-scale", "0.5"],
}

# ---- the checks --------------------------------------------------------------------------------


class Mismatch(Exception):
    pass


class Program:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, *arguments):
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Mismatch(f"resgrad {' '.join(map(str, arguments))}: exit code {done.returncode}\n"
                           f"{done.stdout}{done.stderr}")
        return done.stdout

    def import_(self, model, layout, state):
        """Writes the state, imports it as imported.safetensors and returns what was printed."""
        save_tensors(self.folder / "theirs.safetensors", state)
        return self.run("import", "--model", model, "--layout", layout, "--weights",
                        self.folder / "theirs.safetensors", "--output", self.folder / "imported.safetensors")

    def logits(self, checkpoint, images):
        save_tensors(self.folder / "images.safetensors", {"images": images})
        out = self.folder / "logits.safetensors"
        self.run("predict", "--checkpoint", checkpoint, "--input", self.folder / "images.safetensors",
                 "--logits-output", out)
        return load_tensors(out)["logits"]


def draw(net):
    """Weights as PyTorch draws them, with norms and statistics that are not those of a new network."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            module.num_batches_tracked.fill_(7)
    return net.eval()


def compare(what, ours, theirs):
    error = (ours - theirs).abs().max().item() / theirs.abs().max().item()
    if not error <= TOLERANCE:  # NaN too
        raise Mismatch(f"{what}: logits differ by {error:.1e} of the largest, allowed are {TOLERANCE:.0e}")
    return error


def check_network(program, case):
    layout, model, build, size, train_flags = case
    folder = program.folder
    net = draw(build())
    images = torch.randn(3, 3, size, size)
    state = net.state_dict()
    if layout == "kuangliu":  # files of old versions have no counters
        state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    program.import_(model, layout, state)
    imported = compare("import", program.logits(folder / "imported.safetensors", images), net(images))

    checkpoint = folder / "imported.safetensors"
    if train_flags is not None:
        program.run("train", "--dataset", "synthetic", "--model", model, "--max-steps", 2, "-b", 16,
                    "--limit-eval-batches", 1, "--quiet", "--output-dir", folder / "run", *train_flags)
        checkpoint = folder / "run" / "last.safetensors"
    program.run("export", "--checkpoint", checkpoint, "--layout", layout,
                "--output", folder / "ours.safetensors")
    other = build()
    other.load_state_dict(load_tensors(folder / "ours.safetensors"), strict=True)
    exported = compare("export", program.logits(checkpoint, images), other.eval()(images))
    return imported, exported


def check_types(program):
    """Weights of other types must give the logits of their values as float32."""
    folder, images, errors = program.folder, torch.randn(3, 3, 32, 32), []
    for name in ("F16", "BF16", "F64"):
        net = draw(Cifar((3, 3, 3), 16, "B", "downsample", "fc"))
        state = {k: v.to(DTYPES[name]) if v.is_floating_point() else v for k, v in net.state_dict().items()}
        net.load_state_dict(state)
        printed = program.import_("resnet20", "chenyaofo", state)
        if f" tensors of {name} become float32" not in printed:
            raise Mismatch(f"{name}: no line says that the tensors are converted:\n{printed}")
        errors.append(compare(name, program.logits(folder / "imported.safetensors", images), net(images)))
    return max(errors)


def check_wrappers(program):
    """Weights under the names of wrappers must give the logits of the plain file."""
    folder, images = program.folder, torch.randn(3, 3, 32, 32)
    net = draw(Cifar((3, 3, 3), 16, "B", "downsample", "fc"))
    plain = net.state_dict()

    def before(prefix, every=1):
        return {(prefix if i % every == 0 else "") + k: v for i, (k, v) in enumerate(plain.items())}

    states = {"DataParallel": nn.DataParallel(net).state_dict(),
              "AveragedModel": AveragedModel(net).state_dict(),
              "compile": before("_orig_mod."), "both": before("module._orig_mod."),
              "every third": before("module.", 3),
              "AveragedModel, every second": {"n_averaged": torch.tensor(3), **before("module.", 2)}}
    program.import_("resnet20", "chenyaofo", plain)
    want, errors = program.logits(folder / "imported.safetensors", images), []
    for name, state in states.items():
        program.import_("resnet20", "chenyaofo", state)
        errors.append(compare(name, program.logits(folder / "imported.safetensors", images), want))
    try:
        program.import_("resnet20", "chenyaofo", {**plain, "module.fc.bias": plain["fc.bias"]})
    except Mismatch as error:
        if "fc.bias and module.fc.bias" in str(error):
            return max(errors)
    raise Mismatch("a tensor that is there twice: no error that lists both names")


def check_onnx(program, train_flags):
    """The largest relative difference of the files of a network that was trained for two steps."""
    import onnx
    import onnxruntime

    folder = program.folder
    checkpoint, file = folder / "run" / "last.safetensors", folder / "net.onnx"
    program.run("train", "--dataset", "synthetic", "--max-steps", 2, "-b", 8, "--limit-eval-batches", 1,
                "--quiet", "--overwrite", "--output-dir", folder / "run", *train_flags)
    pixels = torch.randint(0, 256, (3, 3, 32, 32)).float()
    deviation = torch.tensor((0.2483, 0.2479, 0.2475)).reshape(3, 1, 1)  # of the synthetic data set
    mean = torch.tensor((0.4988, 0.5004, 0.5006)).reshape(3, 1, 1)
    images = (pixels / 255 - mean) / deviation
    want, errors = program.logits(checkpoint, images), []
    for flags in ([], ["--fold-norms"], ["--include-normalisation"], ["--fold-norms", "--include-normalisation"]):
        program.run("export", "--format", "onnx", "--checkpoint", checkpoint, "--output", file, *flags)
        onnx.checker.check_model(str(file), full_check=True)
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        given = pixels if "--include-normalisation" in flags else images
        for n in (3, 1):
            got = torch.from_numpy(session.run(None, {"input": given[:n].numpy()})[0])
            errors.append(compare(f"{' '.join(flags) or 'plain'}, batch {n}", got, want[:n]))
    return max(errors)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_16_bits(width, height, colour_type, channels):
    """A PNG of 16-bit samples, which Pillow cannot write, whose gamma is that of linear light."""
    rows = torch.randint(0, 256, (height, 1 + 2 * channels * width), dtype=torch.uint8)
    rows[:, 0] = 0  # no filter
    return (b"\x89PNG\r\n\x1a\n"
            + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
            + png_chunk(b"gAMA", struct.pack(">I", 100000))
            + png_chunk(b"IDAT", zlib.compress(rows.numpy().tobytes())) + png_chunk(b"IEND", b""))


def made_unusual(file):
    """Changes an image file to one that is read with the same pixels: a PNG says that it is linear light and
    goes on after its end, a JPEG of three colours has bytes before its first table and a wrong last coefficient."""
    data = bytearray(file.read_bytes())
    if file.suffix == ".png":
        data[33:33] = png_chunk(b"gAMA", struct.pack(">I", 100000))  # after the first chunk
        data += b"more"
    else:
        data[data.index(b"\xff\xda") + 12] = 0
        table = data.index(b"\xff\xdb")
        data[table:table] = b"more"
    file.write_bytes(data)


def check_images(program):
    """Files of all kinds and shapes through resgrad and through torchvision's transforms."""
    folder = program.folder
    net = draw(torchvision_cifar("resnet18"))
    save_tensors(folder / "w.safetensors", net.state_dict())
    program.run("import", "--model", "resnet18", "--layout", "torchvision", "--weights", folder / "w.safetensors",
                "--output", folder / "c.safetensors")
    files = []
    prepare = transforms.Compose([
        transforms.Resize(32), transforms.CenterCrop(32), transforms.ToTensor(),
        transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))])
    for name, mode, width, height in (
            ("a.png", "RGB", 131, 97), ("b.jpg", "RGB", 97, 131), ("c.jpg", "L", 33, 40),
            ("d.png", "L", 20, 31), ("e.png", "P", 64, 63), ("f.png", "RGBA", 32, 32),
            ("g.png", "1", 50, 45), ("h.jpg", "RGB", 640, 480), ("i.png", "LA", 45, 32),
            ("unusual a.png", "RGB", 40, 50), ("unusual b.png", "P", 40, 50), ("unusual c.png", "RGBA", 40, 50),
            ("unusual d.png", "L", 40, 50), ("unusual e.jpg", "RGB", 131, 97)):
        noise = torch.randint(0, 256, (height // 4 + 2, width // 4 + 2, 3), dtype=torch.uint8)
        image = Image.fromarray(noise.numpy()).resize((width, height), Image.BICUBIC)
        image.convert(mode).save(folder / name)
        if name.startswith("unusual"):
            made_unusual(folder / name)
        files.append(folder / name)
    for name, colour_type, channels in (("grey", 0, 1), ("rgb", 2, 3), ("la", 4, 2), ("rgba", 6, 4)):
        files.append(folder / f"16 bits {name}.png")
        files[-1].write_bytes(png_16_bits(41, 37, colour_type, channels))
    tensors = [prepare(Image.open(file).convert("RGB")) for file in files]
    out = folder / "logits.safetensors"
    program.run("predict", "--checkpoint", folder / "c.safetensors", "--logits-output", out, *files)
    return compare("images", load_tensors(out)["logits"], net(torch.stack(tensors)))


def checks_of(args, program):
    """Pairs of a name and a function that returns what to print behind it."""

    def one(check, *arguments):
        return lambda: f"largest difference {check(program, *arguments):.1e}"

    def both_ways(case):
        return lambda: "import {:.1e}  export {:.1e}".format(*check_network(program, case))

    checks = {name: both_ways(case) for name, case in CASES.items()}
    checks |= {"types": one(check_types), "wrappers": one(check_wrappers), "images": one(check_images)}
    networks = ONNX if args.onnx is None else {
        name: ["--model", name, "--zero-init-residual", "off"] for name in args.onnx}
    onnx = {f"onnx {name}": one(check_onnx, flags) for name, flags in networks.items()}
    if args.onnx is not None:
        return onnx
    if args.only:
        return {name: check for name, check in {**checks, **onnx}.items() if name in args.only}
    return checks | onnx


def without_onnx(checks, asked):
    """Leaves out what this Python cannot do, with a sentence; ends the program if it was asked for by name."""
    missing = [m for m in ("onnx", "onnxruntime") if importlib.util.find_spec(m) is None]
    skipped = [name for name in checks if name.startswith("onnx ")]
    if not missing or not skipped:
        return checks
    reason = (f"{', '.join(skipped)}: need {' and '.join(missing)}, which {sys.executable} does not have: "
              "python3 -m venv --system-site-packages ENV && ENV/bin/pip install onnx onnxruntime, "
              "then ENV/bin/python3 in its place")
    if asked:
        sys.exit(f"check_interop: {reason}")
    print(f"skipped: {reason}", flush=True)
    return {name: check for name, check in checks.items() if name not in skipped}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parent.parent
    names = [*CASES, "types", "wrappers", "images", *(f"onnx {name}" for name in ONNX)]
    parser.add_argument("--resgrad", default=root / "build/resgrad", help="program [default: build/resgrad]")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"only these of: {', '.join(names)}")
    parser.add_argument("--onnx", nargs="+", metavar="MODEL", help="only the ONNX files of these, see: resgrad models")
    args = parser.parse_args()
    torch.manual_seed(1)
    failed = 0
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        checks = checks_of(args, Program(args.resgrad, Path(folder)))
        for name, check in without_onnx(checks, args.only or args.onnx).items():
            try:
                print(f"{name:<34} {check()}", flush=True)
            except Exception as error:  # of whatever kind the libraries throw; the other checks go on
                failed += 1
                print(f"{name}: FAILED: {error}", flush=True)
    print(f"check_interop: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
