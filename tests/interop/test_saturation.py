#!/usr/bin/env python3
"""8-bit weights that CPUs without VNNI sum right: ONNX Runtime's integer kernels against its float ones.

    test_saturation.py PPQ-QUANTIZE

Weights and inputs are nearly all large and of one sign, which is where pairs of products saturate. Where
the CPU has VNNI, or another exact instruction, nothing can saturate and the comparison is of two exact sums.
"""
import os
import sys
import tempfile

import numpy as np
import onnx
from onnx import helper as h
from onnx import numpy_helper

from checks import check, command, finish, session

QUANTIZE = sys.argv[1]
rng = np.random.default_rng(0)


def large(*shape):
    signs = np.where(rng.random(shape) < 0.9, 1, -1)
    return (rng.uniform(0.4, 1, shape) * signs).astype(np.float32)


def conv(channels, outs, kernel, group=1, rank=2, **attrs):
    w = large(outs, channels // group, *[kernel] * rank)
    node = h.make_node('Conv', ['x', 'w'], ['y'], 'layer', group=group, **attrs)
    return node, {'w': w / w[0].size}, [1, channels] + [8] * rank


def gemm(depth, outs, turned):
    w = large(outs, depth) if turned else large(depth, outs)
    node = h.make_node('Gemm', ['x', 'w', 'b'], ['y'], 'layer', transB=turned)
    return node, {'w': w / depth, 'b': np.zeros(outs, np.float32)}, [4, depth]


def matmul(depth, outs):
    return h.make_node('MatMul', ['x', 'w'], ['y'], 'layer'), {'w': large(depth, outs) / depth}, [1, 4, depth]


layers = {
    'image': conv(3, 16, 3),
    'odd channels': conv(5, 8, 3),
    'pointwise': conv(16, 16, 1),
    'pointwise, odd': conv(33, 16, 1),
    '3x3': conv(16, 16, 3),
    'groups of three': conv(9, 12, 3, group=3),
    'groups of four': conv(16, 16, 3, group=4),
    'two per channel': conv(8, 16, 3, group=8),
    'depthwise': conv(16, 16, 3, group=16),
    'dilated': conv(6, 8, 3, dilations=[2, 2]),
    'one dimension': conv(7, 8, 3, rank=1),
    'three dimensions': conv(6, 8, 3, rank=3),
    'three dimensions, odd': conv(5, 8, 3, rank=3),
    'gemm': gemm(64, 32, 0),
    'gemm, odd': gemm(31, 16, 0),
    'gemm, turned': gemm(31, 16, 1),
    'matmul': matmul(33, 8),
}


def value(tensors, name):
    return float(tensors[name].reshape(-1)[0])


def run(name, node, init, shape, folder):
    at = lambda file: os.path.join(folder, file)
    graph = h.make_graph([node], 'g', [h.make_tensor_value_info('x', onnx.TensorProto.FLOAT, shape)],
                         [h.make_tensor_value_info('y', onnx.TensorProto.FLOAT, None)],
                         [numpy_helper.from_array(v, k) for k, v in init.items()])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid('', 17)], ir_version=8), at('float.onnx'))
    samples = rng.uniform(0.5, 1, [4] + shape[1:] if shape[0] == 1 else [4] + shape).astype(np.float32)
    feeds = [s.reshape(shape) for s in samples]
    for i, s in enumerate(feeds):
        np.save(at(f'{i}.npy'), s)
    command(QUANTIZE, at('float.onnx'), *[a for i in range(4) for a in ('-c', at(f'{i}.npy'))], '-o', at('int8.onnx'),
            '-q', '-m', 'minmax', '-d', 'allin', '--no-pass', 'prune-islands')
    model = onnx.load(at('int8.onnx'))
    check(any(n.op_type == 'DequantizeLinear' for n in model.graph.node), f'{name}: nothing is in int8')
    exact, fast = session(at('int8.onnx'), optimize=False), session(at('int8.onnx'))
    want = [exact.run(None, {'x': s})[0] for s in feeds]
    got = [fast.run(None, {'x': s})[0] for s in feeds]
    tensors = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    steps = [value(tensors, n.input[1]) for n in model.graph.node
             if n.op_type == 'DequantizeLinear' and n.output[0] == 'y']
    quantum = steps[0] if steps else max(np.abs(w).max() for w in want) / 255
    worst = max(np.abs(w - g).max() for w, g in zip(want, got)) / quantum
    check(worst < 1.01, f'{name}: {worst:.1f} quanta from the exact sums')


for name, (node, init, shape) in layers.items():
    with tempfile.TemporaryDirectory() as folder:
        run(name, node, init, shape, folder)
finish()
