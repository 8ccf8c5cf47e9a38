#!/usr/bin/env python3
"""Writes the golden values of the tests: what PyTorch computes for the same layers and networks.

    python3 scripts/make_goldens.py [--out tests/golden] [--only layers blocks networks training descriptions]

Needs PyTorch (1.13 or newer) and numpy; Debian's python3-torch suffices. The files are the same bit
for bit when made again with the same PyTorch on the same processor; elsewhere the last digits may
differ, far below the tolerances of the tests (golden_test.cpp in tests/nn and tests/models).

Parameters and inputs are not stored. Both sides fill them by one formula, here `draw` and `fill`,
in C++ tests/support/golden.cpp. Element i (row-major) of the tensor called `name` in case `case` is

    h = FNV-1a, 64 bits, of the bytes of "case/name"
    z = h + (i + 1) * 0x9E3779B97F4A7C15 mod 2^64, mixed as in splitmix64
    u = (z >> 11) / 2^53                                          in [0, 1)
    value = low + (high - low) * u

    weight of rank 4 or 2          +-sqrt(6 / fan_in), fan_in the product of all sizes but the first
    weight of rank 1 (batch norm)  [0.5, 1.5)        running_mean, bias   [-0.5, 0.5)
    running_var                    [0.5, 1.5)        num_batches_tracked  0
    everything else (x, dy, ...)   [-1, 1)           labels               z mod number of classes

Tensors of networks are stored as a fingerprint [L2 norm, <t, p1>, <t, p2>] where p1 and p2 are the
tensors "name/projection1" and "name/projection2" of the case. Numbers are float64 unless a case
says otherwise.
"""
import argparse
import json
import math
import random
import sys
from pathlib import Path

from script import need

need("numpy", "torch")
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from torch_networks import (  # noqa: E402
    ResNetBlock, ResNeXtBlock, ZeroPadShortcut, conv, from_description, make)

# ---- the formula -------------------------------------------------------------------------------


def mixed(case, name, count):
    """The 64-bit numbers z of `count` elements."""
    h = 0xCBF29CE484222325
    for byte in f"{case}/{name}".encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    z = np.uint64(h) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def bounds(name, shape):
    """Low and high of the values of a tensor, by the last part of its name."""
    kind = name.rsplit(".", 1)[-1]
    if kind == "weight" and len(shape) >= 2:
        bound = math.sqrt(6 / math.prod(shape[1:]))
        return -bound, bound
    if kind in ("weight", "running_var"):
        return 0.5, 1.5
    if kind in ("bias", "running_mean"):
        return -0.5, 0.5
    return -1.0, 1.0


def draw(case, name, shape):
    low, high = bounds(name, shape)
    u = (mixed(case, name, math.prod(shape)) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return torch.from_numpy(low + (high - low) * u).reshape(shape)


def labels(case, name, count, classes):
    return torch.from_numpy((mixed(case, name, count) % np.uint64(classes)).astype(np.int64))


def fill(module, case):
    """Fills all parameters and buffers of a module, in its dtype."""
    with torch.no_grad():
        for name, tensor in module.state_dict(keep_vars=True).items():
            if tensor.dtype == torch.int64:
                tensor.zero_()
            else:
                tensor.copy_(draw(case, name, tuple(tensor.shape)))
    return module


def fingerprint(case, name, tensor):
    t = tensor.detach().to(torch.float64)
    shape = tuple(t.shape)
    p1, p2 = (draw(case, f"{name}/projection{k}", shape) for k in (1, 2))
    return [t.norm().item(), (t * p1).sum().item(), (t * p2).sum().item()]


def fingerprints(case, named):
    return {name: fingerprint(case, name, tensor) for name, tensor in named}


def values(tensor):
    return tensor.detach().reshape(-1).tolist()


# ---- the cases ---------------------------------------------------------------------------------


def run_module(case, module, spec, train=True, full=True):
    """Output, gradients of sum(y * dy) and buffers of a module for the input of the spec."""
    fill(module.double(), case).train(train)
    x = draw(case, "x", spec["input"]).requires_grad_()
    y = module(x)
    y.backward(draw(case, "dy", tuple(y.shape)))
    grads = {"x": x.grad} | {name: p.grad for name, p in module.named_parameters()}

    def store(name, tensor):
        return values(tensor) if full else fingerprint(case, name, tensor)

    return spec | {
        "full": full, "train": train, "shape": list(y.shape), "y": store("y", y),
        "grads": {name: store(name, grad) for name, grad in grads.items()},
        "buffers": {name: store(name, b) for name, b in module.named_buffers()},
    }


def layers():
    cases = {}

    def add(case, module, spec, **options):
        cases[case] = run_module(case, module, spec, **options)

    def add_conv(case, shape, c_out, kernel, full=True, **options):
        spec = dict(layer="Conv2d", input=shape, c_out=c_out, kernel=list(kernel),
                    stride=[1, 1], padding=[0, 0], dilation=[1, 1], groups=1, bias=False)
        spec |= options
        keys = ("stride", "padding", "dilation", "groups", "bias")
        module = nn.Conv2d(shape[1], c_out, kernel, **{k: spec[k] for k in keys})
        add(case, module, spec, full=full)

    add_conv("conv_1x1", [2, 5, 4, 3], 3, (1, 1))
    add_conv("conv_1x1_bias_stride2", [2, 3, 5, 6], 4, (1, 1), stride=[2, 2], bias=True)
    add_conv("conv_3x3_padding1", [2, 3, 6, 5], 4, (3, 3), padding=[1, 1])
    add_conv("conv_3x3_bias_no_padding", [1, 3, 5, 7], 2, (3, 3), bias=True)
    add_conv("conv_3x3_stride2", [2, 4, 7, 6], 3, (3, 3), padding=[1, 1], stride=[2, 2])
    add_conv("conv_3x3_stride3", [2, 2, 8, 7], 3, (3, 3), padding=[1, 1], stride=[3, 3])
    add_conv("conv_3x3_dilation2", [1, 3, 8, 7], 2, (3, 3), padding=[2, 2], dilation=[2, 2])
    add_conv("conv_3x3_groups2", [2, 4, 5, 5], 6, (3, 3), padding=[1, 1], groups=2)
    add_conv("conv_3x3_depthwise_bias", [2, 4, 5, 4], 4, (3, 3), padding=[1, 1], groups=4,
             bias=True)
    add_conv("conv_3x2_uneven", [2, 4, 7, 8], 4, (3, 2), padding=[1, 0], stride=[2, 1],
             dilation=[1, 2], groups=2, bias=True)
    add_conv("conv_7x7_stride2", [1, 3, 11, 12], 2, (7, 7), padding=[3, 3], stride=[2, 2])
    # Sizes at which the fast engines of float32 take over, as fingerprints.
    add_conv("conv_3x3_wide", [2, 32, 17, 15], 48, (3, 3), False, padding=[1, 1])
    add_conv("conv_3x3_wide_stride2", [2, 32, 16, 13], 64, (3, 3), False, padding=[1, 1],
             stride=[2, 2])
    add_conv("conv_1x1_wide", [2, 64, 9, 8], 96, (1, 1), False)
    add_conv("conv_3x3_narrow_groups", [2, 64, 12, 11], 64, (3, 3), False, padding=[1, 1],
             groups=16)

    shape = [3, 4, 4, 3]
    add("batch_norm_train", nn.BatchNorm2d(4), dict(layer="BatchNorm2d", input=shape))
    add("batch_norm_eval", nn.BatchNorm2d(4), dict(layer="BatchNorm2d", input=shape), train=False)
    add("linear", nn.Linear(7, 5), dict(layer="Linear", input=[4, 7], c_out=5))
    add("relu", nn.ReLU(), dict(layer="ReLU", input=[2, 3, 4, 5]))
    for case, shape, kernel, stride, padding in (
            ("2x2", [2, 3, 6, 8], (2, 2), (2, 2), (0, 0)),
            ("3x3_stride2_padding1", [2, 3, 7, 6], (3, 3), (2, 2), (1, 1)),
            ("3x2_uneven", [1, 4, 7, 6], (3, 2), (2, 3), (1, 0))):
        spec = dict(input=shape, kernel=list(kernel), stride=list(stride), padding=list(padding))
        add(f"max_pool_{case}", nn.MaxPool2d(kernel, stride, padding),
            dict(layer="MaxPool2d") | spec)
        add(f"avg_pool_{case}", nn.AvgPool2d(kernel, stride, padding),
            dict(layer="AvgPool2d") | spec)
    add("global_avg_pool", nn.AdaptiveAvgPool2d(1),
        dict(layer="AdaptiveAvgPool2d", input=[2, 5, 4, 3]))
    add("log_softmax", nn.LogSoftmax(1), dict(layer="LogSoftmax", input=[4, 7]))

    for case, smoothing, scale in (("cross_entropy", 0.0, 1.0),
                                   ("cross_entropy_smoothing", 0.1, 1.0),
                                   ("cross_entropy_large_logits", 0.2, 500.0)):
        x = (draw(case, "x", (6, 10)) * scale).requires_grad_()
        loss = F.cross_entropy(x, labels(case, "labels", 6, 10), label_smoothing=smoothing)
        loss.backward()
        cases[case] = {"layer": "CrossEntropyLoss", "input": [6, 10], "scale": scale,
                       "label_smoothing": smoothing, "y": [loss.item()],
                       "grads": {"x": values(x.grad)}}
    return cases


def blocks():
    cases = {}

    def add(case, kind, c_in, c_out, size=(5, 6), downsample=None, train=True, **options):
        spec = dict(block=kind, input=[2, c_in, *size], c_out=c_out, stride=1, groups=1,
                    bottleneck_ratio=4, mid_channels=0, stride_in_first=False, activation="post")
        spec |= options
        modules = {None: lambda: None, "zero_pad": lambda: ZeroPadShortcut(
            c_in, c_out, spec["stride"]), "conv_bn": lambda: nn.Sequential(
                conv(c_in, c_out, 1, spec["stride"]), nn.BatchNorm2d(c_out))}
        keys = ("stride", "groups", "bottleneck_ratio", "mid_channels", "stride_in_first",
                "activation")
        module = {"ResNetBlock": ResNetBlock, "ResNeXtBlock": ResNeXtBlock}[kind](
            c_in, c_out, downsample=modules[downsample](), **{k: spec[k] for k in keys})
        cases[case] = run_module(case, module, spec | {"downsample": downsample}, train=train)

    for order in ("post", "pre"):
        for kind in ("ResNetBlock", "ResNeXtBlock"):
            o = dict(activation=order)
            name = f"{kind}_{order}"
            add(f"{name}_basic_identity", kind, 4, 4, bottleneck_ratio=1, **o)
            add(f"{name}_basic_stride2", kind, 4, 6, stride=2, bottleneck_ratio=1, **o)
            add(f"{name}_bottleneck_identity", kind, 8, 8, size=(4, 5), **o)
            add(f"{name}_bottleneck_stride3_groups2", kind, 6, 16, stride=3, groups=2, **o)
            add(f"{name}_mid_channels_groups4", kind, 6, 8, size=(4, 3), mid_channels=12,
                groups=4, **o)
            add(f"{name}_downsample_conv_bn", kind, 4, 8, stride=2, downsample="conv_bn",
                bottleneck_ratio=2, **o)
            add(f"{name}_zero_pad", kind, 4, 7, stride=2, downsample="zero_pad",
                bottleneck_ratio=1, **o)
            add(f"{name}_stride_in_first", kind, 6, 8, stride=2, stride_in_first=True, **o)
            add(f"{name}_eval", kind, 4, 6, stride=2, bottleneck_ratio=2, train=False, **o)
    return cases


def network(case, spec):
    """A network of a spec with filled weights, in the dtype of the spec."""
    options = {k: spec[k] for k in ("activation", "shortcut", "stem") if k in spec}
    module = make(spec["model"], **options).to(getattr(torch, spec["dtype"]))
    return fill(module, case).train()


def evaluate(module, x):
    with torch.no_grad():
        logits = module.eval()(x)
    module.train()
    return values(logits)


def batch(case, spec, suffix=""):
    x = draw(case, f"x{suffix}", spec["input"]).to(getattr(torch, spec["dtype"]))
    return x, labels(case, f"labels{suffix}", spec["input"][0], 10)


def float_buffers(module):
    return [(n, b) for n, b in module.named_buffers() if b.is_floating_point()]


def networks():
    cases = {}

    def add(case, model, size, smoothing=0.0, **options):
        spec = dict(model=model, input=size, dtype="float64", label_smoothing=smoothing) | options
        module = network(case, spec)
        x, target = batch(case, spec)
        x.requires_grad_()
        logits = module(x)
        loss = F.cross_entropy(logits, target, label_smoothing=smoothing)
        loss.backward()
        grads = [("x", x.grad)] + [(n, p.grad) for n, p in module.named_parameters()]
        cases[case] = spec | {
            "logits": values(logits), "loss": loss.item(), "grads": fingerprints(case, grads),
            "buffers": fingerprints(case, float_buffers(module)),
            "eval_logits": evaluate(module, x.detach())}

    add("resnet20_A", "resnet20", [4, 3, 32, 32], shortcut="A")
    add("resnet20_B", "resnet20", [3, 3, 31, 33], shortcut="B", smoothing=0.1)
    add("preact_resnet20_A", "preact_resnet20", [4, 3, 32, 32], shortcut="A")
    add("preact_resnet20_B", "preact_resnet20", [4, 3, 32, 32], shortcut="B")
    add("resnet20_asked_for_pre", "resnet20", [2, 3, 16, 16], activation="pre")
    add("resnet18_imagenet_stem", "resnet18", [2, 3, 65, 64], stem="imagenet")
    add("preact_resnet164", "preact_resnet164", [2, 3, 16, 16])
    add("resnext29_32x4d", "resnext29_32x4d", [2, 3, 16, 16], smoothing=0.1)
    add("resnext29_32x4d_asked_for_pre", "resnext29_32x4d", [2, 3, 16, 16], activation="pre")
    return cases


def training():
    """Ten steps of an optimiser, each on a batch of its own."""
    cases = {}

    def run(case, spec, make_optimizer, make_schedule=None):
        module = network(case, spec)
        optimizer = make_optimizer(module.parameters())
        schedule = make_schedule(optimizer) if make_schedule else None
        losses = []
        for step in range(spec["steps"]):
            x, target = batch(case, spec, f".{step}")
            loss = F.cross_entropy(module(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule:
                schedule.step()
            losses.append(loss.item())
        cases[case] = spec | {
            "losses": losses, "parameters": fingerprints(case, module.named_parameters()),
            "buffers": fingerprints(case, float_buffers(module)),
            "eval_logits": evaluate(module, batch(case, spec, ".eval")[0])}

    def add(case, model, size, nesterov, dtype="float64", steps=10, lr=0.005, momentum=0.9,
            weight_decay=5e-4, **options):
        spec = dict(model=model, input=size, dtype=dtype, steps=steps, lr=lr, momentum=momentum,
                    nesterov=nesterov, weight_decay=weight_decay) | options
        run(case, spec, lambda parameters: torch.optim.SGD(
            parameters, lr, momentum, nesterov=nesterov, weight_decay=weight_decay))

    def add_adamw(case, model, size, onecycle, dtype="float64", steps=10, lr=0.002,
                  betas=(0.9, 0.99), eps=1e-6, weight_decay=0.05, **options):
        spec = dict(model=model, input=size, dtype=dtype, steps=steps, optimizer="adamw", lr=lr,
                    betas=list(betas), eps=eps, weight_decay=weight_decay,
                    onecycle=onecycle) | options
        run(case, spec,
            lambda parameters: torch.optim.AdamW(parameters, lr, betas, eps, weight_decay),
            (lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(
                optimizer, lr, total_steps=steps)) if onecycle else None)

    add("resnet20_momentum", "resnet20", [8, 3, 16, 16], False, shortcut="A")
    add("resnet20_B_nesterov", "resnet20", [8, 3, 16, 16], True, shortcut="B")
    add("preact_resnet20_nesterov", "preact_resnet20", [8, 3, 16, 16], True)
    add("resnet20_plain_sgd", "resnet20", [8, 3, 16, 16], False, momentum=0.0, weight_decay=0.0)
    add("resnet20_float32", "resnet20", [16, 3, 32, 32], True, dtype="float32", lr=0.001)
    add_adamw("resnet20_adamw", "resnet20", [8, 3, 16, 16], False, shortcut="A")
    # beta1 goes from 0.95 down to 0.85 and back
    add_adamw("resnet20_adamw_onecycle", "resnet20", [8, 3, 16, 16], True, shortcut="B")
    return cases


def random_description(draw_from):
    """A network that is possible, of any kind, with few parameters."""
    stages = draw_from.randint(1, 4)
    fields = dict(block=draw_from.choice(["basic", "bottleneck", "bottleneck", "single"]),
                  blocks=[draw_from.randint(1, 3) for _ in range(stages)],
                  channels=sorted(4 * draw_from.randint(2, 12) for _ in range(stages)),
                  groups=1, activation=draw_from.choice(["post", "pre"]),
                  shortcut=draw_from.choice(["A", "B"]), transition=draw_from.choice(["stride", "pool"]),
                  stem=draw_from.choice(["cifar", "imagenet"]), stem_channels=2 * draw_from.randint(1, 4),
                  num_classes=draw_from.randint(1, 20))
    fields["whiten_stem"] = draw_from.choice(["on", "off"]) if fields["stem"] == "cifar" else "off"
    if fields["block"] == "bottleneck":
        fields["groups"] = draw_from.choice([1, 2, 4])
        if draw_from.random() < 0.5:
            fields["bottleneck_ratio"] = 1 if fields["groups"] == 4 else 2
        else:
            fields["mid_channels"] = [4 * draw_from.randint(1, 12) for _ in range(stages)]
    return " ".join(f"{name}={','.join(map(str, v)) if isinstance(v, list) else v}"
                    for name, v in fields.items())


def descriptions():
    """Parameters of networks by their fields: of all together and of each child."""
    common = "transition=stride stem=cifar whiten_stem=off num_classes=10 "
    texts = {
        "readme": common + "block=bottleneck blocks=2,2,2 channels=64,128,256 groups=8 "
                  "bottleneck_ratio=2 activation=pre shortcut=A stem_channels=16",
        "smallest": common + "block=basic blocks=1 channels=1 groups=1 activation=post shortcut=B "
                    "stem_channels=1",
        "narrowing": common + "block=basic blocks=1,2,1 channels=32,16,8 groups=1 activation=pre "
                     "shortcut=B stem_channels=48",
        "depthwise": common + "block=bottleneck blocks=1,1 channels=16,24 mid_channels=32,64 groups=32 "
                     "activation=post shortcut=B stem_channels=16",
        "pooled": "block=single blocks=1,1,1 channels=64,256,256 groups=1 activation=post shortcut=B "
                  "transition=pool stem=cifar stem_channels=32 whiten_stem=on num_classes=10",
    }
    draw_from = random.Random(1)
    texts |= {f"random{k}": random_description(draw_from) for k in range(10)}

    def count(module):
        return sum(p.numel() for p in module.parameters())

    cases = {}
    for case, text in texts.items():
        net = from_description(text)
        children = {name: count(child) for name, child in net.named_children() if count(child) > 0}
        cases[case] = {"network": text, "parameters": count(net), "children": children}
    return cases


# ---- files -------------------------------------------------------------------------------------


def dump(value, indent=""):
    """JSON with objects over several lines and lists on one; numbers as repr writes them."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value)
    inner = indent + "  "
    items = (f"{inner}{json.dumps(k)}: {dump(v, inner)}" for k, v in value.items())
    return "{\n" + ",\n".join(items) + "\n" + indent + "}"


GROUPS = {"layers": layers, "blocks": blocks, "networks": networks, "training": training,
          "descriptions": descriptions}


def main():
    parser = argparse.ArgumentParser(description="Writes the golden values of the tests.")
    parser.add_argument("--out", type=Path,
                        default=Path(__file__).resolve().parent.parent / "tests" / "golden",
                        help="output folder (default: tests/golden)")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS),
                        help="groups to write (default: all)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.mkldnn.enabled = False  # float32 sums in one fixed order
    args.out.mkdir(parents=True, exist_ok=True)
    for group in args.only:
        content = {"made_by": f"scripts/make_goldens.py, PyTorch {torch.__version__}",
                   "cases": GROUPS[group]()}
        path = args.out / f"{group}.json"
        path.write_text(dump(content) + "\n")
        print(f"{path}: {len(content['cases'])} cases, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
