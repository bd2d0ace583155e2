#!/usr/bin/env python3
"""Trains the classifier that the quickstart quantizes and writes it as ONNX.

Needs torch and the Fashion-MNIST files of Debian's dataset-fashion-mnist. On one CPU core an epoch
takes a few minutes; the bundled model had 12.

    train_fashion.py EPOCHS OUT.onnx
"""
import gzip
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

DATA = '/usr/share/datasets/fashion-mnist/'
MEAN, STD = 0.2860, 0.3530


def load(name):
    with gzip.open(f'{DATA}{name}-images-idx3-ubyte.gz') as f:
        x = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(f'{DATA}{name}-labels-idx1-ubyte.gz') as f:
        y = np.frombuffer(f.read(), np.uint8, offset=8)
    x = (torch.from_numpy(x.astype(np.float32)) / 255 - MEAN) / STD
    return x, torch.from_numpy(y.astype(np.int64))


def conv_bn(n_in, n_out, kernel=3, stride=1, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(n_out)]
    return nn.Sequential(*layers, *([act()] if act else []))


class InvertedResidual(nn.Module):
    def __init__(self, channels, expand, act):
        super().__init__()
        wide = channels * expand
        self.f = nn.Sequential(conv_bn(channels, wide, 1, act=act),
                               conv_bn(wide, wide, 3, 1, wide, act),
                               conv_bn(wide, channels, 1, act=None))

    def forward(self, x):
        return x + self.f(x)


class Residual(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.a = conv_bn(n_in, n_out, 3, stride)
        self.b = conv_bn(n_out, n_out, act=None)
        same = stride == 1 and n_in == n_out
        self.d = nn.Identity() if same else conv_bn(n_in, n_out, 1, stride, act=None)

    def forward(self, x):
        return F.relu(self.b(self.a(x)) + self.d(x))


class Net(nn.Module):
    """Plain, depthwise, residual and inverted residual blocks; ReLU, ReLU6 and hard-swish."""

    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            conv_bn(1, 16), conv_bn(16, 16, 3, 2, 16, nn.ReLU6), conv_bn(16, 32, 1, act=nn.ReLU6),
            Residual(32, 32, 1), Residual(32, 64, 2), InvertedResidual(64, 3, nn.ReLU6),
            conv_bn(64, 64, 3, 1, 64, nn.Hardswish), conv_bn(64, 96, 1, act=nn.Hardswish),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(.1))
        self.c = nn.Linear(96, 10)

    def forward(self, x):
        return self.c(self.f(x))


def augment(x):
    """A mirror image half of the time, shifted by up to two pixels."""
    if torch.rand(1) < .5:
        x = x.flip(3)
    dy, dx = torch.randint(-2, 3, (2,)).tolist()
    return torch.roll(x, (dy, dx), (2, 3))


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        right = sum(int((net(x[i:i + 500]).argmax(1) == y[i:i + 500]).sum())
                    for i in range(0, len(x), 500))
    return right / len(x)


def train(net, x, y, epochs, batch=128, rate=4e-3):
    loss_of = nn.CrossEntropyLoss(label_smoothing=.05)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-3)
    steps = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=.2)
    start = time.time()
    for epoch in range(epochs):
        net.train()
        order, total = torch.randperm(len(x)), 0.
        for i in range(0, len(x) - batch + 1, batch):
            pick = order[i:i + batch]
            loss = loss_of(net(augment(x[pick])), y[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss)
        print(f'epoch {epoch}: loss {total / (len(x) // batch):.4f}, {time.time() - start:.0f} s',
              flush=True)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    torch.manual_seed(1)
    train_x, train_y = load('train')
    test_x, test_y = load('t10k')
    net = Net()
    train(net, train_x, train_y, int(sys.argv[1]))
    print(f'accuracy {accuracy(net, test_x, test_y):.4f}')
    net.eval()
    torch.onnx.export(net, test_x[:1], sys.argv[2], opset_version=13, do_constant_folding=False,
                      training=torch.onnx.TrainingMode.PRESERVE, input_names=['input'],
                      output_names=['logits'],
                      dynamic_axes={'input': {0: 'N'}, 'logits': {0: 'N'}})


if __name__ == '__main__':
    main()
