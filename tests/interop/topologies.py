"""Large topologies with random weights, made on the spot: what they compute means nothing, how they
are built and how long they take is that of the real ones.

    topologies.py FOLDER [NAME...]      writes FOLDER/NAME.onnx
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh


class Builder:
    """Adds nodes and weights; a value is its name. He initialisation keeps the scale of values."""

    def __init__(self, name, inputs, opset=13):
        self.name, self.opset, self.inputs = name, opset, inputs
        self.rng, self.nodes, self.weights = np.random.RandomState(len(name)), [], []

    def op(self, kind, *inputs, **attributes):
        out = f'{kind}_{len(self.nodes)}'
        self.nodes.append(h.make_node(kind, inputs, [out], name=out, **attributes))
        return out

    def const(self, value):
        name = f'w{len(self.weights)}'
        self.weights.append(nh.from_array(np.asarray(value), name))
        return name

    def random(self, *shape, std=1.0):
        return self.const((self.rng.standard_normal(shape) * std).astype(np.float32))

    def scalar(self, value):
        return self.const(np.float32(value))

    def conv(self, x, n_in, n_out, kernel=3, stride=1, group=1, gain=2.0):
        fan = n_in // group * kernel * kernel
        w = self.random(n_out, n_in // group, kernel, kernel, std=(gain / fan) ** 0.5)
        return self.op('Conv', x, w, self.random(n_out, std=0.1), kernel_shape=[kernel] * 2,
                       strides=[stride] * 2, pads=[kernel // 2] * 4, group=group)

    def relu(self, x):
        return self.op('Relu', x)

    def relu6(self, x):
        return self.op('Clip', x, self.scalar(0), self.scalar(6))

    def classify(self, x, n_in, n_out=1000):
        x = self.op('Flatten', self.op('GlobalAveragePool', x))
        return self.op('Gemm', x, self.random(n_out, n_in, std=n_in ** -0.5), self.random(n_out), transB=1)

    def linear(self, x, n_in, n_out):
        y = self.op('MatMul', x, self.random(n_in, n_out, std=n_in ** -0.5))
        return self.op('Add', y, self.random(n_out, std=0.02))

    def layer_norm(self, x, n):
        centred = self.op('Sub', x, self.op('ReduceMean', x, axes=[-1]))
        variance = self.op('ReduceMean', self.op('Pow', centred, self.scalar(2)), axes=[-1])
        y = self.op('Div', centred, self.op('Sqrt', self.op('Add', variance, self.scalar(1e-12))))
        return self.op('Add', self.op('Mul', y, self.random(n, std=0.5)), self.random(n, std=0.05))

    def gelu(self, x):
        e = self.op('Add', self.op('Erf', self.op('Div', x, self.scalar(2 ** 0.5))), self.scalar(1))
        return self.op('Mul', self.op('Mul', x, e), self.scalar(0.5))

    def model(self, output, rank):
        g = h.make_graph(self.nodes, self.name, self.inputs,
                         [h.make_tensor_value_info(output, T.FLOAT, [None] * rank)], self.weights)
        return h.make_model(g, opset_imports=[h.make_opsetid('', self.opset)], ir_version=8)


def image_input(size=224):
    return [h.make_tensor_value_info('input', T.FLOAT, [1, 3, size, size])]


def resnet(name, blocks):
    b = Builder(name, image_input())
    x = b.op('MaxPool', b.relu(b.conv('input', 3, 64, 7, 2)), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    n_in = 64
    for stage, count in enumerate(blocks):
        width = 64 << stage
        for i in range(count):
            stride = 2 if stage and not i else 1
            y = b.relu(b.conv(x, n_in, width, 1))
            y = b.conv(b.relu(b.conv(y, width, width, 3, stride)), width, width * 4, 1, gain=0.2)
            short = x if i else b.conv(x, n_in, width * 4, 1, stride, gain=1.0)
            x, n_in = b.relu(b.op('Add', y, short)), width * 4
    return b.model(b.classify(x, n_in), 2)


def resnet50():
    return resnet('resnet50', (3, 4, 6, 3))


def resnet101():
    return resnet('resnet101', (3, 4, 23, 3))


def vgg(name, blocks):
    b = Builder(name, image_input())
    x, n_in = 'input', 3
    for count, width in zip(blocks, (64, 128, 256, 512, 512)):
        for _ in range(count):
            x, n_in = b.relu(b.conv(x, n_in, width)), width
        x = b.op('MaxPool', x, kernel_shape=[2, 2], strides=[2, 2])
    x, n_in = b.op('Flatten', x), 512 * 7 * 7
    for n_out in (4096, 4096, 1000):
        x = b.op('Gemm', x, b.random(n_out, n_in, std=(2 / n_in) ** 0.5), b.random(n_out, std=0.1), transB=1)
        x, n_in = (b.relu(x) if n_out == 4096 else x), n_out
    return b.model(x, 2)


def vgg16():
    return vgg('vgg16', (2, 2, 3, 3, 3))


def vgg19():
    return vgg('vgg19', (2, 2, 4, 4, 4))


def mobilenet_v1():
    b = Builder('mobilenet_v1', image_input())
    x, n_in = b.relu(b.conv('input', 3, 32, 3, 2)), 32
    for n_out, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5,
                          (1024, 2), (1024, 1)):
        x = b.relu(b.conv(x, n_in, n_in, 3, stride, group=n_in))
        x, n_in = b.relu(b.conv(x, n_in, n_out, 1)), n_out
    return b.model(b.classify(x, n_in), 2)


def mobilenet_v2():
    b = Builder('mobilenet_v2', image_input())
    x, n_in = b.relu6(b.conv('input', 3, 32, 3, 2)), 32
    for expand, n_out, count, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                        (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(count):
            stride, width = first if not i else 1, n_in * expand
            y = b.relu6(b.conv(x, n_in, width, 1)) if expand > 1 else x
            y = b.conv(b.relu6(b.conv(y, width, width, 3, stride, group=width)), width, n_out, 1, gain=1.0)
            x, n_in = (b.op('Add', x, y) if stride == 1 and n_in == n_out else y), n_out
    return b.model(b.classify(b.relu6(b.conv(x, n_in, 1280, 1)), 1280), 2)


def squeezenet():
    b = Builder('squeezenet', image_input())
    x, n_in = b.relu(b.conv('input', 3, 64, 3, 2)), 64
    for i, (squeeze, expand) in enumerate(((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192),
                                           (64, 256), (64, 256))):
        if i in (0, 2, 4):
            x = b.op('MaxPool', x, kernel_shape=[3, 3], strides=[2, 2])
        s = b.relu(b.conv(x, n_in, squeeze, 1))
        x = b.op('Concat', b.relu(b.conv(s, squeeze, expand, 1)), b.relu(b.conv(s, squeeze, expand, 3)), axis=1)
        n_in = 2 * expand
    x = b.relu(b.conv(x, n_in, 1000, 1))
    return b.model(b.op('Flatten', b.op('GlobalAveragePool', x)), 2)


def bert(name='bert', layers=12, width=768, heads=12, inner=3072, sequence=128, words=1000):
    b = Builder(name, [h.make_tensor_value_info('input_ids', T.INT64, [1, sequence]),
                       h.make_tensor_value_info('attention_mask', T.FLOAT, [1, sequence])])
    each = width // heads
    split = b.const(np.int64([1, sequence, heads, each]))
    join = b.const(np.int64([1, sequence, width]))
    mask = b.op('Unsqueeze', 'attention_mask', b.const(np.int64([1, 2])))
    mask = b.op('Mul', b.op('Sub', b.scalar(1), mask), b.scalar(-10000))
    x = b.op('Gather', b.random(words, width), 'input_ids')
    x = b.layer_norm(b.op('Add', x, b.random(1, sequence, width)), width)
    for _ in range(layers):
        q, k, v = (b.op('Transpose', b.op('Reshape', b.linear(x, width, width), split), perm=perm)
                   for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        a = b.op('Add', b.op('Div', b.op('MatMul', q, k), b.scalar(each ** 0.5)), mask)
        y = b.op('Transpose', b.op('MatMul', b.op('Softmax', a, axis=-1), v), perm=[0, 2, 1, 3])
        x = b.layer_norm(b.op('Add', x, b.linear(b.op('Reshape', y, join), width, width)), width)
        y = b.linear(b.gelu(b.linear(x, width, inner)), inner, width)
        x = b.layer_norm(b.op('Add', x, y), width)
    return b.model(x, 3)


ALL = {f.__name__: f for f in (resnet50, resnet101, vgg16, vgg19, mobilenet_v1, mobilenet_v2, squeezenet, bert)}


def write(folder, name):
    path = os.path.join(folder, name + '.onnx')
    if not os.path.exists(path):
        onnx.save(ALL[name](), path)
    return path


def feeds(name, seed=0):
    """One sample of inputs by name."""
    rng = np.random.RandomState(seed)
    if name == 'bert':
        return {'input_ids': rng.randint(0, 1000, (1, 128)), 'attention_mask': np.ones((1, 128), np.float32)}
    return {'input': rng.standard_normal((1, 3, 224, 224)).astype(np.float32)}


if __name__ == '__main__':
    os.makedirs(sys.argv[1], exist_ok=True)
    for wanted in sys.argv[2:] or ALL:
        print(write(sys.argv[1], wanted))
