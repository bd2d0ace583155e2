#!/usr/bin/env python3
"""Operators of domain com.microsoft: ours against ONNX Runtime's, one small model each.

    test_contrib.py PPQ-RUN

Floats agree within 1e-4 of the largest value, stored integers within one quantum.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper as h

RUN = sys.argv[1]
rng = np.random.default_rng(7)
failures, passed, refused = [], 0, []


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def u8(*shape):
    return rng.integers(0, 256, shape).astype(np.uint8)


def i8(*shape):
    return rng.integers(-100, 100, shape).astype(np.int8)


def scale(v):
    return np.array(v, np.float32)


def zero(v, dtype=np.uint8):
    return np.array(v, dtype)


def model(op, inputs, n_out, attrs):
    names = ['' if v is None else f'x{i}' for i, v in enumerate(inputs)]
    values = [(n, v) for n, v in zip(names, inputs) if n]
    outs = [f'y{i}' for i in range(n_out)]
    graph = h.make_graph(
        [h.make_node(op, names, outs, domain='com.microsoft', **attrs)], 'g',
        [h.make_tensor_value_info(n, h.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in values],
        [h.make_empty_tensor_value_info(o) for o in outs])
    return h.make_model(graph, ir_version=8, opset_imports=[
        h.make_opsetid('', 17), h.make_opsetid('com.microsoft', 1)]), dict(values), outs


def theirs(m, feeds):
    o = ort.SessionOptions()
    o.log_severity_level = 4
    o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(m.SerializeToString(), o, providers=['CPUExecutionProvider']).run(None, feeds)


def ours(m, feeds, outs, scratch):
    path = os.path.join(scratch, 'm.onnx')
    onnx.save(m, path)
    args = [RUN, path, '-q', '-o', scratch]
    for name, v in feeds.items():
        np.save(os.path.join(scratch, name + '.npy'), v)
        args += ['-i', f'{name}={scratch}/{name}.npy']
    r = subprocess.run(args, capture_output=True, text=True)
    if r.returncode:
        raise RuntimeError(r.stderr.strip()[-300:])
    return [np.load(os.path.join(scratch, o + '.npy')) for o in outs]


def differs(want, got):
    """What is wrong, or None."""
    if want.dtype != got.dtype or want.shape != got.shape:
        return f'{got.dtype}{got.shape}, expected {want.dtype}{want.shape}'
    a, b = want.astype(np.float64), got.astype(np.float64)
    worst = float(np.abs(a - b).max(initial=0))
    limit = 1 if want.dtype.kind in 'iu' else 1e-4 * max(1e-3, float(np.abs(a).max(initial=0)))
    return None if worst <= limit else f'differs by {worst}, at most {limit} is right'


def case(op, *inputs, n_out=1, note='', **attrs):
    global passed
    what = f'{op} {note}'.strip()
    m, feeds, outs = model(op, inputs, n_out, attrs)
    try:
        want = theirs(m, feeds)
    except Exception as e:  # this build of ONNX Runtime lacks it
        refused.append(f'{what}: {str(e)[:160]}')
        return
    try:
        with tempfile.TemporaryDirectory() as scratch:
            got = ours(m, feeds, outs, scratch)
        wrong = [d for d in map(differs, want, got) if d]
    except RuntimeError as e:
        wrong = [str(e)]
    passed += not wrong
    if wrong:
        failures.append(what)
        print('FAIL', what, wrong[0], flush=True)


def gelus():
    x = 3 * f32(2, 5, 8)
    case('Gelu', x)
    case('BiasGelu', x, f32(8))
    case('FastGelu', x, f32(8))
    case('FastGelu', x, note='without bias')
    case('QuickGelu', x)
    case('QuickGelu', x, alpha=1.2, note='alpha')


def norms():
    x, s = f32(2, 5, 8), f32(2, 5, 8)
    case('SkipLayerNormalization', x, s, f32(8), f32(8), f32(8), epsilon=1e-5)
    case('SkipLayerNormalization', x, s, f32(8), epsilon=1e-3, note='short')
    m = 'SkipSimplifiedLayerNormalization'
    case(m, x, s, f32(8), f32(8), epsilon=1e-5)
    case(m, x, s, f32(8), epsilon=1e-5, note='short')


def stored():
    q = (scale(.1), zero(120)), (scale(.07), zero(3))
    for op in 'QLinearAdd', 'QLinearMul':
        case(op, u8(2, 3, 4), *q[0], u8(2, 3, 4), *q[1], scale(.2), zero(100))
        case(op, u8(2, 3, 4), *q[0], u8(4), *q[1], scale(.2), zero(100), note='broadcast')
        case(op, i8(2, 8), scale(.1), zero(-5, np.int8), i8(2, 8), scale(.05), zero(4, np.int8), scale(.3),
             zero(1, np.int8), note='int8')
    for dtype, x in (np.uint8, u8(2, 3, 6, 6)), (np.int8, i8(2, 3, 6, 6)):
        z = zero(7, dtype)
        case('QLinearSigmoid', x, scale(.05), z, scale(1 / 256), zero(0, dtype))
        case('QLinearLeakyRelu', x, scale(.05), z, scale(.06), z, alpha=.1)
        case('QLinearGlobalAveragePool', x, scale(.05), z, scale(.02), z, channels_last=0)
        case('QLinearAveragePool', x, scale(.05), z, scale(.04), z, kernel_shape=[3, 3], strides=[2, 2],
             pads=[1, 1, 1, 1], count_include_pad=0)
        case('QLinearSoftmax', x, scale(.05), z, scale(1 / 256), zero(0, dtype), axis=-1, opset=13)
        case('QLinearConcat', scale(.06), z, x, scale(.05), z, x[:, :2].copy(), scale(.09), z, axis=1)


def products():
    # Seven bits: without VNNI, products of uint8 and int8 are added in saturating 16 bits.
    a, b = u8(5, 16), i8(16, 6) // 2
    case('QGemm', a, scale(.02), zero(100), b, scale(.03), zero(0, np.int8),
         rng.integers(-500, 500, 6).astype(np.int32), scale(.2), zero(110))
    case('QGemm', a, scale(.02), zero(100), b.T.copy(), scale(.03), zero(0, np.int8),
         rng.integers(-500, 500, 6).astype(np.int32), transB=1, alpha=1.0, note='float output')
    case('QGemm', a, scale(.02), zero(100), b.T.copy(), np.abs(f32(6)), i8(6) // 20,
         rng.integers(-500, 500, 6).astype(np.int32), scale(9), zero(110), transB=1, note='rows')
    case('MatMulIntegerToFloat', a, b, scale(.02), scale(.03), zero(100), zero(0, np.int8), f32(6))
    case('MatMulIntegerToFloat', a, b, scale(.02), np.abs(f32(6)), zero(100), i8(6), note='columns')
    case('DynamicQuantizeMatMul', f32(2, 5, 16), b, scale(.03), zero(3, np.int8), f32(6))
    x = f32(3, 4, 5)
    case('FusedMatMul', x, f32(3, 5, 6), alpha=.5)
    case('FusedMatMul', x, f32(3, 4, 6), transA=1, note='transA')
    case('FusedMatMul', x, f32(3, 6, 5), transB=1, alpha=2.0, note='transB')
    case('FusedMatMul', f32(4, 3, 5), f32(3, 5, 6), transBatchA=1, note='transBatchA')
    case('FusedMatMul', f32(5, 3, 4), f32(3, 5, 6), transBatchA=1, transA=1, note='transBatchA transA')
    for bits in 4, 8:
        blocks = 3
        args = [f32(2, 7, 80), u8(6, blocks, 32 * bits // 8), np.abs(f32(6 * blocks)) * .1]
        attrs = {'K': 80, 'N': 6, 'bits': bits, 'block_size': 32}
        case('MatMulNBits', *args, note=f'{bits} bits', **attrs)
        case('MatMulNBits', *args, u8(6 * ((blocks * bits + 7) // 8)), note=f'{bits} bits, zero points', **attrs)


def convolutions():
    x, w, b, z = f32(1, 4, 7, 7), f32(5, 4, 3, 3), f32(5), f32(1, 5, 7, 7)
    pads = {'pads': [1, 1, 1, 1], 'kernel_shape': [3, 3]}
    case('FusedConv', x, w, b, z, activation='Relu', note='sum Relu', **pads)
    case('FusedConv', x, w, activation='Relu', note='Relu', **pads)
    for name, params in ('Tanh', None), ('Sigmoid', None), ('LeakyRelu', [.1]), ('Clip', [-1., 2.]), \
            ('HardSigmoid', [.2, .5]):
        more = {'activation_params': params} if params else {}
        case('FusedConv', x, w, b, activation=name, note=name, **more, **pads)
    for name, more in ('Relu', {}), ('LeakyRelu', {'activation_alpha': .1}):
        case('FusedGemm', f32(3, 4), f32(5, 4), f32(5), transB=1, alpha=.5, activation=name, note=name, **more)


gelus()
norms()
stored()
products()
convolutions()
for r in refused:
    print('not in this ONNX Runtime:', r)
print(f'{passed} passed, {len(failures)} failed, {len(refused)} not compared')
sys.exit(1 if failures or passed < 30 else 0)
