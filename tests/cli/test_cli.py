#!/usr/bin/env python3
"""The commands from outside: exit statuses, messages, files.

test_cli.py PPQ_QUANTIZE PPQ_RUN PPQ_INSPECT PPQ_BENCH PPQ_EVAL
"""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

import tiny_onnx as onnx

QUANTIZE, RUN, INSPECT, BENCH, EVAL = COMMANDS = [os.path.abspath(p) for p in sys.argv[1:6]]
XHTML = '{http://www.w3.org/1999/xhtml}'
OK, USAGE, BAD, MISSED, IO = range(5)
SAMPLE = [0.01 * ((i * 29) % 200 - 90) for i in range(72)]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='ppq-cli-')
        self.addCleanup(self.folder.cleanup)
        self.dir = self.folder.name
        self.model = self.put('m.onnx', onnx.cnn())
        self.data = self.put('x.npy', onnx.npy([1, 2, 6, 6], SAMPLE))
        self.out = self.path('out.onnx')

    def path(self, name):
        return os.path.join(self.dir, name)

    def put(self, name, data):
        with open(self.path(name), 'wb') as f:
            f.write(data)
        return self.path(name)

    def get(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()

    def run_command(self, *args):
        p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.dir,
                           universal_newlines=True, timeout=120)
        self.assertNotIn('Sanitizer', p.stderr)
        self.assertNotIn('runtime error', p.stderr)
        return p

    def quantize(self, *args, model=None, data=None):
        return self.run_command(QUANTIZE, model or self.model, '-c', data or self.data,
                                '-o', self.out, *args)

    def succeeds(self, p, status=OK):
        self.assertEqual(p.returncode, status, p.stderr)
        return p

    def fails(self, p, status, *parts):
        """One line says what is wrong; no output and nothing temporary stays behind."""
        self.assertEqual(p.returncode, status, p.stderr)
        lines = [s for s in p.stderr.splitlines() if ': warning: ' not in s]
        self.assertEqual(len(lines), 1, p.stderr)
        for part in parts:
            self.assertIn(part, lines[0])
        left = [n for n in os.listdir(self.dir) if n.startswith('out') or 'tmp' in n]
        self.assertEqual(left, [])


class Options(Case):
    def test_help_names_every_option_once(self):
        for command in COMMANDS:
            for switch in ('--help', '-h'):
                p = self.succeeds(self.run_command(command, switch))
                names = [w for line in p.stdout.splitlines() for w in line.split()[:3]
                         if line.startswith('  ') and w.startswith('--')]
                self.assertIn('usage: ' + os.path.basename(command), p.stdout)
                self.assertIn('--version', names)
                self.assertEqual(p.stderr, '')
                self.assertLessEqual(max(len(s) for s in p.stdout.splitlines()), 140)

    def test_version(self):
        for command in COMMANDS:
            p = self.succeeds(self.run_command(command, '--version'))
            self.assertRegex(p.stdout, r'^%s \d+\.\d+\.\d+ .*oneDNN \d' % os.path.basename(command))

    def test_lists_have_names_and_summaries(self):
        for what, known in (('platforms', 'onnxruntime'), ('dispatchers', 'conservative'),
                            ('observers', 'minmax'), ('formats', 'qdq'), ('passes', 'fold-bias'),
                            ('ops', 'Conv')):
            for command in COMMANDS:
                p = self.succeeds(self.run_command(command, '--list-' + what))
                names = [line.split()[0] for line in p.stdout.splitlines() if line[0] != ' ']
                self.assertIn(known, names)
                if what != 'ops':
                    self.assertEqual(len(names), len(set(names)))
                    self.assertTrue(all(len(s.split()) > 2 for s in p.stdout.splitlines()))

    def test_every_name_of_a_list_is_accepted(self):
        for option, what in (('-m', 'observers'), ('-d', 'dispatchers'), ('-p', 'platforms'),
                             ('--no-pass', 'passes')):
            lines = self.run_command(QUANTIZE, '--list-' + what).stdout.splitlines()
            for name in [line.split()[0] for line in lines if not line.startswith(' ')]:
                with self.subTest(option=option, name=name):
                    self.succeeds(self.quantize(option, name))

    def test_bad_options(self):
        for args in (['--nonsense'], ['-Z'], ['-qq'], ['--steps'], ['--steps', 'many'],
                     ['--steps', '0'], ['--strict=1'], ['-p', 'abacus'], ['-m', 'guess'],
                     ['-d', 'nobody'], ['--no-pass', 'nothing'], ['--weight-bits', '9'], ['--target-snr', 'much'],
                     ['--align-pool', 'sideways'], ['--threads', '0'], ['--seed', 'x'],
                     ['--progress', 'maybe'], ['another.onnx'], ['--input-shape', '1x2'],
                     ['--input-shape', 'q:1x2x6x6'], ['--dtype', 'floaty'],
                     ['--preprocess', 'blur=1'], ['--skip-ids', '99']):
            with self.subTest(args=args):
                self.fails(self.quantize(*args), USAGE)

    def test_options_of_passes(self):
        text = self.run_command(QUANTIZE, '--list-passes').stdout
        self.assertRegex(text, r'(?m)^equalize .*\n(    .*\n)*    limit=64 .*\(number, 1 to')
        for value, parts in (('equalize,limi=4', ('--pass equalize', "'limi'", "'limit'")),
                             ('equalize,limit=0', ('limit', '0', '1 to')),
                             ('equalize,samples=2.5', ('2.5', 'an integer')),
                             ('equalise', ("'equalise'", "'equalize'")),
                             ('fold-bias,x=1', ('fold-bias', 'no options')),
                             ('limit=4', ('limit=4', 'before'))):
            with self.subTest(value=value):
                self.fails(self.quantize('--pass', value), USAGE, *parts)
        self.succeeds(self.quantize('--pass', 'correct-bias,samples=2,equalize,limit=2'))
        used = json.loads(self.get('out.json').decode())['settings']['pass']
        self.assertEqual(used, ['correct-bias,samples=2,equalize,limit=2'])

    def test_options_of_passes_in_configurations(self):
        saved = self.path('saved.json')
        for value, differ in (('fold-constants,max-bytes=0', False), ('equalize,samples=1,limit=1', True)):
            self.succeeds(self.quantize())
            plain = self.get('out.onnx')
            self.succeeds(self.quantize('--pass', value, '--save-config', saved))
            with open(saved) as f:
                self.assertEqual(json.load(f)['pass'], [value])
            changed = self.get('out.onnx')
            self.assertEqual(plain != changed, differ)
            self.succeeds(self.run_command(QUANTIZE, self.model, '--config', saved))
            self.assertEqual(self.get('out.onnx'), changed)
        self.succeeds(self.quantize('--exclude', '/a\t"|^conv1$/', '--save-config', saved))
        with open(saved) as f:
            self.assertEqual(json.load(f)['exclude'], ['/a\t"|^conv1$/'])
        self.succeeds(self.quantize('--config', saved))
        self.put('bad.json', b'{"pass": ["equalize,limit=0"]}')
        self.assertEqual(self.quantize('--config', self.path('bad.json')).returncode, USAGE)

    def test_commands_need_a_model(self):
        for command in COMMANDS:
            self.fails(self.run_command(command), USAGE, 'which model')

    def test_calibration_data_is_needed(self):
        self.fails(self.run_command(QUANTIZE, self.model, '-o', self.out), USAGE, '-c')

    def test_random_is_a_count(self):
        for n in ('0', '-1', 'x', '3x', ''):
            self.fails(self.run_command(QUANTIZE, self.model, '--random', n, '-o', self.out), USAGE,
                       '--random')

    def test_names_that_match_nothing_tell_the_nearest(self):
        self.fails(self.quantize('--exclude', 'cnv1'), USAGE, 'cnv1', 'conv1')
        self.fails(self.quantize('--exclude', '/^q/'), USAGE, '/^q/')
        self.fails(self.quantize('--exclude', '/(/'), USAGE, 'regular expression')
        self.fails(self.quantize('--op-types', 'Conf'), USAGE, 'Conf', 'Conv')
        places = self.put('places.txt', b'# comment\ncovn2 fp32\n')
        self.fails(self.quantize('--dispatch', places), USAGE, 'covn2', 'conv2')
        places = self.put('places.txt', b'conv2 int3\n')
        self.fails(self.quantize('--dispatch', places), USAGE, 'int3', 'quant, fp32 and soi')
        self.fails(self.quantize('--dispatch', 'absent.txt'), IO, 'absent.txt')


class BadFiles(Case):
    def test_models_that_are_none(self):
        whole = onnx.cnn()
        bad = {'empty': b'', 'text': b'This is no model.\n', 'zeros': bytes(300),
               'html': b'<!DOCTYPE html><html></html>'}
        bad.update({'cut%d' % n: whole[:n] for n in (1, 7, 100, len(whole) // 2, len(whole) - 1)})
        for name, data in bad.items():
            model = self.put(name + '.onnx', data)
            for args in ([QUANTIZE, model, '--random', '1', '-o', self.out], [RUN, model],
                         [INSPECT, model], [BENCH, model], [EVAL, model, '-i', self.data]):
                with self.subTest(name=name, command=os.path.basename(args[0])):
                    self.fails(self.run_command(*args), BAD, name + '.onnx')

    def test_models_that_cannot_be_read(self):
        for model in ('absent.onnx', self.dir):
            for args in ([QUANTIZE, model, '--random', '1', '-o', self.out], [RUN, model],
                         [INSPECT, model], [BENCH, model], [EVAL, model, '-i', self.data]):
                self.fails(self.run_command(*args), IO, model)

    def test_external_data(self):
        for location, part in (('absent.bin', 'absent.bin'), ('../secret.bin', '../secret.bin'),
                               ('/etc/passwd', '/etc/passwd')):
            w = onnx.external_tensor('w1', [4, 2, 3, 3], location)
            model = self.put('ext.onnx', onnx.cnn(weight=w))
            p = self.quantize(model=model)
            self.assertIn(p.returncode, (BAD, IO))
            self.fails(p, p.returncode, 'w1', part)

    def test_cyclic_graph(self):
        loop = [onnx.node('Relu', ['q'], ['p'], 'ring1'), onnx.node('Relu', ['p'], ['q'], 'ring2')]
        model = self.put('loop.onnx', onnx.cnn(loop))
        self.fails(self.quantize(model=model), BAD, 'cycle')

    def test_an_op_that_must_run_and_is_unknown(self):
        nodes = [onnx.node('Conv', ['x', 'w'], ['c'], 'conv'),
                 onnx.node('Frobnicate', ['c'], ['y'], 'frob', domain='com.acme')]
        w = onnx.tensor('w', [2, 2, 1, 1], onnx.weights(4))
        model = self.put('unknown.onnx', onnx.model(nodes, [w], [('x', [1, 2, 6, 6])],
                                                    [('y', [1, 2, 6, 6])], ['com.acme']))
        self.fails(self.quantize(model=model), BAD, 'Frobnicate')
        self.succeeds(self.run_command(INSPECT, model))

    def test_data_that_does_not_fit(self):
        nan = list(SAMPLE)
        nan[40] = float('nan')
        for name, data, part in (('nan.npy', onnx.npy([1, 2, 6, 6], nan), 'NaN'),
                                 ('shape.npy', onnx.npy([1, 2, 6, 5], SAMPLE[:60]), '1x2x6x5'),
                                 ('type.npy', onnx.npy([1, 2, 6, 6], SAMPLE, '<f8'), 'float64'),
                                 ('cut.npy', onnx.npy([1, 2, 6, 6], SAMPLE)[:200], 'cut off'),
                                 ('none.npy', b'', 'empty'), ('x.txt', b'1 2 3', 'unknown kind')):
            with self.subTest(name=name):
                self.fails(self.quantize(data=self.put(name, data)), BAD, name, part)
        self.fails(self.quantize(data='absent.npy'), IO, 'absent.npy')
        self.fails(self.quantize(data='q=' + self.data), USAGE, "'q'", "'x'")

    def test_outputs_that_cannot_be_written(self):
        for out in (self.path('no/such/folder/o.onnx'), self.path('x.npy') + '/o.onnx', self.dir):
            p = self.run_command(QUANTIZE, self.model, '-c', self.data, '-o', out)
            self.fails(p, IO, out)

    @unittest.skipUnless(os.path.exists('/dev/full'), 'no /dev/full')
    def test_a_full_disk(self):
        # Through links: a device that somebody replaces must not be the machine's own.
        for option, name in (('-o', 'full.onnx'), ('--scales', 'full.json')):
            os.symlink('/dev/full', self.path(name))
            p = self.run_command(QUANTIZE, self.model, '-c', self.data, '-o', self.path('x.onnx'),
                                 option, self.path(name))
            self.fails(p, IO, name)
            self.assertTrue(os.path.islink(self.path(name)))

    def test_an_old_result_survives_a_failure(self):
        self.put('kept.onnx', b'old')
        p = self.run_command(QUANTIZE, self.model, '-c', 'absent.npy', '-o', self.path('kept.onnx'))
        self.assertEqual(p.returncode, IO)
        self.assertEqual(self.get('kept.onnx'), b'old')


class Results(Case):
    def test_a_model_and_its_scales(self):
        p = self.succeeds(self.quantize())
        self.assertIn('out.onnx', p.stdout)
        scales = json.loads(self.get('out.json').decode())
        self.assertIsInstance(scales, dict)
        self.succeeds(self.run_command(INSPECT, self.out, '--check-fusion'))
        p = self.succeeds(self.run_command(RUN, self.model, '-i', self.data, '--compare', self.out))
        self.assertRegex(p.stdout, r'y +max-abs .*SNR +\d+')

    def test_quiet_says_nothing_and_json_is_json(self):
        p = self.succeeds(self.quantize('-q'))
        self.assertEqual((p.stdout, p.stderr), ('', ''))
        json.loads(self.succeeds(self.quantize('--json')).stdout)
        for model in (self.model, self.out):
            for view in ('--ops', '--check-fusion', '--tqc', '-q'):
                p = self.succeeds(self.run_command(INSPECT, model, view, '--json'))
                self.assertIsInstance(json.loads(p.stdout), dict)

    def test_what_a_quantized_model_holds(self):
        self.succeeds(self.quantize())
        ops = json.loads(self.run_command(INSPECT, self.out, '--tqc', '--json').stdout)['ops']
        conv = next(op for op in ops if op['name'] == 'conv1')
        x, w, b = (s['dequantized'] for s in conv['inputs'])
        tensors = json.loads(self.get('out.json').decode())['tensors']
        self.assertEqual((x['dtype'], w['dtype'], b['dtype']), ('uint8', 'int8', 'int32'))
        self.assertEqual((x['scale'], x['zero_point']), (tensors['x']['scale'], tensors['x']['zero_point']))
        self.assertEqual(len(w['scale']), 4)
        text = self.run_command(INSPECT, self.out, '--tqc').stdout
        self.assertRegex(text, r'in\[0\] x\w* float32 1x2x6x6 uint8 s=[0-9.e-]+ z=\d+')
        self.assertIn('DequantizeLinear x', self.run_command(INSPECT, self.out).stdout)

    def test_a_summary_as_json(self):
        j = json.loads(self.run_command(INSPECT, self.model, '--json').stdout)
        self.assertEqual(j['inputs'], [{'name': 'x', 'dtype': 'float32', 'shape': '1x2x6x6'}])
        self.assertEqual(j['types'], {'Conv': 2, 'Flatten': 1, 'Gemm': 1, 'Relu': 1})
        self.assertEqual((j['int8_ops'], j['float_ops'], j['macs']), (5, 0, 72 * 36 + 72 * 16 + 96))

    def test_the_same_bytes_every_time(self):
        seen = set()
        samples = [onnx.npy([1, 2, 6, 6], [v * (k + 1) for v in SAMPLE]) for k in range(6)]
        os.mkdir(self.path('d'))
        for k, data in enumerate(samples):
            self.put('d/%d.npy' % k, data)
        for threads in ('1', '2', '1', '2'):
            self.succeeds(self.quantize('--threads', threads, data=self.path('d')))
            seen.add((self.get('out.onnx'), self.get('out.json')))
        self.assertEqual(len(seen), 1)

    def test_random_numbers_follow_the_seed(self):
        def run(seed):
            self.succeeds(self.run_command(QUANTIZE, self.model, '--random', '3', '--seed', seed,
                                           '-o', self.out))
            return self.get('out.onnx')
        self.assertEqual(run('1'), run('1'))
        self.assertNotEqual(run('1'), run('2'))

    def test_unknown_ops_off_the_path_are_kept(self):
        aside = onnx.node('Frobnicate', ['x'], ['z'], 'frob', domain='com.acme')
        model = self.put('aside.onnx', onnx.cnn([aside], domains=['com.acme']))
        self.succeeds(self.run_command(INSPECT, model))
        self.succeeds(self.quantize(model=model))

    def test_strict_misses_when_a_convolution_stays_in_float(self):
        self.succeeds(self.quantize('--strict'))
        p = self.succeeds(self.quantize('--strict', '--exclude', 'conv2'), MISSED)
        self.assertIn('conv2', p.stderr)
        self.assertTrue(os.path.exists(self.out))

    def test_excluded_ops_stay_in_float(self):
        places = self.put('places.txt', b'conv1 fp32\n\n# none\n"conv2": "fp32",\n')
        for args in (['--exclude', 'conv1', '--exclude', 'conv2'], ['--exclude', '/^conv/'],
                     ['--op-types', 'Gemm'], ['--dispatch', places]):
            with self.subTest(args=args):
                self.succeeds(self.quantize(*args))
                p = self.succeeds(self.run_command(INSPECT, self.out, '--check-fusion'))
                self.assertNotIn('QLinearConv', p.stdout)
        self.succeeds(self.quantize())
        p = self.succeeds(self.run_command(INSPECT, self.out, '--check-fusion'))
        self.assertIn('QLinearConv', p.stdout)

    def test_ops_that_int8_ruins_go_back_to_float(self):
        model = self.put('spectrum.onnx', onnx.spectrum())
        data = self.put('bands.npy', onnx.npy([4, 8], [0.3 + 0.01 * (i * 29 % 70) for i in range(32)]))
        p = self.succeeds(self.quantize(model=model, data=data))
        self.assertIn("int8 ruins 'first'", p.stderr)
        self.assertIn("'bands' the first", p.stderr)
        self.assertIn('because int8 here would cost an output too much', p.stdout)
        rescued = float(re.search(r'output y +SNR +([-0-9.]+)', p.stdout).group(1))
        p = self.succeeds(self.quantize('--no-rescue', model=model, data=data))
        self.assertEqual(p.stderr, '')
        ruined = float(re.search(r'output y +SNR +([-0-9.]+)', p.stdout).group(1))
        self.assertGreater(rescued, ruined + 15)

    def test_equalization_that_harms_is_left_out(self):
        # The second channel is nothing in the samples that equalization looks at.
        nodes = [onnx.node('Conv', ['x', 'w'], ['a'], 'apart'), onnx.node('Relu', ['a'], ['r'], 'relu'),
                 onnx.node('Conv', ['r', 'v'], ['y'], 'together')]
        init = [onnx.tensor('w', [2, 2, 1, 1], [1., 0., 0., 1.]), onnx.tensor('v', [1, 2, 1, 1], [1., .5])]
        model = self.put('rare.onnx', onnx.model(nodes, init, [('x', [1, 2, 4, 4])], [('y', [1, 1, 4, 4])]))
        wave = [(i * 29 % 70) / 70 for i in range(16)]
        data = self.put('rare.npy', onnx.npy([8, 2, 4, 4], [
            v for k in range(8) for scale in (1, 1e-6 if k < 4 else 1) for v in [scale * w for w in wave]]))
        options = ['--pass', 'equalize,limit=1000000,samples=4', '-m', 'minmax']
        def snr(p):
            return float(re.search(r'output y +SNR +([-0-9.]+)', p.stdout).group(1))
        p = self.succeeds(self.quantize(*options, model=model, data=data))
        self.assertIn('left as they are', p.stderr)
        self.assertGreater(snr(p), 30)
        p = self.succeeds(self.quantize(*options, '--no-rescue', model=model, data=data))
        self.assertEqual(p.stderr, '')
        self.assertLess(snr(p), 10)

    def test_sums_that_can_saturate_are_told(self):
        p = self.succeeds(self.quantize())
        self.assertNotIn('without VNNI', p.stdout)
        p = self.succeeds(self.quantize('--no-pass', 'avoid-saturation'))
        self.assertRegex(p.stdout, r'\d ops? can sum wrongly on x86 CPUs without VNNI')
        p = self.succeeds(self.run_command(INSPECT, self.out, '--check-fusion'))
        self.assertRegex(p.stdout, r'QLinearConv +conv\d: can saturate')
        self.assertIn('can sum wrongly', p.stdout)
        p = self.succeeds(self.quantize('--no-pass', 'avoid-saturation', '--json'))
        self.assertGreater(json.loads(p.stdout)['onnxruntime_forecast']['saturating'], 0)

    def test_ops_fall_back_to_float_for_a_target(self):
        # The second channel is small in the middle of the chain and large again behind it.
        weights = [[1., 0., 0., 1.]] * 3 + [[1., 0., 0., .01], [.01, 0., 0., 100.]] + [[1., 0., 0., 1.]] * 5
        names = ['x'] + ['t%d' % i for i in range(len(weights) - 1)] + ['y']
        nodes = [onnx.node('Conv', [names[i], 'w%d' % i], [names[i + 1]], 'conv%d' % i)
                 for i in range(len(weights))]
        init = [onnx.tensor('w%d' % i, [2, 2, 1, 1], w) for i, w in enumerate(weights)]
        model = self.put('chain.onnx', onnx.model(nodes, init, [('x', [1, 2, 4, 4])], [('y', [1, 2, 4, 4])]))
        data = self.put('chain.npy', onnx.npy([4, 2, 4, 4], [(i * 29 % 71) / 71 for i in range(128)]))
        def run(*options):
            p = self.succeeds(self.quantize('--no-pass', 'equalize', *options, model=model, data=data))
            return p, float(re.search(r'output y +SNR +([-0-9.]+)', p.stdout).group(1))
        p, before = run('--target-snr', '0')
        self.assertEqual(p.stderr, '')
        self.assertLess(before, 18)
        p, after = run('--target-snr', '20')
        self.assertIn("The 2 of 10 int8 ops that cost it most stay in float: 'conv3', 'conv4'.", p.stderr)
        self.assertRegex(p.stdout, r'float +Conv x2')
        self.assertGreater(after, 30)
        p, least = run('--target-snr', '99')
        self.assertIn('no small part of the model is to blame', p.stderr)
        self.assertEqual(least, before)
        p, kept = run('--target-snr', '20', '--no-rescue')
        self.assertEqual((p.stderr, kept), ('', before))

    def test_run_writes_its_outputs(self):
        p = self.succeeds(self.run_command(RUN, self.model, '-i', 'x=' + self.data, '-o',
                                           self.path('results')))
        self.assertIn('y [1, 3]', p.stdout)
        self.assertTrue(self.get('results/y.npy').startswith(b'\x93NUMPY'))
        self.fails(self.run_command(RUN, self.model), USAGE, "'x'")
        self.fails(self.run_command(RUN, self.model, '-i', 'absent.npy'), IO, 'absent.npy')
        wrong = self.put('w.npy', onnx.npy([1, 2, 6, 5], SAMPLE[:60]))
        self.fails(self.run_command(RUN, self.model, '-i', wrong), BAD, '1x2x6x5')

    def test_run_as_json(self):
        run = [RUN, self.model, '-i', self.data, '--json']
        one = json.loads(self.succeeds(self.run_command(*run, '-o', self.path('folder'))).stdout)
        self.assertEqual([o['shape'] for o in one['outputs']], [[1, 3]])
        self.assertTrue(os.path.exists(one['outputs'][0]['file']))
        self.assertLessEqual(one['outputs'][0]['min'], one['outputs'][0]['mean'])
        two = json.loads(self.succeeds(self.run_command(*run, '--compare', self.model, '--layers')).stdout)
        self.assertEqual([o['max_abs'] for o in two['outputs']], [0])
        self.assertTrue(two['layers'])

    def test_folders_of_tests(self):
        folder = self.path('case')
        os.makedirs(os.path.join(folder, 'test_data_set_0'))
        shutil.copy(self.model, os.path.join(folder, 'model.onnx'))
        p = self.run_command(RUN, '--test', folder, '--json')
        self.assertEqual((p.returncode, json.loads(p.stdout)['failed']), (MISSED, 1))
        self.assertIn('input_0.pb', p.stderr)

    def test_integer_operators_run(self):
        for platform, more in (('onnxruntime', {}), ('trt-int8', {'Clip': 1})):
            self.succeeds(self.quantize('-p', platform, '--export', 'qoperator=' + self.path('ops.onnx')))
            types = json.loads(self.run_command(INSPECT, self.path('ops.onnx'), '--json').stdout)['types']
            for kind, n in dict({'QLinearConv': 2, 'Flatten': 1, 'QGemm': 1, 'QuantizeLinear': 1}, **more).items():
                self.assertEqual(types.get(kind), n, types)
            p = self.succeeds(self.run_command(RUN, self.out, '-i', self.data, '--engine', 'simulate', '--compare',
                                               self.path('ops.onnx')))
            snr = float(re.search(r'SNR +([0-9.]+)', p.stdout).group(1))
            self.assertGreater(snr, 30, p.stdout)

    def page(self, *args, model=None):
        """The report, which must be XML, as its root, text and pictures."""
        self.succeeds(self.quantize('--report', self.path('page.html'), *args, model=model))
        root = ElementTree.fromstring(self.get('page.html'))
        return root, ' '.join(root.itertext()), root.findall('.//' + XHTML + 'svg')

    def test_a_report(self):
        root, text, pictures = self.page()
        for op in json.loads(self.run_command(INSPECT, self.model, '--ops', '--json').stdout)['ops']:
            self.assertIn(op['name'], text)
        for part in ('m.onnx', 'onnxruntime', 'SNR', 'cosine', 'zero point', 'calibrate-activations', 'MB quantized'):
            self.assertIn(part, text)
        for section in ('places', 'forecast', 'layers', 'activations', 'weights', 'time'):
            self.assertIsNotNone(root.find(".//*[@id='%s']" % section), section)
        self.assertGreater(len(pictures), 5)
        self.assertNotIn('http', re.sub(r'xmlns="[^"]*"', '', self.get('page.html').decode()))
        scales = json.loads(self.get('out.json').decode())['tensors']
        for tensor in (n for n, t in scales.items() if not t['constant']):
            self.assertIn(tensor, text)

    def test_a_report_of_an_observer_without_histograms(self):
        bars = [p for p in self.page('-m', 'minmax')[0].findall(".//*[@class='bar']") if p.get('d')]
        self.assertGreater(len(bars), 3)
        self.assertIn('Nothing was compared', self.page('--analyse', '0')[1])

    def test_names_in_a_report_are_text(self):
        hostile = ['<b>&"\'', 'x' * 3000, 'a\x01\x7f\u00e9\U0001f600', '</script><script>alert(1)</script>']
        x = 'x'
        nodes = []
        for i, name in enumerate(hostile):
            nodes.append(onnx.node('Conv', [x, 'w'], ['y' if i + 1 == len(hostile) else name + 'out'], name))
            x = name + 'out'
        w = onnx.tensor('w', [2, 2, 1, 1], onnx.weights(4))
        model = self.put('<i>.onnx', onnx.model(nodes, [w], [('x', [1, 2, 6, 6])], [('y', [1, 2, 6, 6])]))
        root, text, _ = self.page(model=model)
        self.assertIn(hostile[0], text)
        self.assertIn('a\ufffd\ufffd\u00e9\U0001f600', text)
        self.assertIn(hostile[3], text)
        self.assertNotIn('x' * 1000, text)
        self.assertEqual(len(root.findall('.//' + XHTML + 'script')), 1)
        self.assertEqual(root.findall('.//' + XHTML + 'i'), [])

    def test_a_report_that_cannot_be_written(self):
        p = self.quantize('--report', self.path('no/such/page.html'))
        self.assertEqual(p.returncode, IO)
        self.assertIn('page.html', p.stderr)

    def test_other_formats_beside_it(self):
        for line in self.run_command(QUANTIZE, '--list-formats').stdout.splitlines():
            name = line.split()[0]
            with self.subTest(format=name):
                p = self.quantize('--export', name + '=' + self.path('beside'))
                self.succeeds(p)
                self.assertGreater(len(self.get('beside')), 50)
        self.assertEqual(self.quantize('--export', 'qdq').returncode, USAGE)
        self.assertEqual(self.quantize('--export', 'tape=x').returncode, USAGE)


class Bench(Case):
    def bench(self, *args, models=None):
        return self.run_command(BENCH, *(models or [self.model]), '--iterations', '3', *args)

    def document(self, *args, models=None):
        return json.loads(self.succeeds(self.bench('--json', *args, models=models)).stdout)

    def int8(self, *options):
        self.succeeds(self.quantize('-q', *options))
        return self.out

    def test_a_table_and_its_numbers_as_json(self):
        p = self.succeeds(self.bench())
        rows = [line.split() for line in p.stdout.splitlines() if line.startswith(self.model[-20:])
                or line.startswith(self.model)]
        self.assertEqual(len(rows), 2, p.stdout)
        self.assertIn('oneDNN', p.stdout)
        self.assertRegex(p.stdout, r'batch 1, 1 thread, 2 warm-up')
        j = self.document()
        self.assertEqual(j['settings'], {'engine': 'engine', 'float': 'direct', 'batch': 1, 'threads': 1, 'warmup': 2,
                                         'random_inputs': True, 'in_turns': False,
                                         'cold_caches': False, 'onednn_only': False})
        m, = j['models']
        self.assertEqual((m['model'], m['runs'], m['ratio']), (self.model, 3, 1))
        self.assertLessEqual(m['min_ms'], m['median_ms'])
        self.assertLessEqual(m['median_ms'], m['p90_ms'])
        self.assertAlmostEqual(m['samples_per_second'] * m['median_ms'], 1000, delta=1)
        self.assertEqual(m['plan']['int8_steps'], 0)
        self.assertGreater(m['plan']['weight_bytes'], 0)
        self.assertGreater(j['peak_memory_bytes'], 1e6)

    def test_models_in_turns(self):
        self.fails(self.bench('--compare'), USAGE, 'two models')
        j = self.document('--compare', '--eager', models=[self.model, self.int8()])
        self.assertTrue(j['settings']['in_turns'])
        self.assertTrue(self.document('--cold')['settings']['cold_caches'])
        a, b = j['models']
        self.assertEqual([a['ratio'], a['ratio_p10'], a['ratio_p90']], [1, 1, 1])
        self.assertLessEqual(b['ratio_p10'], b['ratio'])
        self.assertLessEqual(b['ratio'], b['ratio_p90'])
        self.assertGreater(b['plan']['int8_steps'], 0)

    def test_a_profile(self):
        self.fails(self.bench('--profile', '--engine', 'simulate'), USAGE, '--profile')
        m, = self.document('--profile', '--eager', models=[self.int8()])['models']
        self.assertLessEqual(len(m['profile']), m['plan']['steps'])  # parts of an op are one row
        self.assertEqual(len({s['op'] + s['kernel'] for s in m['profile']}), len(m['profile']))
        self.assertEqual(sum(s['int8'] for s in m['profile']), m['plan']['int8_steps'])
        self.assertEqual(sum(k['steps'] for k in m['kernels']), len(m['profile']))
        self.assertAlmostEqual(sum(k['ms'] for k in m['kernels']), sum(s['ms'] for s in m['profile']), places=6)
        self.assertIn('conv1', [s['op'] for s in m['profile']])
        text = self.succeeds(self.bench('--profile', models=[self.out])).stdout
        self.assertRegex(text, r'(?m)^ *ms +share +GOPS +int8 +kernel +type +op$')

    def test_kernels_of_the_library_only(self):
        def kernels(*args):
            m, = self.document('--profile', '--eager', *args, models=[self.out])['models']
            return [s['kernel'].split()[0] for s in m['profile'] if s['type'] == 'Conv']
        self.int8()
        self.assertNotEqual(set(kernels()), {'conv'})
        self.assertLessEqual(set(kernels('--onednn')), {'conv', 'quantize', 'reorder'})

    def test_products_that_could_saturate(self):
        models = [self.int8('--no-pass', 'avoid-saturation')]
        p = self.succeeds(self.bench('--json', '--eager', '--saturate', models=models))
        j = json.loads(p.stdout)
        saturating = j['models'][0]['plan']['saturating_steps']
        self.assertEqual(saturating > 0, not j['machine']['exact_products'])
        self.assertEqual(saturating > 0, '--saturate' in p.stderr)
        p = self.succeeds(self.bench('--json', '--eager', models=[self.out]))
        plan = json.loads(p.stdout)['models'][0]['plan']
        self.assertEqual((plan['saturating_steps'], p.stderr), (0, ''))
        self.assertEqual(plan['exact_ops'] > 0, saturating > 0)
        p = self.succeeds(self.bench('--json', '--eager', '--saturate', models=[self.int8()]))
        plan = json.loads(p.stdout)['models'][0]['plan']
        self.assertEqual((plan['saturating_steps'], plan['exact_ops'], p.stderr), (0, 0, ''))

    def test_batches(self):
        free = onnx.model([onnx.node('Relu', ['x'], ['y'], 'relu')], [], [('x', ['N', 4])], [('y', ['N', 4])])
        fixed = onnx.model([onnx.node('Relu', ['x'], ['y'], 'relu')], [], [('x', [1, 4])], [('y', [1, 4])])
        three = onnx.model([onnx.node('Relu', ['x'], ['y'], 'relu')], [], [('x', [3, 4])], [('y', [3, 4])])
        for data in (free, fixed):
            for engine in ('engine', 'simulate', 'reference'):
                j = self.document('-b', '8', '--engine', engine, models=[self.put('b.onnx', data)])
                self.assertEqual(j['settings']['batch'], 8)
                m = j['models'][0]
                self.assertAlmostEqual(m['samples_per_second'] * m['median_ms'], 8000, delta=8)
        self.fails(self.bench('-b', '8', models=[self.put('b.onnx', three)]), USAGE, '--batch 8', "'x'", '3')
        mixed = onnx.model([onnx.node('ReduceSum', ['x'], ['y'], 'sum', keepdims=0)], [], [('x', [1, 4])], [('y', [])])
        self.fails(self.bench('-b', '8', models=[self.put('b.onnx', mixed)]), BAD, '--batch 8', "'y'")

    def test_data_and_shapes(self):
        x = self.put('x3.npy', onnx.npy([3, 2, 6, 6], SAMPLE * 3))
        p = self.succeeds(self.run_command(BENCH, self.model, '-i', x, '--json'))
        self.assertEqual(json.loads(p.stdout)['models'][0]['runs'], 3)
        self.fails(self.bench('-i', x, '-b', '4'), BAD, '3 samples', '--batch 4')
        self.fails(self.bench('-i', 'absent.npy'), IO, 'absent.npy')
        self.fails(self.bench('--input-shape', 'q:1x2x6x6'), USAGE, "'q'", "'x'")
        wide = onnx.model([onnx.node('Relu', ['x'], ['y'], 'relu')], [], [('x', ['N', 'W'])], [('y', ['N', 'W'])])
        model = self.put('w.onnx', wide)
        self.fails(self.bench(models=[model]), BAD, "'x'", '--input-shape')
        self.document('--input-shape', '1x7', models=[model])

    def test_bad_options(self):
        for args in (['--iterations', 'x'], ['--batch', '0'], ['--threads', '0'], ['--isa', 'abacus'],
                     ['--engine', 'steam'], ['--warmup', '-1']):
            with self.subTest(args=args):
                self.fails(self.bench(*args), USAGE, args[0], args[1])

    def test_capped_instructions(self):
        j = self.document('--isa', 'avx2', models=[self.model, self.int8()])
        self.assertIn(j['machine']['isa'], ('sse4.1', 'avx', 'avx2'))

    def test_quiet(self):
        p = self.succeeds(self.bench('-q'))
        self.assertEqual((p.stdout, p.stderr), ('', ''))


def identity(shape):
    """A model that gives back its input: what a test feeds is what it scores."""
    return onnx.model([onnx.node('Identity', ['x'], ['y'], 'same')], [], [('x', shape)], [('y', shape)])


class Eval(Case):
    def setUp(self):
        super().setUp()
        # Largest at 6, 6 and 2; of the last sample, 3 is equal.
        self.scores = [0, 1, 5, 2, 0, 1, 9, 2, 1, 0, 0, 0, 1, 2, 3, 1, 1, 1, 7, 7, 0, 0, 0, 0]
        self.model = self.put('m.onnx', identity([1, 8]))
        self.data = self.put('x.npy', onnx.npy([3, 8], self.scores))

    def evaluate(self, *args, model=None, data=None):
        return self.run_command(EVAL, model or self.model, '-i', data or self.data, *args)

    def metrics(self, *args, **more):
        """{name: value} of the first row; the table says the same."""
        rows = json.loads(self.succeeds(self.evaluate('--json', *args, **more)).stdout)['rows']
        text = self.succeeds(self.evaluate(*args, **more)).stdout
        for m in rows[0]['metrics']:
            self.assertIn(m['name'], text.splitlines()[0])
            self.assertIn('%.2f' % m['value'] if m['unit'] else '%.6g' % m['value'], text.splitlines()[1])
        return {m['name']: m['value'] for m in rows[0]['metrics']}

    def labels(self, text, name='l.txt'):
        return self.put(name, text.encode())

    def put_folder(self, name, files):
        os.mkdir(self.path(name))
        for file, data in files.items():
            self.put(name + '/' + file, data)
        return self.path(name)

    def test_labels_in_the_order_of_samples(self):
        for l in (self.labels('6\n5\n# a remark\n\n2\n'), self.put('l.npy', onnx.npy([3], [6, 5, 2], '<i8'))):
            m = self.metrics('-l', l)
            self.assertAlmostEqual(m['top-1'], 200 / 3, places=4)
            self.assertEqual(m['top-5'], 100)
        # Of equal scores the first is the larger one.
        m = self.metrics('-l', self.labels('1 \n3\n3\n'))
        self.assertAlmostEqual(m['top-1'], 0)
        self.assertAlmostEqual(m['top-5'], 200 / 3, places=4)

    def test_labels_by_name(self):
        row = [onnx.npy([1, 8], self.scores[8 * i:8 * i + 8]) for i in range(3)]
        d = self.put_folder('d', {'a.npy': row[0], 'b.npy': row[1], 'c.npy': row[2]})
        p = self.evaluate('--json', '-l', self.labels('x/c.npy 2 name\na 6\n'), data=d)
        r, = json.loads(self.succeeds(p).stdout)['rows']
        self.assertEqual((r['samples'], r['metrics'][0]['value']), (2, 100))
        self.assertIn('1 of 3 samples have no label', p.stderr)
        p = self.evaluate('-l', self.labels('c 2\nz 1\n'), data=d)
        self.assertIn("'z'", self.succeeds(p).stderr)
        self.fails(self.evaluate('-l', self.labels('z 1\n'), data=d), BAD, "'z'")

    def test_packed_files(self):
        data = struct.pack('<q24f3q', 3, *self.scores, 6, 5, 0)
        packed = self.put('x.bin', data)
        self.assertAlmostEqual(self.metrics(data=packed)['top-1'], 100 / 3, places=4)
        self.assertEqual(self.metrics('-n', '1', data=packed)['top-1'], 100)
        self.fails(self.evaluate('-l', packed, data=packed), USAGE, 'without --labels')
        self.fails(self.evaluate(), USAGE, '--labels')

    def test_batches_give_the_same(self):
        l = self.labels('6\n6\n2\n')
        self.assertEqual(self.metrics('-l', l), self.metrics('-l', l, '-b', '2'))

    def test_label_offset(self):
        m = self.metrics('-l', self.labels('5\n4\n1\n'), '--label-offset', '1')
        self.assertAlmostEqual(m['top-1'], 200 / 3, places=4)

    def test_bad_labels(self):
        for text, parts in (('6\n6\n', ('2 labels', '3 samples')), ('6\n6\n8\n', ('8', '0 to 7', 'x.npy[2]')),
                            ('6\n6\n-1\n', ('-1',)), ('6\nsix\n1\n', ('line 2', "'six'")),
                            ('6\na 6\n1\n', ('line 2',)), ('', ('0 labels',))):
            with self.subTest(text=text):
                self.fails(self.evaluate('-l', self.labels(text)), BAD, *parts)
        self.fails(self.evaluate('-l', 'absent.txt'), IO, 'absent.txt')
        far = self.put('l.npy', onnx.npy([3], [6, 5, 2**63 - 1], '<i8'))
        self.fails(self.evaluate('-l', far, '--label-offset', '1'), BAD, '0 to 7')
        wrong = self.put('l.npy', onnx.npy([3], [6, 5, 2]))
        self.fails(self.evaluate('-l', wrong), BAD, 'l.npy', 'float32')

    def test_bad_data(self):
        l = self.labels('6\n6\n2\n')
        os.mkdir(self.path('empty'))
        self.fails(self.evaluate('-l', l, data=self.path('empty')), BAD, 'empty', 'no samples')
        self.fails(self.evaluate('-l', l, data='absent'), IO, 'absent')
        self.fails(self.run_command(EVAL, self.model, '-l', l), USAGE, '--data')
        self.fails(self.run_command(EVAL, self.model, '-i', self.data, '--task', 'segment'), USAGE, '--labels')

    def test_results_that_are_nan(self):
        root = onnx.model([onnx.node('Sqrt', ['x'], ['y'], 'root')], [], [('x', [1, 8])], [('y', [1, 8])])
        below = self.put('n.npy', onnx.npy([3, 8], [1] * 20 + [-1] * 4))
        self.fails(self.evaluate('-l', self.labels('1\n1\n1\n'), model=self.put('r.onnx', root), data=below), BAD,
                   'n.npy[2]', 'NaN')

    def test_several_models_and_engines(self):
        worse = self.put('w.onnx', onnx.model([onnx.node('Neg', ['x'], ['y'], 'neg')], [], [('x', [1, 8])],
                                              [('y', [1, 8])]))
        l = self.labels('6\n6\n2\n')
        args = [EVAL, self.model, worse, '-i', self.data, '-l', l]
        p = self.run_command(*args, '--engines', 'engine,simulate', '--json')
        rows = json.loads(self.succeeds(p).stdout)['rows']
        self.assertEqual([(r['model'], r['engine']) for r in rows],
                         [(m, e) for m in (self.model, worse) for e in ('engine', 'simulate')])
        self.assertEqual([round(r['metrics'][0]['difference']) for r in rows], [0, 0, -100, -100])
        self.assertEqual(rows[0]['bytes'], os.path.getsize(self.model))
        p = self.succeeds(self.run_command(*args, '--max-drop', '50'), MISSED)
        self.assertIn("top-1 of '%s' (engine) is 100.000 below" % worse, p.stderr)
        self.succeeds(self.run_command(*args, '--max-drop', '100'))
        p = self.succeeds(self.run_command(*args, '-q'))
        self.assertEqual((p.stdout, p.stderr), ('', ''))
        self.fails(self.evaluate('-l', l, '--engines', 'engine,steam'), USAGE, 'steam')

    def test_segmentation(self):
        model = self.put('s.onnx', identity([1, 2, 2, 2]))
        data = self.put('s.npy', onnx.npy([1, 2, 2, 2], [9, 9, 0, 0, 1, 1, 5, 5]))
        kinds = {'mask.npy': onnx.npy([1, 2, 2], [0, 1, 1, 255], '<i8')}
        masks = self.put_folder('masks', kinds)
        for l in (masks, self.path('masks/mask.npy')):
            m = self.metrics('--task', 'segment', '-l', l, '--ignore-label', '255', model=model, data=data)
            # Class 0: 1 of 2; class 1: 1 of 2.
            self.assertAlmostEqual(m['mIoU'], 50)
            self.assertAlmostEqual(m['pixels'], 200 / 3, places=4)
        bad = lambda *a: self.evaluate('--task', 'segment', '-l', masks, *a, model=model, data=data)
        self.fails(bad(), BAD, '255', '0 to 1')
        self.fails(bad('--ignore-label', '255', '--classes', '3'), USAGE, '2 classes', '3')
        # A mask of another size takes the nearest positions.
        big = self.put('big.npy', onnx.npy([1, 4, 4], [0] * 8 + [1] * 8, '<i8'))
        self.assertEqual(self.metrics('--task', 'segment', '-l', big, model=model, data=data)['mIoU'], 100)
        empty = self.put_folder('none', {'read.me': b'nothing'})
        self.fails(self.evaluate('--task', 'segment', '-l', empty, model=model, data=data), BAD, 'none')

    def test_segmentation_needs_numbers_of_classes(self):
        model = self.put('s.onnx', onnx.model([onnx.node('ArgMax', ['x'], ['y'], 'max', axis=1)], [],
                                              [('x', [1, 2, 2, 2])], [('y', [1, 1, 2, 2])]))
        data = self.put('s.npy', onnx.npy([1, 2, 2, 2], [9, 9, 0, 0, 1, 1, 5, 5]))
        l = self.put('l.npy', onnx.npy([1, 2, 2], [0, 0, 1, 1], '<i8'))
        args = ['--task', 'segment', '-l', l]
        self.fails(self.evaluate(*args, model=model, data=data), USAGE, '--classes')
        self.assertEqual(self.metrics(*args, '--classes', '2', model=model, data=data)['mIoU'], 100)

    def test_detection(self):
        model = self.put('d.onnx', identity(['boxes', 6]))
        d = self.put_folder('d', {'a.npy': onnx.npy([2, 6], [0, 0, 10, 10, .9, 1, 50, 50, 60, 60, .8, 1]),
                              'b.npy': onnx.npy([1, 6], [0, 0, 0, 0, 0, -1])})
        l = self.labels('a 1 .05 .05 .1 .1\nb 1 .5 .5 .2 .2\n')
        args = ['--task', 'detect', '-l', l, '--box-scale', '100']
        m = self.metrics(*args, model=model, data=d)
        self.assertAlmostEqual(m['mAP@0.5'], 100 * 51 / 101, places=4)
        # As corners, the first label is another box.
        m = self.metrics(*args, '--label-box-format', 'xyxy', model=model, data=d)
        self.assertEqual(m['mAP@0.5'], 0)
        files = self.put_folder('files', {'a.txt': b'1 5 5 10 10\n'})
        m = self.metrics('--task', 'detect', '-l', files, model=model, data=d)
        self.assertEqual(m, {'mAP': 100, 'mAP@0.5': 100})
        for text, part in (('a 1 .05 .05 .1\n', 'four numbers'), ('a -1 0 0 1 1\n', "'-1'"),
                           ('a 1 0 0 nan 1\n', "'nan'")):
            self.fails(self.evaluate('--task', 'detect', '-l', self.labels(text), model=model, data=d), BAD,
                       'line 1', part)
        self.fails(self.evaluate('--task', 'detect', '-l', self.labels('# none\n'), model=model, data=d), BAD,
                   'no boxes')
        self.fails(self.evaluate('--task', 'detect', '-l', l), BAD, 'rows of x1 y1 x2 y2')
        self.fails(self.evaluate(*args, '--boxes', 'y', model=model, data=d), USAGE, '--scores')

    def test_detection_by_outputs(self):
        nodes = [onnx.node('Identity', ['b'], ['boxes'], 'n1'), onnx.node('Identity', ['s'], ['scores'], 'n2')]
        model = self.put('d.onnx', onnx.model(nodes, [], [('b', [1, 2, 4]), ('s', [1, 2, 3])],
                                              [('boxes', [1, 2, 4]), ('scores', [1, 2, 3])]))
        d = self.put_folder('d', {'a.b.npy': onnx.npy([1, 2, 4], [0, 0, 10, 10, 1, 0, 10, 10]),
                              'a.s.npy': onnx.npy([1, 2, 3], [0, 0, .9, 0, 0, .8])})
        l = self.labels('a.b 2 5 5 10 10\na.b 2 105 105 10 10\n')
        args = ['--task', 'detect', '-l', l, '--boxes', 'boxes', '--scores', 'scores']
        self.assertAlmostEqual(self.metrics(*args, model=model, data=d)['mAP@0.5'], 100 * 51 / 101, places=4)
        self.metrics(*args, '--nms', '0.5', model=model, data=d)
        self.fails(self.evaluate(*args[:-1], 'score', model=model, data=d), USAGE, "'score'", "'boxes'")

    def test_regression(self):
        l = self.put('y.npy', onnx.npy([3, 8], [v + 1 for v in self.scores]))
        m = self.metrics('--task', 'regress', '-l', l, '--peak', '10')
        self.assertEqual((m['MSE'], m['PSNR']), (1, 20))
        self.fails(self.evaluate('--task', 'regress', '-l', self.put('s.npy', onnx.npy([3, 4], [1.0] * 12))), BAD,
                   '8 numbers', '4')
        self.fails(self.evaluate('--task', 'regress', '-l', self.put('s.npy', onnx.npy([2, 8], [1.0] * 16))), BAD,
                   '2 labels', '3 samples')
        same = self.metrics('--task', 'regress', '-l', self.data)
        self.assertEqual((same['MSE'], same['PSNR'], same['SNR']), (0, 300, 300))

    def test_bad_options(self):
        for args in (['--task', 'guess'], ['--steps', '0'], ['--max-drop', '-1'], ['--nms', '2'],
                     ['--box-format', 'xyz'], ['--box-scale', '1:x'], ['--output', 'q']):
            with self.subTest(args=args):
                self.fails(self.evaluate('-l', self.labels('6\n6\n2\n'), *args), USAGE, args[0])


class Comparisons(Case):
    def test_integers_are_compared_in_quanta(self):
        self.succeeds(self.quantize('-q'))
        p = self.succeeds(self.run_command(RUN, self.out, '-i', self.data, '--compare', self.out, '--engine',
                                           'simulate', '--layers'))
        self.assertTrue(p.stdout.startswith('engine against simulation\n'), p.stdout)
        self.assertRegex(p.stdout, r'(?m)^\S+ +quanta +\d+ +\d+ of \d+ differ$')
        p = self.succeeds(self.run_command(RUN, self.out, '-i', self.data, '--compare', self.out, '--layers'))
        self.assertNotIn('simulation', p.stdout)
        self.assertNotRegex(p.stdout, r'quanta +[1-9]')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
