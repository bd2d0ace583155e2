#!/usr/bin/env python3
"""The engine on quantized models, against ONNX Runtime.

    test_engine.py PPQ-QUANTIZE PPQ-RUN PPQ-INSPECT SOURCE-ROOT PPQ-BENCH [zoo]

Ours: every small net of test_ort.py as Q/DQ pairs and with integer operators takes the same number
of steps on integers, and both give the integers that ONNX Runtime computes, within one quantum.
Those of ONNX Runtime's own quantizer: both formats, three pairs of types, scales per channel and per
tensor; every integer tensor within one quantum, given the same integers before it.

ONNX Runtime runs without optimizations; weights have 7 bits, so that no CPU saturates.
"""
import glob
import itertools
import json
import logging
import os
import sys
import tempfile

import numpy as np
import onnx

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_ort as base  # reads the first four arguments
from checks import check, command, finish, session
from test_ort import IMAGE, SMALL, Net, cut_at_quantized, run_ours, run_theirs, snr, with_outputs

BENCH = sys.argv[5]
BYTES = (np.uint8, np.int8)


def steps(path):
    """Steps of the plan, and those on integers."""
    plan = json.loads(command(BENCH, path, '--json', '--warmup', '0', '--iterations', '1', '-q'))
    plan = plan['models'][0]['plan']
    return plan['steps'], plan['int8_steps']


def worst(want, got, names):
    """The largest difference in quanta, and where it is."""
    found = [(int(np.abs(want[n].astype(int) - got[n].astype(int)).max(initial=0)), n) for n in names]
    return max(found, default=(0, ''))


def compare(name, path, want, feeds, quantized, scratch):
    got = run_ours(path, feeds, scratch)
    d, where = worst(want, got, [n for n in quantized if n in got])
    check(d <= 1, f'{name}: tensor {where} is {d} quanta from ONNX Runtime')
    for n in got:
        if want[n].dtype.kind == 'f':
            db = snr(want[n], got[n])
            check(db >= 30, f'{name}: output {n} is {db:.1f} dB from ONNX Runtime, 30 wanted')


def integers(path, feeds, scratch):
    """What ONNX Runtime computes for every tensor, and the names of the 8-bit ones."""
    probe = os.path.join(scratch, 'all.onnx')
    with_outputs(path, {o for n in onnx.load(path).graph.node for o in n.output if o}, probe)
    values = run_theirs(probe, feeds)
    made = {o for n in onnx.load(path).graph.node for o in n.output}
    return values, {n for n, v in values.items() if v.dtype in BYTES and n in made}


def check_model(name, path, feeds, scratch, whole):
    """Each integer tensor, and, in shallow models, what becomes of them from the inputs on."""
    values, quantized = integers(path, feeds, scratch)
    shown = os.path.join(scratch, 'shown.onnx')
    with_outputs(path, quantized, shown)
    if whole:
        compare(name, shown, values, feeds, quantized, scratch)
        got, outputs = run_ours(path, feeds, scratch), [o.name for o in onnx.load(path).graph.output]
        for n in outputs:
            db = snr(values[n], got[n])
            check(db >= 25, f'{name}: output {n}, all fused, is {db:.1f} dB from ONNX Runtime, 25 wanted')
    cut = os.path.join(scratch, 'cut.onnx')
    feeds = feeds | cut_at_quantized(shown, quantized, values, cut)
    have = {i.name for i in onnx.load(cut).graph.input}
    feeds = {k: v for k, v in feeds.items() if k in have}
    compare(name + ' (cut)', cut, run_theirs(cut, feeds), feeds, quantized, scratch)


def guarded(name, work):
    try:
        work()
    except Exception as e:  # one failing model must not hide the others
        check(False, f'{name}: {e}')


# ---- ours ----------------------------------------------------------------------------------------------

def own_case(name, model, calib, feeds, whole, options):
    with tempfile.TemporaryDirectory() as scratch:
        ops, pairs = os.path.join(scratch, 'ops.onnx'), os.path.join(scratch, 'pairs.onnx')
        command(base.QUANTIZE, model, '-c', calib, '-o', ops, '-f', 'qoperator', '--export', f'qdq={pairs}',
                '-q', '--weight-bits', '7', *options)
        n_ops, n_pairs = steps(ops), steps(pairs)
        check(n_ops[1] == n_pairs[1], f'{name}: {n_ops[1]} of {n_ops[0]} steps on integers with integer '
                                      f'operators, {n_pairs[1]} of {n_pairs[0]} with Q/DQ pairs')
        check_model(name + ' as pairs', pairs, feeds, scratch, whole)
        check_model(name + ' as operators', ops, feeds, scratch, whole)


def write_net(folder, build, shape, seed, opset):
    """The model, its calibration folder, and an input."""
    n = Net(shape, seed)
    model, calib = os.path.join(folder, 'net.onnx'), os.path.join(folder, 'calib')
    n.save(model, build(n), opset=opset)
    os.mkdir(calib)
    for k in range(6):
        np.save(os.path.join(calib, f'{k}.npy'), n.rng.randn(*shape).astype(np.float32))
    return model, calib, n.rng.randn(*shape).astype(np.float32)


def own_nets():
    for i, (build, shape) in enumerate(SMALL):
        for platform in ('onnxruntime', 'trt-int8') if shape == IMAGE else ('onnxruntime',):
            with tempfile.TemporaryDirectory() as d:
                model, calib, x = write_net(d, build, shape, i, 13)
                name = f'{build.__name__}{shape} {platform}'
                guarded(name, lambda: own_case(name, model, calib, {'x': x}, platform == 'onnxruntime',
                                               ('-p', platform)))


# ---- ONNX Runtime's quantizer ------------------------------------------------------------------------

def theirs(model, out, samples, fmt, activations, weights, per_channel):
    from onnxruntime import quantization as q
    logging.disable(logging.WARNING)  # it would like to optimize the model first

    class Samples(q.CalibrationDataReader):
        def __init__(self):
            self.left = iter(samples)

        def get_next(self):
            return next(self.left, None)

    q.quantize_static(model, out, Samples(), quant_format=q.QuantFormat[fmt], per_channel=per_channel,
                      reduce_range=True, activation_type=q.QuantType['Q' + activations],
                      weight_type=q.QuantType['Q' + weights])


def foreign_cases(name, model, samples, whole):
    for fmt, types, per_channel in itertools.product(
            ('QDQ', 'QOperator'), (('UInt8', 'Int8'), ('Int8', 'Int8'), ('UInt8', 'UInt8')), (False, True)):
        case = f'{name} by ONNX Runtime {fmt} {types[0]}/{types[1]}{" per channel" if per_channel else ""}'

        def work():
            with tempfile.TemporaryDirectory() as scratch:
                out = os.path.join(scratch, 'q.onnx')
                theirs(model, out, samples, fmt, *types, per_channel)
                n = steps(out)
                print(f'{case}: {n[1]} of {n[0]} steps on integers', flush=True)
                check(n[1] > 0 or types[1] == 'UInt8', f'{case}: nothing runs on integers')
                check_model(case, out, samples[0], scratch, whole)

        guarded(case, work)


def foreign_nets():
    for i, (build, shape) in enumerate(SMALL):
        with tempfile.TemporaryDirectory() as d:
            model, calib, x = write_net(d, build, shape, i, 13)
            samples = [{'x': np.load(f)} for f in sorted(glob.glob(os.path.join(calib, '*.npy')))]
            foreign_cases(f'{build.__name__}{shape}', model, [{'x': x}] + samples, True)


def zoo():
    found = [os.path.join(base.ROOT, '../shared/zoo', n, 'model.onnx') for n in
             ('cifar_resnet20', 'fmnist_cnn', 'mlperf_resnet8', 'fmnist_vit', 'squeezenet1.1')]
    found = [f for f in found if os.path.exists(f)]
    if not found:
        print('skipped: no shared data')
        sys.exit(77)
    for model in found:
        folder = os.path.dirname(model)
        files = sorted(glob.glob(os.path.join(folder, 'calib', '*.npy')))[:4]
        x = session(model, False).get_inputs()[0].name
        foreign_cases(os.path.basename(folder), model, [{x: np.load(f)} for f in files], False)


if __name__ == '__main__':
    if sys.argv[6:] == ['zoo']:
        zoo()
    else:
        own_nets()
        foreign_nets()
    finish()
