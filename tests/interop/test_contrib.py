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


def i32(*v):
    return np.array(v, np.int32)


def attentions():
    """Self-attention with merged weights, in floats and in stored integers."""
    x, w, b = f32(2, 5, 12), f32(12, 24), f32(24)
    past = f32(2, 2, 2, 3, 4)
    heads = {'num_heads': 2}
    case('Attention', x, w, b, **heads)
    case('Attention', x, w, b, unidirectional=1, note='causal', **heads)
    case('Attention', x, w, b, scale=.3, note='scale', **heads)
    case('Attention', x, w, b, i32(3, 5), note='lengths', **heads)
    case('Attention', x, w, b, i32(4, 5, 1, 0), note='ends and starts', **heads)
    case('Attention', x, w, b, i32([1, 1, 1, 0, 0], [1, 1, 1, 1, 1]), note='keys', **heads)
    case('Attention', x, w, b, rng.integers(0, 2, (2, 5, 5)).astype(np.int32), note='steps', **heads)
    case('Attention', x, w, b, rng.integers(0, 2, (2, 1, 8, 8)).astype(np.int32), note='square', **heads)
    case('Attention', x, w, b, None, past, n_out=2, note='past', **heads)
    case('Attention', x, w, b, None, past, n_out=2, unidirectional=1, note='causal past', **heads)
    case('Attention', x, w, b, None, None, f32(2, 2, 5, 5), note='bias', **heads)
    case('Attention', x, w, b, None, None, f32(1, 1, 5, 5), note='shared bias', **heads)
    case('Attention', x, f32(12, 8 + 8 + 6), f32(22), qkv_hidden_sizes=[8, 8, 6], note='sizes', **heads)
    # Seven bits, as below.
    q = [u8(2, 5, 12), i8(12, 24) // 2, f32(24), scale(.02)]
    case('QAttention', *q, scale(.03), None, zero(120), zero(0, np.int8), **heads)
    case('QAttention', *q, scale(.03), i32(3, 5), zero(120), zero(0, np.int8), note='lengths', **heads)
    case('QAttention', *q, scale(.03), None, zero(120), zero(0, np.int8), past, n_out=2, unidirectional=1,
         note='past', **heads)
    case('QAttention', *q, np.abs(f32(24)) * .05, None, zero(120), np.zeros(24, np.int8), note='columns', **heads)


def head_attentions():
    q, k, v = f32(2, 4, 8), f32(2, 6, 8), f32(2, 6, 10)
    heads = {'num_heads': 2}
    m = 'MultiHeadAttention'
    case(m, q, k, v, **heads)
    case(m, q, k, v, f32(26), note='bias', **heads)
    case(m, q, k, v, scale=.7, note='scale', **heads)
    case(m, q, k, v, None, i32(4, 6), note='lengths', **heads)
    case(m, q, k, v, None, i32([1, 1, 1, 1, 0, 0], [1] * 6), note='keys', **heads)
    case(m, q, k, v, None, None, f32(1, 2, 4, 6), note='attention bias', **heads)
    past = f32(2, 2, 3, 4), f32(2, 2, 3, 4)
    new = f32(2, 4, 8), f32(2, 4, 8), f32(2, 4, 8)
    case(m, *new, None, None, None, *past, n_out=3, note='past', **heads)
    case(m, *new, None, None, None, *past, n_out=3, unidirectional=1, note='causal past', **heads)
    case(m, q, f32(2, 2, 6, 4), f32(2, 2, 6, 4), note='crossed', **heads)
    g = 'GroupQueryAttention'
    share = {'num_heads': 4, 'kv_num_heads': 2}
    q, kv = f32(2, 5, 32), f32(2, 5, 16)
    total = np.array(5, np.int32)
    none = np.zeros((2, 2, 0, 8), np.float32)
    case(g, q, kv, f32(2, 5, 16), None, None, i32(4, 4), total, n_out=3, **share)
    case(g, q, kv, f32(2, 5, 16), None, None, i32(4, 4), total, n_out=3, local_window_size=2, note='window', **share)
    case(g, q, kv, f32(2, 5, 16), None, None, i32(4, 4), total, n_out=3, softcap=2.0, scale=.5, note='cap', **share)
    case(g, f32(2, 5, 64), None, None, None, None, i32(4, 4), total, n_out=3, note='packed', **share)
    angles = np.outer(np.arange(16), [1, .3, .1, .03]).astype(np.float32)
    turn = np.cos(angles), np.sin(angles)
    # Rotated heads have a multiple of 16 elements.
    wide = [np.concatenate([t, t[:, ::-1]], 1) for t in turn]
    for interleaved in 0, 1:
        case(g, f32(2, 5, 64), f32(2, 5, 32), f32(2, 5, 32), None, None, i32(4, 4), total, *wide, n_out=3, do_rotary=1,
             rotary_interleaved=interleaved, note=f'rotary {interleaved}', **share)
    cache = f32(2, 2, 6, 16), f32(2, 2, 6, 16)
    step = f32(2, 1, 64), f32(2, 1, 32), f32(2, 1, 32)
    case(g, *step, *cache, i32(6, 6), np.array(7, np.int32), *wide, n_out=3, do_rotary=1, note='decoding', **share)
    x, positions = f32(2, 5, 16), np.array([[0, 1, 2, 3, 4], [3, 1, 4, 1, 5]])
    for interleaved in 0, 1:
        note = f'interleaved {interleaved}'
        case('RotaryEmbedding', x, positions, *turn, interleaved=interleaved, note=note)
        case('RotaryEmbedding', f32(2, 2, 5, 8), np.array([2]), *turn, interleaved=interleaved, note='offset ' + note)
        case('RotaryEmbedding', f32(2, 5, 24), positions, *turn, interleaved=interleaved, num_heads=2,
             rotary_embedding_dim=8, note='partial ' + note)


def embeddings():
    ids = rng.integers(0, 9, (2, 4)).astype(np.int32)
    segments = rng.integers(0, 2, (2, 4)).astype(np.int32)
    tables = f32(9, 8), f32(6, 8), f32(2, 8)
    mask = i32([1, 1, 1, 0], [1, 1, 1, 1])
    e = 'EmbedLayerNormalization'
    case(e, ids, segments, *tables, f32(8), f32(8), n_out=2)
    case(e, ids, segments, *tables, f32(8), f32(8), mask, n_out=3, epsilon=1e-5, note='mask')
    case(e, ids, None, *tables[:2], None, f32(8), f32(8), n_out=2, note='without segments')
    case(e, ids, segments, *tables, f32(8), f32(8), None, i32([3, 2, 1, 0]), n_out=2, note='positions')
    stored_tables = u8(9, 8), u8(6, 8), u8(2, 8), u8(8), u8(8)
    scales = [scale(v) for v in (.1, .02, .03, .01, .05)]
    zeros = [zero(v) for v in (100, 120, 128, 3, 99)]
    case('QEmbedLayerNormalization', ids, segments, *stored_tables, mask, *scales, *zeros, n_out=2)


def others():
    """What ONNX has taken over since, and the rest."""
    x = f32(2, 4, 5)
    case('Trilu', x)
    case('Trilu', x, np.array(1), upper=0, note='lower')
    case('Unique', np.array([2, 1, 1, 3, 2, 5], np.float32), n_out=3)
    case('Pad', f32(3, 4), np.array([0, 1, 2, 0]), np.array([.5], np.float32))
    case('Pad', f32(3, 4), np.array([1, 1, 2, 0]), mode='reflect', note='reflect')
    case('GatherND', f32(3, 4), np.array([[0, 1], [2, 3]]))
    case('Inverse', f32(2, 3, 4, 4))
    for args in ([1, 9, 3],), ([5, 0, -2],), ([2, 6],):
        case('Range', *(np.array(v, np.float32) for v in args[0]), note=str(args[0]))
    case('Range', np.array([2]), np.array([5]), note='lists')
    case('TransposeMatMul', x, f32(2, 4, 6), transA=1)
    case('QuantizeLinear', x, scale(1e-4), np.array(30000, np.uint16))
    case('QuantizeLinear', x, scale(1e-4), np.array(-30, np.int16), note='int16')
    case('QuantizeLinear', x, scale(.02), zero(100), note='uint8')
    case('DequantizeLinear', rng.integers(0, 65536, (3, 4)).astype(np.uint16), scale(1e-4), np.array(30000, np.uint16))
    case('DequantizeLinear', rng.integers(-9000, 9000, (3, 4)).astype(np.int32), scale(1e-4), note='int32')
    w = rng.integers(0, 2, (2, 4)).astype(bool), u8(2, 4), scale(.1), zero(120), u8(4), scale(.07), zero(3)
    case('QLinearWhere', *w, scale(.11), zero(100))
    case('QLinearWhere', w[0], i8(2, 4), scale(.1), zero(3, np.int8), i8(2, 1), scale(.05), zero(-3, np.int8), scale(.1),
         zero(1, np.int8), note='int8')
    for x in u8(1, 7, 6, 3), i8(1, 7, 6, 3):
        case('NhwcMaxPool', x, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], note=str(x.dtype))


gelus()
norms()
attentions()
head_attentions()
embeddings()
others()
stored()
products()
convolutions()
for r in refused:
    print('not in this ONNX Runtime:', r)
print(f'{passed} passed, {len(failures)} failed, {len(refused)} not compared')
sys.exit(1 if failures or passed < 90 else 0)
