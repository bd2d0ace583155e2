#!/usr/bin/env python3
"""The three commands from outside: exit statuses, messages, files.

test_cli.py PPQ_QUANTIZE PPQ_RUN PPQ_INSPECT
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

import tiny_onnx as onnx

QUANTIZE, RUN, INSPECT = [os.path.abspath(p) for p in sys.argv[1:4]]
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
        for command in (QUANTIZE, RUN, INSPECT):
            for switch in ('--help', '-h'):
                p = self.succeeds(self.run_command(command, switch))
                names = [w for line in p.stdout.splitlines() for w in line.split()[:3]
                         if line.startswith('  ') and w.startswith('--')]
                self.assertIn('usage: ' + os.path.basename(command), p.stdout)
                self.assertIn('--version', names)
                self.assertEqual(p.stderr, '')
                self.assertLessEqual(max(len(s) for s in p.stdout.splitlines()), 140)

    def test_version(self):
        for command in (QUANTIZE, RUN, INSPECT):
            p = self.succeeds(self.run_command(command, '--version'))
            self.assertRegex(p.stdout, r'^%s \d+\.\d+\.\d+ .*oneDNN \d' % os.path.basename(command))

    def test_lists_have_names_and_summaries(self):
        for what, known in (('platforms', 'onnxruntime'), ('dispatchers', 'conservative'),
                            ('observers', 'minmax'), ('formats', 'qdq'), ('passes', 'fold-bias'),
                            ('ops', 'Conv')):
            for command in (QUANTIZE, RUN, INSPECT):
                p = self.succeeds(self.run_command(command, '--list-' + what))
                names = [line.split()[0] for line in p.stdout.splitlines()]
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
                     ['-d', 'nobody'], ['--no-pass', 'nothing'], ['--weight-bits', '9'],
                     ['--align-pool', 'sideways'], ['--threads', '0'], ['--seed', 'x'],
                     ['--progress', 'maybe'], ['another.onnx'], ['--input-shape', '1x2'],
                     ['--input-shape', 'q:1x2x6x6'], ['--dtype', 'floaty'],
                     ['--preprocess', 'blur=1'], ['--skip-ids', '99']):
            with self.subTest(args=args):
                self.fails(self.quantize(*args), USAGE)

    def test_options_of_passes(self):
        text = self.run_command(QUANTIZE, '--list-passes').stdout
        self.assertRegex(text, r'(?m)^equalize .*\n(    .*\n)*    excess=8 .*\(number, 1 to')
        for value, parts in (('equalize,exces=4', ('--pass equalize', "'exces'", "'excess'")),
                             ('equalize,excess=0', ('excess', '0', '1 to')),
                             ('equalize,iterations=2.5', ('2.5', 'an integer')),
                             ('equalise', ("'equalise'", "'equalize'")),
                             ('fold-bias,x=1', ('fold-bias', 'no options')),
                             ('excess=4', ('excess=4', 'before'))):
            with self.subTest(value=value):
                self.fails(self.quantize('--pass', value), USAGE, *parts)
        self.succeeds(self.quantize('--pass', 'correct-bias,samples=2,equalize,excess=2'))
        used = json.loads(self.get('out.json').decode())['settings']['pass']
        self.assertEqual(used, ['correct-bias,samples=2,equalize,excess=2'])

    def test_options_of_passes_in_configurations(self):
        saved = self.path('saved.json')
        for value, differ in (('fold-constants,max-bytes=0', False), ('equalize,excess=1,limit=3', True)):
            self.succeeds(self.quantize())
            plain = self.get('out.onnx')
            self.succeeds(self.quantize('--pass', value, '--save-config', saved))
            with open(saved) as f:
                self.assertEqual(json.load(f)['pass'], [value])
            changed = self.get('out.onnx')
            self.assertEqual(plain != changed, differ)
            self.succeeds(self.quantize('--config', saved))
            self.assertEqual(self.get('out.onnx'), changed)
        self.succeeds(self.quantize('--exclude', '/a\t"|^conv1$/', '--save-config', saved))
        with open(saved) as f:
            self.assertEqual(json.load(f)['exclude'], ['/a\t"|^conv1$/'])
        self.succeeds(self.quantize('--config', saved))
        self.put('bad.json', b'{"pass": ["equalize,excess=0"]}')
        self.assertEqual(self.quantize('--config', self.path('bad.json')).returncode, USAGE)

    def test_commands_need_a_model(self):
        for command in (QUANTIZE, RUN, INSPECT):
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
                         [INSPECT, model]):
                with self.subTest(name=name, command=os.path.basename(args[0])):
                    self.fails(self.run_command(*args), BAD, name + '.onnx')

    def test_models_that_cannot_be_read(self):
        for model in ('absent.onnx', self.dir):
            for args in ([QUANTIZE, model, '--random', '1', '-o', self.out], [RUN, model],
                         [INSPECT, model]):
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

    def test_run_writes_its_outputs(self):
        p = self.succeeds(self.run_command(RUN, self.model, '-i', 'x=' + self.data, '-o',
                                           self.path('results')))
        self.assertIn('y [1, 3]', p.stdout)
        self.assertTrue(self.get('results/y.npy').startswith(b'\x93NUMPY'))
        self.fails(self.run_command(RUN, self.model), USAGE, "'x'")
        self.fails(self.run_command(RUN, self.model, '-i', 'absent.npy'), IO, 'absent.npy')
        wrong = self.put('w.npy', onnx.npy([1, 2, 6, 5], SAMPLE[:60]))
        self.fails(self.run_command(RUN, self.model, '-i', wrong), BAD, '1x2x6x5')

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


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
