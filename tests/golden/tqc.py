#!/usr/bin/env python3
"""States, formats and scales of every slot after all passes: ours against PPQ's.

    tqc.py tqc_differences.txt PPQ-QUANTIZE GOLDEN-DIR

Calibrated with minmax on the recorded inputs, without bias correction, as PPQ's were. Scales agree
within 1e-4, those of weights within 1e-6, everything else exactly. What does not must be a line of
tqc_differences.txt, and every line there must be needed.
"""
import collections
import fnmatch
import glob
import json
import os
import subprocess
import sys
import tempfile

PLATFORMS = {'PPL_CUDA_INT8': 'ppl-cuda-int8', 'TRT_INT8': 'trt-int8'}
ROUNDING = {'ROUND_HALF_EVEN': 'half-even'}


class Known:
    """A line: case, platform, op (name, or type:TYPE), slot, then 'state' ours theirs, or 'scale' and
    the largest relative difference. The first five are patterns."""

    def __init__(self, line):
        words = line.split()
        self.pattern, self.what, self.text, self.used = words[:4], words[4], line.strip(), 0
        self.states = words[5:7] if self.what == 'state' else None
        self.limit = float(words[5]) if self.what == 'scale' else None

    def covers(self, where, what, ours, theirs):
        case, platform, name, kind, slot = where
        pairs = zip((case, platform, slot), (self.pattern[0], self.pattern[1], self.pattern[3]))
        op = self.pattern[2]
        if what != self.what or not all(fnmatch.fnmatchcase(a, b) for a, b in pairs):
            return False
        if not (fnmatch.fnmatchcase(name, op) or op == 'type:' + kind):
            return False
        if what == 'state' and [ours, theirs] != self.states:
            return False
        if what == 'scale' and ours > self.limit:
            return False
        self.used += 1
        return True


def read_known(path):
    with open(path) as f:
        return [Known(line) for line in f if line.strip() and not line.startswith('#')]


def as_list(v):
    return v if isinstance(v, list) else [v]


def relative_difference(a, b):
    a, b = as_list(a), as_list(b)
    if len(a) != len(b):
        return float('inf')
    return max(abs(x - y) / max(abs(y), 1e-12) for x, y in zip(a, b))


def slot_difference(mine, theirs):
    """None, or what differs, ours, theirs."""
    state = theirs['state'].lower().replace('_', '-')
    if mine.get('state') != state:
        return 'state', mine.get('state', 'none'), state
    if state == 'fp32':
        return None
    form = [mine['bits'], mine['qmin'], mine['qmax'], mine['rounding'], mine.get('axis')]
    want = [theirs['bits'], theirs['quant_min'], theirs['quant_max'], ROUNDING[theirs['rounding']],
            theirs['channel_axis'] if 'PER_CHANNEL' in theirs['policy'] else None]
    if form != want:
        return 'format', form, want
    if theirs['scale'] is None:
        return None
    d = relative_difference(mine['scale'], theirs['scale'])
    return ('scale', d, theirs['scale']) if d > (1e-6 if state == 'baked' else 1e-4) else None


class Comparison:
    def __init__(self, known):
        self.known, self.slots, self.explained, self.unknown = known, 0, 0, 0

    def slot(self, where, mine, theirs):
        self.slots += 1
        d = slot_difference(mine, theirs)
        if not d:
            return
        if any(k.covers(where, *d) for k in self.known):
            self.explained += 1
            return
        self.unknown += 1
        print(' ', *where, *d)

    def op(self, case, platform, name, mine, theirs):
        for side in 'in', 'out':
            ours, golden = mine[side + 'puts'], theirs[side + 'put_tqc']
            for k, (a, b) in enumerate(zip(ours, golden)):
                self.slot((case, platform, name, theirs['type'], side + str(k)), a, b)


def calibration(case, scratch):
    """Options that name the inputs; several have a folder each."""
    files = sorted(glob.glob(os.path.join(case, 'calib', '*.npy')))
    by_input = collections.defaultdict(list)
    for f in files:
        by_input[os.path.basename(f)[:-4].partition('__')[2]].append(f)
    options = []
    for i, (name, members) in enumerate(by_input.items()):
        folder = os.path.join(scratch, str(i))
        os.mkdir(folder)
        for f in members:
            os.symlink(os.path.abspath(f), os.path.join(folder, os.path.basename(f)))
        options += ['-c', f'{name}={folder}' if name else folder]
    return options


def quantize(program, case, platform):
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, 'q.onnx')
        subprocess.run([program, os.path.join(case, 'model.onnx'), *calibration(case, scratch), '-o', out, '-q',
                        '-p', platform, '-m', 'minmax', '--no-bias-correction', '--analyse', '0'], check=True)
        with open(os.path.join(scratch, 'q.json')) as f:
            return {op['name']: op for op in json.load(f)['ops']}


def main(differences, program, golden):
    known = read_known(differences)
    failed = 0
    for theirs, ours in PLATFORMS.items():
        c = Comparison(known)
        for path in sorted(glob.glob(os.path.join(golden, '*', 'tqc', theirs + '__minmax.json'))):
            case = os.path.dirname(os.path.dirname(path))
            mine = quantize(program, case, ours)
            with open(path) as f:
                table = json.load(f)
            for name, op in table.items():
                # Placement is the other test's.
                if op['quantized'] and name in mine and mine[name]['place'] == 'quant':
                    c.op(os.path.basename(case), ours, name, mine[name], op)
        print(f'{ours}: {c.slots} slots compared, {c.explained} differ as listed, {c.unknown} unexplained')
        failed += c.unknown + (c.slots < 1000)
    for k in known:
        if not k.used:
            failed += 1
            print('no longer differs:', k.text)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:4]))
