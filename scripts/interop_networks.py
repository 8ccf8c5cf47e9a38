"""The networks of other PyTorch code, in the same few words and with the same names of tensors, for
check_interop.py. Needs torch and torchvision."""
import torch.nn.functional as F
import torchvision
from torch import nn


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


class PreActBlock(nn.Module):
    """Norm, ReLU and convolution, twice or three times; a projection takes the first ReLU's output."""

    def __init__(self, c_in, c_out, stride, bottleneck, norm, projection):
        super().__init__()
        mid = c_out // 4
        units = ([(c_in, mid, 1), (mid, mid, 3, stride), (mid, c_out, 1)] if bottleneck
                 else [(c_in, c_out, 3, stride), (c_out, c_out, 3)])
        self.units = [(f"{norm}{i}", f"conv{i}") for i in range(1, len(units) + 1)]
        for (norm_name, conv_name), unit in zip(self.units, units):
            self.add_module(norm_name, nn.BatchNorm2d(unit[0]))
            self.add_module(conv_name, conv(*unit))
        self.projection = None
        if c_in != c_out or stride != 1:
            self.projection, inner = projection.split(".")
            path = nn.Sequential()
            path.add_module(inner, conv(c_in, c_out, 1, stride))
            self.add_module(self.projection, path)

    def forward(self, x):
        y = x
        for i, (norm, conv_name) in enumerate(self.units):
            y = F.relu(getattr(self, norm)(y))
            if i == 0 and self.projection:
                x = getattr(self, self.projection)(y)
            y = getattr(self, conv_name)(y)
        return x + y


def preact_stages(blocks, bottleneck, norm, projection):
    """Four stages of 64 channels and more, or four times as many."""
    c_in, stages = 64, []
    for s, n in enumerate(blocks):
        c_out, stage = (256 if bottleneck else 64) << s, nn.Sequential()
        for b in range(n):
            stage.append(PreActBlock(c_in, c_out, 2 if s > 0 and b == 0 else 1, bottleneck, norm, projection))
            c_in = c_out
        stages.append(stage)
    return stages, c_in


class KuangliuPreAct(nn.Module):
    """CIFAR stem, and nothing behind the last stage."""

    def __init__(self, blocks, bottleneck=False):
        super().__init__()
        self.conv1 = conv(3, 64, 3)
        (self.layer1, self.layer2, self.layer3, self.layer4), width = preact_stages(
            blocks, bottleneck, "bn", "shortcut.0")
        self.linear = nn.Linear(width, 10)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
        return self.linear(x.mean((2, 3)))


class ResNetV2(nn.Module):
    """ImageNet stem, a norm and a ReLU behind the last stage, a 1x1 convolution as the classifier."""

    def __init__(self, blocks, bottleneck=False):
        super().__init__()
        self.stem, self.stages, self.head = nn.Module(), nn.Sequential(), nn.Module()
        self.stem.conv = conv(3, 64, 7, 2)
        stages, width = preact_stages(blocks, bottleneck, "norm", "downsample.conv")
        for blocks_of_stage in stages:
            stage = nn.Sequential()
            stage.add_module("blocks", blocks_of_stage)
            self.stages.append(stage)
        self.norm = nn.BatchNorm2d(width)
        self.head.fc = nn.Conv2d(width, 1000, 1)

    def forward(self, x):
        x = self.stages(F.max_pool2d(self.stem.conv(x), 3, 2, 1))
        return self.head.fc(F.relu(self.norm(x)).mean((2, 3), keepdim=True)).flatten(1)
