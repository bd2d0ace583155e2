"""What the comparisons with ONNX Runtime share: counting checks, running commands, opening sessions."""
import os
import subprocess
import sys

import onnxruntime as ort

failures, passed = [], 0


def check(ok, what):
    global passed
    passed += bool(ok)
    if not ok:
        failures.append(what)
        print('FAIL', what, flush=True)


def finish():
    print(f'{passed} passed, {len(failures)} failed')
    sys.exit(1 if failures else 0)


def command(*args):
    """What it prints."""
    r = subprocess.run(args, capture_output=True, text=True)
    if r.returncode:
        raise RuntimeError(f'{os.path.basename(args[0])} exits with {r.returncode}: {r.stderr[-400:]}')
    return r.stdout


def session(path, optimize=True, threads=1, save=None):
    """`threads` 0: as many as ONNX Runtime likes; `save`: where the optimised model goes."""
    o = ort.SessionOptions()
    o.log_severity_level = 3
    o.intra_op_num_threads = threads
    o.graph_optimization_level = (ort.GraphOptimizationLevel.ORT_ENABLE_ALL if optimize
                                  else ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    if save:
        o.optimized_model_filepath = save
    return ort.InferenceSession(path, o, providers=['CPUExecutionProvider'])
