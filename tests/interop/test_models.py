#!/usr/bin/env python3
"""Whole float models, as the engine, the executor with its kernels and ONNX Runtime run them.

    test_models.py PPQ-RUN SOURCE-ROOT topologies|zoo

Every output of every model, one and two threads, within 1e-4 of ONNX Runtime's largest value; the same
bytes for any number of threads with oneDNN 2.x. From 3.2 on it lets their number decide how some sums are split.
"""
import glob
import os
import sys
import tempfile

import numpy as np

import topologies
from checks import check, command, finish, session

RUN, ROOT = sys.argv[1:3]
TYPES = {'tensor(float)': np.float32, 'tensor(int64)': np.int64, 'tensor(int32)': np.int32}
SAME_SUMS = 'oneDNN 2.' in command(RUN, '--version')


def ours(path, feeds, names, engine, threads):
    with tempfile.TemporaryDirectory() as d:
        args = [RUN, path, '-o', d, '-q', '--engine', engine, '--threads', str(threads)]
        for i, (k, v) in enumerate(feeds.items()):
            f = os.path.join(d, f'{i}.in.npy')
            np.save(f, v)
            args += ['-i', f'{k}={f}']
        command(*args)
        return [np.load(os.path.join(d, n.replace('/', '_').replace(':', '_') + '.npy')) for n in names]


def distance(want, got):
    """The largest difference, as a part of the largest value."""
    if want.shape != got.shape or want.dtype != got.dtype:
        return np.inf
    if want.dtype.kind != 'f':
        return float(not np.array_equal(want, got))
    top = float(np.abs(want).max(initial=0)) or 1.0
    return float(np.abs(want.astype(np.float64) - got).max(initial=0)) / top


def check_model(name, path, feeds):
    s = session(path, threads=0)
    names, want = [x.name for x in s.get_outputs()], s.run(None, feeds)
    for engine in ('engine', 'simulate'):
        one, two = (ours(path, feeds, names, engine, threads) for threads in (1, 2))
        far = max(distance(w, g) for w, g in zip(want, one))
        print(f'{name} {engine}: {far:.1e}', flush=True)
        check(far <= 1e-4, f'{name}: {engine} is {far:.1e} from ONNX Runtime')
        check(all(a.tobytes() == b.tobytes() if SAME_SUMS else distance(a, b) <= 1e-5 for a, b in zip(one, two)),
              f'{name}: {engine} gives something else with two threads')


def guarded(name, path, feeds):
    try:
        check_model(name, path, feeds)
    except Exception as e:  # one failing model must not hide the others
        check(False, f'{name}: {e}')


def random_feeds(path):
    """Images and the like; dimensions that are left open are 1."""
    rng, feeds = np.random.RandomState(0), {}
    for i in session(path).get_inputs():
        shape = [d if isinstance(d, int) else 1 for d in i.shape]
        feeds[i.name] = rng.uniform(0, 1, shape).astype(TYPES[i.type])
    return feeds


def sample(folder, path):
    """The first calibration sample, files 0000.INPUT.npy, where there is one."""
    files = sorted(glob.glob(os.path.join(folder, 'calib', '0000.*.npy')))
    return {os.path.basename(f)[5:-4]: np.load(f) for f in files} or random_feeds(path)


def run_zoo():
    found = sorted(glob.glob(os.path.join(ROOT, '../shared/zoo/*/model.onnx')))
    if not found:
        print('skipped: no shared data')
        sys.exit(77)
    for path in found:
        folder = os.path.dirname(path)
        guarded(os.path.basename(folder), path, sample(folder, path))
    for path in sorted(glob.glob(os.path.join(ROOT, '../shared/zoo/odd/*/model.onnx'))):
        folder = os.path.dirname(path)
        inputs = session(path).get_inputs()
        files = sorted(glob.glob(os.path.join(folder, 'in', '0000.*.npy')))
        guarded('odd/' + os.path.basename(folder), path, {i.name: np.load(f) for i, f in zip(inputs, files)})


def run_topologies():
    with tempfile.TemporaryDirectory() as d:
        for name in ('resnet50', 'mobilenet_v1', 'mobilenet_v2', 'squeezenet', 'bert'):
            path = topologies.write(d, name)
            guarded(name, path, topologies.feeds(name))
            os.remove(path)


if __name__ == '__main__':
    run_zoo() if sys.argv[3] == 'zoo' else run_topologies()
    finish()
