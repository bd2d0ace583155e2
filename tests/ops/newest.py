#!/usr/bin/env python3
"""Runs the node cases of the installed onnx package, by all three engines.

    newest.py NODE_TESTS LIST LIST DIR

They are generated into DIR, once for each version of the package.
"""
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case import node

RUNNER, LISTS, DIR = sys.argv[1], sys.argv[2:4], sys.argv[4]
FEWEST = '1800'  # cases that must pass


def message(value, info):
    if isinstance(value, onnx.TensorProto):
        return value
    kind = info.type.WhichOneof('value')
    convert = {'sequence_type': numpy_helper.from_list, 'optional_type': numpy_helper.from_optional,
               'map_type': numpy_helper.from_dict}.get(kind, numpy_helper.from_array)
    return convert(value, info.name)


def write(path, proto):
    with open(path, 'wb') as f:
        f.write(proto.SerializeToString())


def generate(to):
    np.random.seed(0)
    for case in node.collect_testcases():
        folder = os.path.join(to, case.name)
        os.makedirs(folder, exist_ok=True)
        write(os.path.join(folder, 'model.onnx'), case.model)
        for i, data in enumerate(case.data_sets):
            data_set = os.path.join(folder, f'test_data_set_{i}')
            os.makedirs(data_set, exist_ok=True)
            graph = case.model.graph
            for side, values, infos in ('input', data[0], graph.input), ('output', data[1], graph.output):
                for k, value in enumerate(values):
                    write(os.path.join(data_set, f'{side}_{k}.pb'), message(value, infos[k]))


cases = os.path.join(DIR, 'onnx-' + onnx.__version__)
if not os.path.isdir(cases):
    shutil.rmtree(cases + '.part', ignore_errors=True)
    generate(cases + '.part')
    os.rename(cases + '.part', cases)
status = 0
for engine in 'engine', 'simulate', 'reference':
    status |= subprocess.run([RUNNER, '-e', engine, '-m', FEWEST, '-x', LISTS[0], '-x', LISTS[1], cases]).returncode
sys.exit(status)
