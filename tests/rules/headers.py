#!/usr/bin/env python3
"""Every header compiles alone as C11; the public ones as C++17 too.

headers.py SOURCE_ROOT BUILD_ROOT CC_COMMAND... [-- CXX_COMMAND...]
"""
import concurrent.futures
import os
import subprocess
import sys
import tempfile

ROOT, BUILD = sys.argv[1:3]
COMMANDS = sys.argv[3:]
CUT = COMMANDS.index('--') if '--' in COMMANDS else len(COMMANDS)
CC, CXX = COMMANDS[:CUT], COMMANDS[CUT + 1:]
FOLDERS = ['core', 'parser', 'scheduler', 'executor', 'passes', 'exporter', 'quantizer', 'cli',
           'include']
STRICT = ['-fsyntax-only', '-Wall', '-Wextra', '-Wpedantic', '-Werror']


def is_template(path):
    """Included several times on purpose, with names given by macros: has no guard."""
    with open(path) as f:
        text = f.read()
    return '#ifndef PPQ_' not in text and 'NAME(' in text


def headers():
    for folder in FOLDERS:
        for base, _, names in os.walk(os.path.join(ROOT, folder), followlinks=True):
            for name in sorted(names):
                if name.endswith('.h') and not is_template(os.path.join(base, name)):
                    yield os.path.relpath(os.path.join(base, name), ROOT)


def compiles(job):
    command, std, suffix, header, twice = job
    with tempfile.NamedTemporaryFile('w', suffix=suffix) as f:
        f.write('#include "%s"\n' % header * (2 if twice else 1) + 'extern int not_empty;\n')
        f.flush()
        # Helpers of a header that stands alone are unused by nature.
        flags = STRICT + ['-std=' + std, '-D_POSIX_C_SOURCE=200809L', '-Wno-unused-function']
        if suffix == '.cc' or header.startswith(('include/', 'cli/')):
            paths = ['-I', os.path.join(ROOT, 'include'), '-I', ROOT]
        else:
            paths = ['-I', ROOT, '-I', BUILD, '-I', os.path.join(ROOT, 'include'),
                     '-I', os.path.join(ROOT, os.path.dirname(header))]
        out = subprocess.run(command + flags + paths + [f.name], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, universal_newlines=True)
    return '' if out.returncode == 0 else '%s as %s:\n%s' % (header, std, out.stdout)


def main():
    jobs = []
    for header in headers():
        jobs.append((CC, 'c11', '.c', header, True))
        if header.startswith('include/') and CXX:
            jobs.append((CXX, 'c++17', '.cc', header, True))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failed = [f for f in pool.map(compiles, jobs) if f]
    print('\n'.join(failed))
    print('%d compilations, %d failed%s' % (len(jobs), len(failed),
                                            '' if CXX else ', no C++ compiler'))
    sys.exit(1 if failed or len(jobs) < 40 else 0)


main()
