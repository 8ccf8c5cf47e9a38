"""The networks of models/ in PyTorch, with the same parameter names and counts. Needs torch alone.

Used by make_goldens.py and compare_pytorch.py. ReLUs work in place, as in torchvision: it saves time
and memory and changes no value.
"""
import torch.nn.functional as F
from torch import nn


def conv(c_in, c_out, kernel, stride=1, groups=1):
    return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)


class ZeroPadShortcut(nn.Module):
    """Shortcut A of He et al. 2015: every stride-th pixel, zero channels around the old ones."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.stride, self.before = stride, (c_out - c_in) // 2
        self.after = c_out - c_in - self.before

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


class ResidualBlock(nn.Module):
    def __init__(self, c_in, c_out, stride=1, groups=1, bottleneck_ratio=4, mid_channels=0,
                 stride_in_first=False, activation="post", downsample=None, single=False):
        super().__init__()
        if single:
            convs = [conv(c_in, c_out, 3, stride)]
        elif bottleneck_ratio == 1 and mid_channels == 0:
            convs = [conv(c_in, c_out, 3, stride), conv(c_out, c_out, 3)]
        else:
            mid = mid_channels or c_out // bottleneck_ratio
            first = stride if stride_in_first else 1
            convs = [conv(c_in, mid, 1, first), conv(mid, mid, 3, stride // first, groups),
                     conv(mid, c_out, 1)]
        layers = []
        for c in convs:
            if activation == "pre":
                layers += [nn.BatchNorm2d(c.in_channels), nn.ReLU(inplace=True), c]
            else:
                layers += [c, nn.BatchNorm2d(c.out_channels), nn.ReLU(inplace=True)]
        if activation == "post":
            layers.pop()
        self.activation = activation
        self.main_path = nn.Sequential(*layers)
        if downsample is None:
            same = c_in == c_out and stride == 1
            downsample = nn.Identity() if same else conv(c_in, c_out, 1, stride)
        self.shortcut = downsample

    def forward(self, x):
        y = self.main_path(x) + self.shortcut(x)
        return F.relu_(y) if self.activation == "post" else y


class ResNetBlock(ResidualBlock):
    pass


class ResNeXtBlock(ResidualBlock):
    def __init__(self, c_in, c_out, activation="pre", **options):
        super().__init__(c_in, c_out, activation=activation, **options)


def pooled_unit(c_in, c_out, activation):
    """A 3x3 convolution with max pooling, before the blocks of a stage."""
    unit, pool = conv(c_in, c_out, 3), nn.MaxPool2d(2)
    if activation == "pre":
        return nn.Sequential(nn.BatchNorm2d(c_in), nn.ReLU(inplace=True), unit, pool)
    return nn.Sequential(unit, pool, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class ResNet(nn.Module):
    """`stages` lists (blocks, channels, mid_channels); mid_channels 0 means basic blocks, or those of one
    convolution with `single`."""

    def __init__(self, stages, stem="cifar", stem_channels=64, groups=1, stride_in_first=False,
                 activation="post", shortcut="B", num_classes=10, single=False, transition="stride",
                 whiten_stem=False):
        super().__init__()
        imagenet = stem == "imagenet"
        layers = [conv(3, stem_channels, 7 if imagenet else 3, 2 if imagenet else 1)]
        if whiten_stem:
            layers = [nn.Conv2d(3, stem_channels, 3, padding=1)]
        elif activation == "post":
            layers.append(nn.BatchNorm2d(stem_channels))
        if activation == "post":
            layers.append(nn.ReLU(inplace=True))
        if imagenet:
            layers.append(nn.MaxPool2d(3, 2, 1))
        self.stem = nn.Sequential(*layers)
        block = ResNeXtBlock if groups > 1 else ResNetBlock
        c_in = stem_channels
        for s, (blocks, c_out, mid) in enumerate(stages):
            stage = nn.Sequential()
            if transition == "pool":
                stage.append(pooled_unit(c_in, c_out, activation))
                c_in = c_out
            for b in range(blocks):
                stride = 2 if b == 0 and s > 0 and transition == "stride" else 1
                downsample = None
                if c_in != c_out or stride != 1:
                    if shortcut == "A":
                        downsample = ZeroPadShortcut(c_in, c_out, stride)
                    elif activation == "post":
                        downsample = nn.Sequential(conv(c_in, c_out, 1, stride),
                                                   nn.BatchNorm2d(c_out))
                stage.append(block(c_in, c_out, stride=stride, groups=groups, bottleneck_ratio=1,
                                   mid_channels=mid, stride_in_first=stride_in_first,
                                   activation=activation, downsample=downsample, single=single))
                c_in = c_out
            self.add_module(f"stage{s + 1}", stage)
        if activation == "pre":
            self.norm = nn.Sequential(nn.BatchNorm2d(c_in), nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(c_in, num_classes)

    def forward(self, x):
        for child in self.children():
            x = child(x)
        return x


def from_description(text):
    """The network of "block=bottleneck blocks=2,2,2 ...", as models/description.h writes networks; what
    has no parameters (pool, logit_scale) is left out, and so is what is there initially."""
    fields = dict(word.split("=") for word in text.split())

    def numbers(name):
        return [int(n) for n in fields[name].split(",")]

    channels = numbers("channels")
    mid = [0] * len(channels)
    if fields["block"] == "bottleneck":
        mid = numbers("mid_channels") if "mid_channels" in fields else [
            c // int(fields["bottleneck_ratio"]) for c in channels]
    return ResNet(list(zip(numbers("blocks"), channels, mid)), stem=fields["stem"],
                  stem_channels=int(fields["stem_channels"]), groups=int(fields["groups"]),
                  activation=fields["activation"], shortcut=fields["shortcut"],
                  num_classes=int(fields["num_classes"]), single=fields["block"] == "single",
                  transition=fields["transition"], whiten_stem=fields["whiten_stem"] == "on")


def make(name, **options):
    """A network of the registry by its name, as models::make; options replace its own."""
    def cifar(n):
        return dict(stages=[(n, 16, 0), (n, 32, 0), (n, 64, 0)], stem_channels=16, shortcut="A")

    def cifar_bottleneck(n):
        return dict(stages=[(n, 64, 16), (n, 128, 32), (n, 256, 64)], stem_channels=16,
                    stride_in_first=True)

    def basic(*blocks):
        return dict(stages=[(n, 64 << s, 0) for s, n in enumerate(blocks)])

    def bottleneck(*blocks, groups=1, width=64):
        return dict(stages=[(n, 256 << s, width << s) for s, n in enumerate(blocks)],
                    groups=groups)

    pre = dict(activation="pre")
    configs = {f"resnet{6 * n + 2}": cifar(n) for n in (3, 5, 7, 9, 18)}
    configs |= {f"preact_resnet{6 * n + 2}": cifar(n) | pre for n in (3, 9, 18)}
    configs |= {f"preact_resnet{9 * n + 2}": cifar_bottleneck(n) | pre for n in (18, 111)}
    configs |= {"resnet18": basic(2, 2, 2, 2), "resnet34": basic(3, 4, 6, 3),
                "preact_resnet18": basic(2, 2, 2, 2) | pre,
                "resnet50": bottleneck(3, 4, 6, 3), "resnet101": bottleneck(3, 4, 23, 3),
                "resnet152": bottleneck(3, 8, 36, 3),
                "resnext50_32x4d": bottleneck(3, 4, 6, 3, groups=32, width=128),
                "resnext101_32x8d": bottleneck(3, 4, 23, 3, groups=32, width=256)}
    for c, w in ((32, 4), (4, 64), (8, 64), (16, 64)):
        configs[f"resnext29_{c}x{w}d"] = bottleneck(3, 3, 3, groups=c, width=c * w)
    return ResNet(**(configs[name] | options))
