#!/usr/bin/env python3
"""ONNX Runtime as the consumer of what ppq writes.

    test_ort.py PPQ-QUANTIZE PPQ-RUN PPQ-INSPECT SOURCE-ROOT [zoo]

For the bundled model, for small generated nets and, with "zoo", for the models beside the checkout:
the export passes onnx.checker and loads; every integer tensor differs from our simulation by at
most one quantum, and the outputs by at least 40 dB; the forecast equals what ONNX Runtime's
optimised model shows, op for op. The same model with integer operators (format qoperator) loads,
and in small nets every integer tensor is within one quantum of the one with Q/DQ pairs, whether
ONNX Runtime or ppq-run computes it.
"""
import collections
import glob
import json
import os
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh

from checks import check, command, finish, session

QUANTIZE, RUN, INSPECT, ROOT = sys.argv[1:5]


def snr(a, b):
    noise = float(((a.astype(np.float64) - b) ** 2).sum())
    return 10 * np.log10(float((a.astype(np.float64) ** 2).sum()) / noise) if noise else 300.


# ---- what ONNX Runtime makes of it ------------------------------------------------------------------

LINEAR = ('QuantizeLinear', 'DequantizeLinear')
INTEGER = {'QLinearConv', 'QGemm', 'QLinearMatMul', 'MatMulIntegerToFloat', 'QLinearAdd', 'QLinearMul',
           'QLinearConcat', 'QLinearAveragePool', 'QLinearGlobalAveragePool', 'QLinearLeakyRelu',
           'QLinearSigmoid', 'QLinearSoftmax', 'QuantizeLinear', 'DequantizeLinear'}


def optimised_types(path, scratch):
    out = os.path.join(scratch, 'optimised.onnx')
    session(path, save=out)
    types = collections.Counter(n.op_type for n in onnx.load(out).graph.node)
    return {k: v for k, v in types.items() if k in INTEGER}


def forecast_types(path):
    types = json.loads(command(INSPECT, path, '--check-fusion', '--json'))
    return {k: v for k, v in types.items() if k in INTEGER and k not in LINEAR} | {
        k: types[k] for k in LINEAR if types.get(k)}


def same_fusion(want, got):
    """Equal op for op. ONNX Runtime's layout optimiser may add Q/DQ pairs of its own around a
    Transpose that it moves through a DQ: as many Q as DQ, and only these, may be more."""
    extra = {want.get(k, 0) - got.get(k, 0) for k in LINEAR}
    rest = [{k: v for k, v in d.items() if k not in LINEAR} for d in (want, got)]
    return rest[0] == rest[1] and len(extra) == 1 and min(extra) >= 0


# ---- one model ---------------------------------------------------------------------------------------

def with_quantized_outputs(path, out):
    """The same model with every QuantizeLinear's result as a further output."""
    m = onnx.load(path)
    have = {o.name for o in m.graph.output}
    extra = [n.output[0] for n in m.graph.node if n.op_type == 'QuantizeLinear' and n.output[0] not in have]
    m.graph.output.extend(h.make_empty_tensor_value_info(e) for e in extra)
    onnx.save(m, out)
    return extra


def cut_at_quantized(probe, quantized, values, out):
    """The same model where every integer tensor is read from an input of its own, so that each part
    is compared on equal terms: in a deep net one value that rounds the other way changes many
    behind it, and after some layers the two runs differ by as much as quantization itself."""
    m = onnx.load(probe)
    feeds = {}
    for n in m.graph.node:
        for k, i in enumerate(n.input):
            if i in quantized:
                n.input[k] = i + '_cut'
    for q in quantized:
        v = values[q]
        m.graph.input.append(h.make_tensor_value_info(q + '_cut', h.np_dtype_to_tensor_dtype(v.dtype), v.shape))
        feeds[q + '_cut'] = v
    onnx.save(m, out)
    return feeds


def compare_with_simulation(name, path, feeds, scratch, cut):
    probe = os.path.join(scratch, 'probe.onnx')
    quantized = with_quantized_outputs(path, probe)
    s = session(probe, False)
    names = [o.name for o in s.get_outputs()]
    theirs = dict(zip(names, s.run(None, feeds)))
    if cut:
        name, whole = name + ' (cut)', probe
        probe = os.path.join(scratch, 'cut.onnx')
        feeds = feeds | cut_at_quantized(whole, set(quantized), theirs, probe)
        s = session(probe, False)
        have = {i.name for i in s.get_inputs()}
        feeds = {k: v for k, v in feeds.items() if k in have}
        theirs = dict(zip(names, s.run(None, feeds)))
    out = os.path.join(scratch, 'out')
    args = []
    for k, v in feeds.items():
        f = os.path.join(scratch, f'in{len(args)}.npy')
        np.save(f, v)
        args += ['-i', f'{k}={f}']
    command(RUN, probe, *args, '-o', out, '-q', '--engine', 'simulate')
    worst, bad = 0, ''
    for n in names:
        mine = np.load(os.path.join(out, n.replace('/', '_').replace(':', '_') + '.npy'))
        if n in quantized:
            d = int(np.abs(mine.astype(int) - theirs[n].astype(int)).max()) if mine.size else 0
            if d > worst:
                worst, bad = d, n
        else:
            db = snr(theirs[n], mine)
            check(db >= 40, f'{name}: output {n} is {db:.1f} dB from ONNX Runtime, 40 wanted')
    check(worst <= 1, f'{name}: tensor {bad} differs by {worst} quanta from ONNX Runtime')


# ---- integer operators ---------------------------------------------------------------------------------

def quantized_tensors(path):
    return {n.output[0] for n in onnx.load(path).graph.node if n.op_type == 'QuantizeLinear'}


def with_outputs(path, names, out):
    m = onnx.load(path)
    have = {o.name for o in m.graph.output}
    m.graph.output.extend(h.make_empty_tensor_value_info(n) for n in sorted(names - have))
    onnx.save(m, out)


def run_theirs(path, feeds):
    s = session(path, False)
    have = {i.name for i in s.get_inputs()}
    feeds = {k: v for k, v in feeds.items() if k in have}
    return dict(zip((o.name for o in s.get_outputs()), s.run(None, feeds)))


def run_ours(path, feeds, scratch):
    out, args = os.path.join(scratch, 'ours'), []
    for k, v in feeds.items():
        f = os.path.join(scratch, f'f{len(args)}.npy')
        np.save(f, v)
        args += ['-i', f'{k}={f}']
    command(RUN, path, *args, '-o', out, '-q')
    names = [o.name for o in onnx.load(path).graph.output]
    return {n: np.load(os.path.join(out, n.replace('/', '_').replace(':', '_') + '.npy')) for n in names}


def same_integers(name, want, got):
    for n in want:
        if want[n].dtype.kind in 'iu':
            d = int(np.abs(want[n].astype(int) - got[n].astype(int)).max(initial=0))
            check(d <= 1, f'{name}: tensor {n} is {d} quanta from the one with Q/DQ pairs')
        else:
            db = snr(want[n], got[n])
            check(db >= 30, f'{name}: output {n} is {db:.1f} dB from the one with Q/DQ pairs, 30 wanted')


def operators_case(name, model, calib, feeds, whole=True, options=()):
    """Weights of 7 bits: without VNNI, ONNX Runtime adds products of uint8 and int8 in saturating 16."""
    with tempfile.TemporaryDirectory() as scratch:
        ops, pairs = os.path.join(scratch, 'ops.onnx'), os.path.join(scratch, 'pairs.onnx')
        try:
            command(QUANTIZE, model, '-c', calib, '-o', ops, '-f', 'qoperator', '--export', f'qdq={pairs}',
                    '-q', '--weight-bits', '7', *options)
            onnx.checker.check_model(ops, full_check=True)
            session(ops, True)
            types = collections.Counter(n.op_type for n in onnx.load(ops).graph.node)
            check(any(t in INTEGER and t not in LINEAR for t in types), f'{name}: {dict(types)}')
            made = {o for n in onnx.load(ops).graph.node for o in n.output}
            common = quantized_tensors(pairs) & made
            for path in ops, pairs:
                with_outputs(path, common, path)
            want = run_theirs(pairs, feeds)
            if whole:
                same_integers(name + ' in ONNX Runtime', want, run_theirs(ops, feeds))
                same_integers(name + ' in ppq-run', want, run_ours(ops, feeds, scratch))
            for path in ops, pairs:
                cut = cut_at_quantized(path, common, want, path)
            feeds = feeds | cut
            want = run_theirs(pairs, feeds)
            same_integers(name + ' in ONNX Runtime (cut)', want, run_theirs(ops, feeds))
            same_integers(name + ' in ppq-run (cut)', want, run_ours(ops, feeds, scratch))
        except Exception as e:  # one failing model must not hide the others
            check(False, f'{name}: {e}')


def run_case(name, model, calib, feeds, whole=True, options=()):
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, 'q.onnx')
        try:
            command(QUANTIZE, model, '-c', calib, '-o', out, '-q', *options)
            onnx.checker.check_model(out, full_check=True)
            session(out, False)
            compare_with_simulation(name, out, feeds, scratch, True)
            if whole:
                compare_with_simulation(name, out, feeds, scratch, False)
            want, got = optimised_types(out, scratch), forecast_types(out)
            check(same_fusion(want, got), f'{name}: forecast {got}, ONNX Runtime {want}')
        except Exception as e:  # one failing model must not hide the others
            check(False, f'{name}: {e}')


# ---- small nets --------------------------------------------------------------------------------------

class Net:
    """A graph in the making."""

    def __init__(self, shape, seed):
        self.rng = np.random.RandomState(seed)
        self.nodes, self.consts, self.n = [], [], 0
        self.inputs = [h.make_tensor_value_info('x', T.FLOAT, shape)]
        self.shape = shape

    def const(self, a):
        self.n += 1
        self.consts.append(nh.from_array(np.asarray(a), f'c{self.n}'))
        return f'c{self.n}'

    def weight(self, *shape):
        return self.const((self.rng.randn(*shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32))

    def op(self, kind, *inputs, n_out=1, **attrs):
        self.n += 1
        outs = [f'{kind.lower()}{self.n}_{i}' for i in range(n_out)]
        self.nodes.append(h.make_node(kind, list(inputs), outs, name=f'{kind}_{self.n}', **attrs))
        return outs[0] if n_out == 1 else outs

    def conv(self, x, c_in, c_out, k=3, bias=True, **attrs):
        group = attrs.get('group', 1)
        ins = [x, self.weight(c_out, c_in // group, k, k)]
        if bias:
            ins.append(self.const(self.rng.randn(c_out).astype(np.float32) * .1))
        return self.op('Conv', *ins, pads=[k // 2] * 4, **attrs)

    def save(self, path, *outputs, opset=13):
        g = h.make_graph(self.nodes, 'net', self.inputs,
                         [h.make_tensor_value_info(o, T.FLOAT, None) for o in outputs], self.consts)
        onnx.save(h.make_model(g, opset_imports=[h.make_opsetid('', opset)], ir_version=8), path)


IMAGE = [1, 8, 12, 12]


def chain(n):
    x = n.op('Relu', n.conv('x', 8, 16))
    x = n.op('Clip', n.conv(x, 16, 16, group=16), n.const(np.float32(0)), n.const(np.float32(6)))
    return n.op('MaxPool', n.conv(x, 16, 8, 1), kernel_shape=[2, 2], strides=[2, 2])


def residual(n):
    a = n.op('Relu', n.conv('x', 8, 8))
    b = n.conv(n.op('Relu', n.conv(a, 8, 8)), 8, 8)
    return n.op('Relu', n.op('Add', a, b))


def concat(n):
    a, b = n.op('Relu', n.conv('x', 8, 4)), n.conv('x', 8, 12, 1)
    return n.conv(n.op('Concat', a, b, axis=1), 16, 8)


def gates(n):
    a = n.conv('x', 8, 8)
    s = n.op('Sigmoid', n.conv(n.op('GlobalAveragePool', a), 8, 8, 1))
    return n.conv(n.op('Mul', a, s), 8, 8)


def swish(n):
    a = n.conv('x', 8, 8)
    return n.conv(n.op('Mul', a, n.op('Sigmoid', a)), 8, 8)


def classifier(n):
    x = n.op('GlobalAveragePool', n.op('Relu', n.conv('x', 8, 16)))
    x = n.op('Flatten', x)
    x = n.op('Relu', n.op('Gemm', x, n.weight(16, 32), n.const(n.rng.randn(32).astype(np.float32))))
    return n.op('Gemm', x, n.weight(10, 32), n.const(n.rng.randn(10).astype(np.float32)), transB=1)


def movers(n):
    x = n.op('Relu', n.conv('x', 8, 16))
    a, b = n.op('Split', x, n_out=2, axis=1)
    x = n.op('Concat', b, a, axis=1)
    x = n.op('Transpose', x, perm=[0, 2, 3, 1])
    x = n.op('Reshape', x, n.const(np.int64([1, 144, 16])))
    x = n.op('Transpose', x, perm=[0, 2, 1])
    return n.conv(n.op('Reshape', x, n.const(np.int64([1, 16, 12, 12]))), 16, 8)


def pools(n):
    x = n.op('LeakyRelu', n.conv('x', 8, 8), alpha=.1)
    x = n.op('AveragePool', x, kernel_shape=[2, 2], strides=[2, 2])
    x = n.op('Resize', x, '', n.const(np.float32([1, 1, 2, 2])), mode='nearest',
             coordinate_transformation_mode='asymmetric', nearest_mode='floor')
    return n.conv(x, 8, 8)


def frames(n):
    """What only selects values, and what adds some."""
    x = n.op('Resize', n.conv('x', 8, 8), '', '', n.const(np.int64([1, 8, 17, 20])), mode='nearest')
    x = n.op('Pad', x, n.const(np.int64([0, 0, 1, 2, 0, 0, 3, 0])), mode='edge')
    x = n.op('Pad', n.conv(x, 8, 8), n.const(np.int64([0, 1, 1, 0, 0, 2, 0, 1])), n.const(np.float32(.3)))
    return n.conv(x, 11, 8)


def crops(n):
    x = n.op('Slice', n.conv('x', 8, 8), n.const(np.int64([1, 2])), n.const(np.int64([9, 7])),
             n.const(np.int64([2, 1])))
    return n.conv(x, 5, 8)


def smooth(n):
    """Not for ONNX Runtime's quantizer: resizing integers, its linear mode rounds down."""
    x = n.op('Resize', n.conv('x', 8, 8), '', n.const(np.float32([1, 1, 1.7, .7])), mode='linear')
    return n.conv(x, 8, 8)


def affine(n):
    """Constants per channel, per pixel and alone."""
    x = n.op('Mul', n.conv('x', 8, 8), n.const(n.rng.randn(8, 1, 1).astype(np.float32)))
    x = n.conv(n.op('Add', x, n.const(n.rng.randn(1, 8, 1, 1).astype(np.float32))), 8, 8)
    x = n.op('Add', x, n.const(n.rng.randn(12, 12).astype(np.float32)))
    return n.conv(n.op('Mul', x, n.const(np.float32(.7))), 8, 8)


def hard_swish(n):
    a = n.conv('x', 8, 8)
    return n.conv(n.op('Mul', a, n.op('HardSigmoid', a, alpha=1 / 6, beta=.5)), 8, 8)


def float_tail(n):
    return n.op('Softmax', n.op('Tanh', n.conv('x', 8, 8)), axis=1)


def two_readers(n):
    a = n.op('Relu', n.conv('x', 8, 8))
    return n.op('Add', n.op('Exp', n.op('Neg', a)), n.conv(a, 8, 8))


def linear(n):
    x = n.op('MatMul', 'x', n.weight(32, 48))
    x = n.op('Relu', n.op('Add', x, n.const(n.rng.randn(48).astype(np.float32))))
    x = n.op('MatMul', x, n.weight(48, 16))
    return n.op('Add', n.const(n.rng.randn(16).astype(np.float32)), x)


def attention(n):
    q, k, v = (n.op('Add', n.op('MatMul', 'x', n.weight(32, 32)),
                    n.const(n.rng.randn(32).astype(np.float32))) for _ in range(3))
    s = n.op('Softmax', n.op('MatMul', q, n.op('Transpose', k, perm=[0, 2, 1])), axis=-1)
    y = n.op('MatMul', n.op('MatMul', s, v), n.weight(32, 32))
    return n.op('Add', 'x', y)


SMALL = [(f, IMAGE) for f in (chain, residual, concat, gates, swish, classifier, movers, pools, frames, crops,
                              affine, hard_swish, float_tail, two_readers)]
SMALL += [(linear, [4, 32]), (linear, [2, 6, 32]), (attention, [1, 6, 32])]


def small_nets():
    for i, (build, shape) in enumerate(SMALL + [(smooth, IMAGE)]):
        for opset in (13, 17):
            with tempfile.TemporaryDirectory() as d:
                n = Net(shape, i)
                model = os.path.join(d, 'net.onnx')
                n.save(model, build(n), opset=opset)
                os.mkdir(os.path.join(d, 'calib'))
                for k in range(6):
                    np.save(os.path.join(d, 'calib', f'{k}.npy'),
                            n.rng.randn(*shape).astype(np.float32))
                x = n.rng.randn(*shape).astype(np.float32)
                name, calib = f'{build.__name__}{shape} opset {opset}', os.path.join(d, 'calib')
                run_case(name, model, calib, {'x': x})
                operators_case(name + ' on integers', model, calib, {'x': x})
                if opset == 13 and len(shape) == 4:  # symmetric int8: a Relu stays, as a Clip
                    operators_case(name + ' on signed integers', model, calib, {'x': x},
                                   whole=False, options=('-p', 'trt-int8'))


def bundled_model():
    rng = np.random.RandomState(0)
    with tempfile.TemporaryDirectory() as d:
        for k in range(8):
            np.save(os.path.join(d, f'{k}.npy'), rng.randn(1, 1, 28, 28).astype(np.float32))
        model, x = os.path.join(ROOT, 'samples/fashion_cnn.onnx'), rng.randn(3, 1, 28, 28).astype(np.float32)
        run_case('fashion_cnn', model, d, {'input': x}, whole=False)
        operators_case('fashion_cnn on integers', model, d, {'input': x}, whole=False)


def zoo():
    found = sorted(glob.glob(os.path.join(ROOT, '../shared/zoo/*/model.onnx')))
    if not found:
        print('skipped: no shared data')
        sys.exit(77)
    for model in found:
        folder = os.path.dirname(model)
        calib = os.path.join(folder, 'calib')
        files = sorted(glob.glob(os.path.join(calib, '*.npy')))
        name = os.path.basename(folder)
        if not files or name in ('silero_vad_16k', 'rnnoise', 'crnn_lite_ocr', 'kwt1_keyword_transformer'):
            continue
        x = session(model, False).get_inputs()[0].name
        run_case(name, model, calib, {x: np.load(files[0])}, whole=False, options=('-n', '8'))
        operators_case(name + ' on integers', model, calib, {x: np.load(files[0])}, whole=False,
                       options=('-n', '8'))


if __name__ == '__main__':
    if sys.argv[5:] == ['zoo']:
        zoo()
    else:
        bundled_model()
        small_nets()
    finish()
