#!/usr/bin/env python3
"""Our engine and ONNX Runtime in turns, on large topologies with random weights.

    ort.py PPQ-QUANTIZE PPQ-BENCH [--models NAME,...] [--threads 1,2] [--batch 1] [--seconds 1] [--rounds 3]
           [--float] [--start] [--ppq OPTIONS] [--folder DIR]

Per model, batch and number of threads: milliseconds in float and in int8 (the QDQ model that
ppq-quantize writes), ours and ONNX Runtime's, and the ratios. Each figure is the least over all
rounds; a round runs every configuration for some seconds, so that all see the same machine.
--start: instead, from opening the model to the first result, and the memory which that takes at its
peak beyond what the process had, each in a process of its own. --ppq: more options for ppq-bench,
such as --cold or --onednn. --folder keeps the models there for the next time.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime as ort

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../interop'))
import topologies

FLOAT = 'resnet50,mobilenet_v1,mobilenet_v2,squeezenet,bert'


def run(*args):
    r = subprocess.run([str(a) for a in args], capture_output=True, text=True)
    if r.returncode:
        raise SystemExit(f'{os.path.basename(args[0])} exits with {r.returncode}: {r.stderr[-400:]}')
    return r.stdout


def with_batch(path, batch):
    """The same model for other batches: every first dimension of 1 of inputs and targets of Reshape."""
    out = path[:-5] + f'.b{batch}.onnx'
    if batch == 1:
        return path
    if not os.path.exists(out):
        m = onnx.load(path)
        for i in m.graph.input:
            i.type.tensor_type.shape.dim[0].dim_value = batch
        targets = {n.input[1] for n in m.graph.node if n.op_type == 'Reshape'}
        for w in m.graph.initializer:
            if w.name in targets:
                shape = onnx.numpy_helper.to_array(w).copy()
                shape[0] = batch
                w.CopyFrom(onnx.numpy_helper.from_array(shape, w.name))
        onnx.save(m, out)
    return out


def quantized(quantize, folder, name, path):
    out = path[:-5] + '.int8.onnx'
    if not os.path.exists(out):
        calib = os.path.join(folder, name + '.calib')
        os.makedirs(calib, exist_ok=True)
        for k in range(4):
            np.savez(os.path.join(calib, f'{k}.npz'), **topologies.feeds(name, k))
        run(quantize, path, '-c', calib, '-o', out, '-q', '--analyse', 0)
    return out


def ours(a, path, threads, seconds):
    def bench(n):
        options = ['-t', threads, '--iterations', n, '--json', '-q'] + shlex.split(a.ppq)
        return json.loads(run(a.bench, path, *options))['models'][0]['min_ms']
    # As many runs as fit; the first pass over them also warms up.
    return bench(max(3, int(1e3 * seconds / max(bench(2), 1e-3))))


def theirs(path, threads, batch, name, seconds):
    o = ort.SessionOptions()
    o.log_severity_level = 3
    o.intra_op_num_threads = threads
    s = ort.InferenceSession(path, o, providers=['CPUExecutionProvider'])
    feeds = {k: np.repeat(v, batch, 0) for k, v in topologies.feeds(name).items()}
    for _ in range(2):
        s.run(None, feeds)
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        s.run(None, feeds)
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def measure(a, folder, name, threads, batch):
    path = topologies.write(folder, name)
    models = [path] if a.float else [path, quantized(a.quantize, folder, name, path)]
    models = [with_batch(m, batch) for m in models]
    best = [np.inf] * 4
    for _ in range(a.rounds):
        for i, m in enumerate(models):
            best[2 * i] = min(best[2 * i], ours(a, m, threads, a.seconds))
            best[2 * i + 1] = min(best[2 * i + 1], theirs(m, threads, batch, name, a.seconds))
    f, their_f, q, their_q = best
    row = f'{name:14} {threads:7} {batch:5} {f:9.2f} {their_f:9.2f} {their_f / f:9.2f}'
    if not a.float:
        row += f' {q:9.2f} {their_q:9.2f} {their_q / q:9.2f} {f / q:9.2f} {their_f / their_q:9.2f}'
    print(row, flush=True)


# ---- start-up -------------------------------------------------------------------------------


def our_start(a, path):
    m = json.loads(run(a.bench, path, '--iterations', 1, '--warmup', 0, '--json', '-q', *shlex.split(a.ppq)))['models'][0]
    return m['open_ms'] + m['first_ms'], m['memory_bytes'] / 1e6


FIRST_RESULT = """
import sys, time
sys.path.insert(0, sys.argv[3])
import onnxruntime as ort, topologies
def kilobytes(what):
    return next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith(what))
feeds, before, start = topologies.feeds(sys.argv[2]), kilobytes('VmRSS'), time.perf_counter()
o = ort.SessionOptions()
o.log_severity_level, o.intra_op_num_threads = 3, 1
ort.InferenceSession(sys.argv[1], o, providers=['CPUExecutionProvider']).run(None, feeds)
print(1e3 * (time.perf_counter() - start), (kilobytes('VmHWM') - before) * 1.024e-3)
"""


def their_start(path, name):
    tools = os.path.dirname(os.path.abspath(topologies.__file__))
    return tuple(float(x) for x in run(sys.executable, '-c', FIRST_RESULT, path, name, tools).split())


def measure_start(a, folder, name):
    path = topologies.write(folder, name)
    for kind, m in [('f32', path)] + ([] if a.float else [('int8', quantized(a.quantize, folder, name, path))]):
        rounds = [our_start(a, m) + their_start(m, name) for _ in range(a.rounds)]
        ms, mb, their_ms, their_mb = (min(column) for column in zip(*rounds))
        print(f'{name:14} {kind:5} {ms:9.0f} {their_ms:9.0f} {their_ms / ms:9.2f} {mb:9.1f} {their_mb:9.1f} '
              f'{their_mb / mb:9.2f}', flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('quantize')
    p.add_argument('bench')
    p.add_argument('--models', default=FLOAT)
    p.add_argument('--threads', default='1,2')
    p.add_argument('--batch', default='1')
    p.add_argument('--seconds', type=float, default=1)
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--float', action='store_true')
    p.add_argument('--start', action='store_true')
    p.add_argument('--ppq', default='', metavar='OPTIONS')
    p.add_argument('--folder')
    a = p.parse_args()
    columns = ['f32 ms', 'ORT', 'ORT/ours'] + ([] if a.float else
                                               ['int8 ms', 'ORT', 'ORT/ours', 'f32/int8', 'ORT\'s'])
    if a.start:
        print(f'{"model":14} {"kind":5} ' + ' '.join(f'{c:>9}' for c in ['ms', 'ORT', 'ORT/ours', 'MB', 'ORT', 'ORT/ours']))
    else:
        print(f'{"model":14} {"threads":>7} {"batch":>5} ' + ' '.join(f'{c:>9}' for c in columns), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = a.folder or scratch
        os.makedirs(folder, exist_ok=True)
        for name in a.models.split(','):
            if a.start:
                measure_start(a, folder, name)
                continue
            for batch in a.batch.split(','):
                for threads in a.threads.split(','):
                    measure(a, folder, name, int(threads), int(batch))


if __name__ == '__main__':
    main()
