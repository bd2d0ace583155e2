#!/usr/bin/env python3
"""Every operator of this build stands in some case: ONNX's node cases, those of test_contrib.py for
com.microsoft, or the ones here, which the former leave out.

    test_remaining.py PPQ-RUN

Against ONNX Runtime where operators compute; by what the standard says where they draw numbers.
"""
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T, helper as h
from onnx.backend.test.case import node as node_cases

from checks import check, command, finish

RUN = sys.argv[1]
rng = np.random.default_rng(3)


def build(nodes, feeds, opset=17):
    inputs = [h.make_tensor_value_info(k, h.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in feeds.items()]
    graph = h.make_graph(nodes, 'g', inputs, [h.make_empty_tensor_value_info('y')])
    return h.make_model(graph, ir_version=8, opset_imports=[h.make_opsetid('', opset)])


def ours(model, feeds, engine):
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, 'm.onnx')
        onnx.save(model, path)
        args = [RUN, path, '-q', '-o', d, '--engine', engine]
        for k, v in feeds.items():
            np.save(os.path.join(d, k + '.npy'), v)
            args += ['-i', f'{k}={d}/{k}.npy']
        command(*args)
        return np.load(os.path.join(d, 'y.npy'))


def against_ort(name, nodes, feeds):
    model = build(nodes, feeds)
    want, = ort.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider']).run(None, feeds)
    for engine in 'engine', 'simulate', 'reference':
        got = ours(model, feeds, engine)
        check(got.shape == want.shape and np.allclose(got, want, rtol=1e-4, atol=1e-5), f'{name} by {engine}')


def drawn(name, node, feeds, fits):
    """The same numbers every time, and such as they should be."""
    model = build([node], feeds)
    first = ours(model, feeds, 'engine')
    check(fits(first), f'{name}: {first.dtype} {first.shape}, mean {first.mean():.3f}')
    for engine in 'engine', 'simulate', 'reference':
        check(first.tobytes() == ours(model, feeds, engine).tobytes(), f'{name} by {engine} draws others')


def computed():
    x = rng.standard_normal((2, 3, 5, 4)).astype(np.float32)
    for p in 1, 2, 3:
        against_ort(f'GlobalLpPool p={p}', [h.make_node('GlobalLpPool', ['x'], ['y'], p=p)], {'x': x})
    rois = np.float32([[0, 0, 0, 3, 3], [1, 1, 1, 3, 4], [0, 2, 0, 3, 2]])
    for scale in 1.0, 0.5:
        node = h.make_node('MaxRoiPool', ['x', 'rois'], ['y'], pooled_shape=[2, 2], spatial_scale=scale)
        against_ort(f'MaxRoiPool {scale}', [node], {'x': x, 'rois': rois})
    feeds = {k: rng.standard_normal((2, 3)).astype(np.float32) for k in 'abc'}
    for at in 0, 1, -1:
        for new_axis in 0, 1:
            nodes = [h.make_node('SequenceConstruct', ['a', 'b', 'c'], ['s']),
                     h.make_node('SequenceErase', ['s', 'at'], ['t']),
                     h.make_node('ConcatFromSequence', ['t'], ['y'], axis=1, new_axis=new_axis)]
            against_ort(f'SequenceErase {at}, ConcatFromSequence new_axis={new_axis}', nodes,
                        feeds | {'at': np.array(at, np.int64)})


def random():
    shape = [50, 40]
    drawn('RandomUniform', h.make_node('RandomUniform', [], ['y'], shape=shape, low=-1., high=3., seed=5.), {},
          lambda y: y.shape == (50, 40) and y.min() >= -1 and y.max() < 3 and abs(y.mean() - 1) < .15)
    drawn('RandomNormal', h.make_node('RandomNormal', [], ['y'], shape=shape, mean=2., scale=.5, seed=5.), {},
          lambda y: abs(y.mean() - 2) < .06 and abs(y.std() - .5) < .05)
    drawn('RandomNormalLike', h.make_node('RandomNormalLike', ['x'], ['y'], dtype=T.DOUBLE, seed=1.),
          {'x': np.zeros((30, 70), np.float32)},
          lambda y: y.dtype == np.float64 and y.shape == (30, 70) and abs(y.mean()) < .1 and abs(y.std() - 1) < .1)
    share = np.float32([[.2, .5, .3]])
    drawn('Multinomial', h.make_node('Multinomial', ['x'], ['y'], sample_size=4000, seed=2.), {'x': np.log(share)},
          lambda y: y.shape == (1, 4000) and
          all(abs((y == i).mean() - share[0, i]) < .03 for i in range(3)))


def types_of(graph):
    found = set()
    for n in graph.node:
        found.add((n.domain, n.op_type))
        for a in n.attribute:
            found |= types_of(a.g) if a.HasField('g') else set()
    return found


def everything_has_a_case():
    covered = set()
    for case in node_cases.collect_testcases():
        covered |= types_of(case.model.graph)
    here = os.path.dirname(os.path.abspath(__file__))
    text = ''.join(open(os.path.join(here, f)).read() for f in ('test_contrib.py', 'test_remaining.py'))
    for line in command(RUN, '--list-ops').splitlines():
        name, _, domain = line.partition(' ')
        check((domain.strip(), name) in covered or f"'{name}'" in text, f'{line} stands in no case')


computed()
random()
everything_has_a_case()
finish()
