#!/usr/bin/env python3
"""Checks that weights travel between resgrad and PyTorch, both ways, and that images do.

    python3 scripts/check_interop.py [--resgrad build/resgrad] [--only NAME ...]

For each network: weights and running statistics drawn by PyTorch are saved as its state_dict, read by
`resgrad import`, and `resgrad predict` must give PyTorch's logits on the same input; weights trained
for two steps by `resgrad train` (CIFAR networks) or the imported ones (ImageNet networks) are written
by `resgrad export`, loaded by load_state_dict(strict=True), and must give the same logits there. "The
same" is a largest difference of at most 1e-4 of the largest logit. The networks are torchvision's own
and, in the same few words, the CIFAR networks of chenyaofo, akamaster and kuangliu. Image files are
decoded, resized and cropped by torchvision and by `resgrad predict`, with the same probabilities.

Needs Debian's python3-torch and python3-torchvision (scripts/setup.sh --with-pytorch). Exit code 0
when everything agrees, else 1.
"""
import argparse
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from packages import need

need("torch", "torchvision", "PIL")
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import torchvision  # noqa: E402
from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import transforms  # noqa: E402

TOLERANCE = 1e-4
DTYPES = {"F32": torch.float32, "I64": torch.int64}

# ---- safetensors -------------------------------------------------------------------------------


def save_tensors(path, tensors):
    names = {dtype: name for name, dtype in DTYPES.items()}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().numpy().tobytes()
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


# ---- the CIFAR networks ------------------------------------------------------------------------


def conv(c_in, c_out, kernel, stride=1):
    return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)


class ZeroPad(nn.Module):
    def forward(self, x):
        x = x[:, :, ::2, ::2]
        return F.pad(x, (0, 0, 0, 0, x.shape[1] // 2, x.shape[1] // 2))


class Basic(nn.Module):
    def __init__(self, c_in, c_out, stride, shortcut, name):
        super().__init__()
        self.conv1, self.bn1 = conv(c_in, c_out, 3, stride), nn.BatchNorm2d(c_out)
        self.conv2, self.bn2 = conv(c_out, c_out, 3), nn.BatchNorm2d(c_out)
        self.name = name
        if c_in == c_out:
            path = nn.Sequential()
        elif shortcut == "A":
            path = ZeroPad()
        else:
            path = nn.Sequential(conv(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))
        self.add_module(name, path)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + getattr(self, self.name)(x))


class Cifar(nn.Module):
    """Stages of basic blocks: of 16 channels and more (He et al. 2015) or 64 and more (kuangliu)."""

    def __init__(self, blocks, width, shortcut, shortcut_name, head):
        super().__init__()
        self.conv1, self.bn1, self.head = conv(3, width, 3), nn.BatchNorm2d(width), head
        c_in, self.layers = width, []
        for s, n in enumerate(blocks):
            layer = nn.Sequential()
            for b in range(n):
                stride = 2 if s > 0 and b == 0 else 1
                layer.append(Basic(c_in, width << s, stride, shortcut, shortcut_name))
                c_in = width << s
            self.add_module(f"layer{s + 1}", layer)
            self.layers.append(f"layer{s + 1}")
        self.add_module(head, nn.Linear(c_in, 10))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for name in self.layers:
            x = getattr(self, name)(x)
        return getattr(self, self.head)(x.mean((2, 3)))


def torchvision_cifar(name):
    """The usual change of torchvision's networks for CIFAR."""
    net = getattr(torchvision.models, name)(weights=None, num_classes=10)
    net.conv1, net.maxpool = conv(3, 64, 3), nn.Identity()
    return net


def torchvision_imagenet(name):
    return getattr(torchvision.models, name)(weights=None)


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
    save_tensors(folder / "theirs.safetensors", state)
    program.run("import", "--model", model, "--layout", layout, "--weights", folder / "theirs.safetensors",
                "--output", folder / "imported.safetensors")
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("--resgrad", default=root / "build/resgrad", help="program [default: build/resgrad]")
    parser.add_argument("--only", nargs="+", choices=[*CASES, "images"], metavar="NAME",
                        help=f"only these of: {', '.join([*CASES, 'images'])}")
    args = parser.parse_args()
    torch.manual_seed(1)
    failed = 0
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        program = Program(args.resgrad, Path(folder))
        for name in args.only or [*CASES, "images"]:
            try:
                if name == "images":
                    print(f"{'image files':<34} largest difference {check_images(program):.1e}", flush=True)
                else:
                    imported, exported = check_network(program, CASES[name])
                    print(f"{name:<34} import {imported:.1e}  export {exported:.1e}", flush=True)
            except (Mismatch, OSError, RuntimeError) as error:
                failed += 1
                print(f"{name}: FAILED: {error}", flush=True)
    print(f"check_interop: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
