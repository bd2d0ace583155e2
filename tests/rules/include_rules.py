#!/usr/bin/env python3
"""Who may include whom, and what no file may contain."""
import os
import re
import subprocess
import sys

ROOT = sys.argv[1]

# Folder -> prefixes of project headers it may include, beyond its own. The first match counts.
ALLOWED = [
    ('core/', ['core/']),
    ('parser/', ['core/']),
    ('scheduler/', ['core/']),
    ('executor/', ['core/', 'executor/', 'parser/nested.h']),
    ('passes/', ['core/', 'executor/exec.h']),
    ('exporter/', ['core/', 'parser/encode.h']),
    ('quantizer/', ['core/', 'parser/', 'scheduler/', 'executor/', 'passes/', 'exporter/', 'ppq/']),
    ('cli/', ['ppq/', 'cli.h']),
    ('samples/', ['ppq/']),
    ('include/ppq/', ['ppq/']),
]
# Lists that the build writes, for the registries.
GENERATED = re.compile(r'\w+_list\.h$')
# Foreign header -> the files that may include it.
FOREIGN = {
    r'(oneapi/)?dnnl': r'executor/dnnl/compat/',
    r'protobuf-c/': r'(parser|exporter)/',
    r'cjson/|cJSON': r'core/json\.c',
    r'zlib\.h': r'quantizer/data/|samples/|tests/',
    r'(png|jpeglib)\.h': r'quantizer/data/image\.c|executor/ops/image_decoder\.c|tests/',
}
FOREIGN_TYPES = {
    r'\bdnnl_\w+_t\b': r'executor/dnnl/compat/',
    r'\b(ProtobufC\w+|Onnx__\w+)\b': r'(parser|exporter)/',
    r'\bcJSON\b': r'core/json\.c',
}
TEXT = ('.c', '.h', '.in', '.py', '.sh', '.md', '.txt', '.build', '.proto', '.json', '.yml')
# What is spelled in two parts here would otherwise find itself.
FORBIDDEN = {
    'a path of some workplace': r'/wo' r'rk/|/tmp/bu' r'ild',
    'an unfinished remark': r'\b(TO' r'DO|FIX' r'ME|XX' r'X)\b',
    'a conflict marker': r'^(<{7}|>{7}) ',
}
UNSAFE = r'\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|gets|alloca)\s*\('

problems = []


def problem(path, line, what):
    problems.append('%s:%d: %s' % (path, line, what))


def files():
    """Files of the project: what git knows, or everything when this is no checkout."""
    try:
        out = subprocess.run(['git', '-C', ROOT, 'ls-files', '-z'], check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        return sorted(f for f in out.decode().split('\0') if f)
    except (OSError, subprocess.CalledProcessError):
        found = []
        for base, dirs, names in os.walk(ROOT):
            # Neither what is hidden nor what is built.
            dirs[:] = [d for d in dirs if not d.startswith('.')
                       and not os.path.exists(os.path.join(base, d, 'build.ninja'))]
            found += [os.path.relpath(os.path.join(base, n), ROOT) for n in names]
        return sorted(found)


def check_include(path, number, kind, header):
    for pattern, where in FOREIGN.items():
        if kind == '<' and re.match(pattern, header) and not re.match(where, path):
            problem(path, number, 'may not include <%s>' % header)
    if kind == '<':
        return
    for folder, allowed in ALLOWED:
        if not path.startswith(folder):
            continue
        own = header.startswith(folder) or GENERATED.match(header)
        if not own and not any(header.startswith(a) for a in allowed):
            problem(path, number, '%s may not include "%s"' % (folder, header))
        if header.startswith('executor/dnnl/') and not path.startswith('executor/') and \
                path != 'quantizer/api.c' and path != 'quantizer/session.c':
            problem(path, number, 'only the executor and the session know "%s"' % header)
        return


def check_code(path, lines):
    for number, line in enumerate(lines, 1):
        m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
        if m:
            check_include(path, number, m.group(1), m.group(2))
        if path.startswith('tests/'):
            continue
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line.split('//')[0])
        for pattern, where in FOREIGN_TYPES.items():
            if re.search(pattern, code) and not re.match(where, path):
                problem(path, number, 'a type of another library: %s' % code.strip())
        if re.search(UNSAFE, code):
            problem(path, number, 'a function that cannot be used safely: %s' % code.strip())
        # Running out of structural memory ends the process; it says so first.
        if not path.startswith(('cli/', 'samples/', 'core/arena.c')) and \
                re.search(r'\b(printf|puts|perror)\s*\(|\bstd(err|out)\b', code):
            problem(path, number, 'only the commands print: %s' % code.strip())


def check_text(path, data):
    try:
        text = data.decode('utf-8')
    except UnicodeDecodeError:
        problem(path, 1, 'no UTF-8 text')
        return
    if text and not text.endswith('\n'):
        problem(path, text.count('\n') + 1, 'no newline at the end')
    if text.endswith('\n\n'):
        problem(path, text.count('\n'), 'blank lines at the end')
    lines = text.split('\n')
    for number, line in enumerate(lines, 1):
        if '\t' in line:
            problem(path, number, 'a tab')
        if line != line.rstrip():
            problem(path, number, 'blanks at the end of the line')
        for what, pattern in FORBIDDEN.items():
            if re.search(pattern, line):
                problem(path, number, what)
    if path.endswith(('.c', '.h')) and not path.endswith('.in'):
        check_code(path, lines)


def self_test():
    """Rules that find nothing in bad text would prove nothing."""
    bad = ['#include "quantizer/init.h"\tx', '#include <dnnl.h>  ', 'dnnl_memory_t m;',
           'strcpy(a, b);', 'printf("");', '// TO' + 'DO']
    check_text('core/bad.c', '\n'.join(bad).encode())
    found = len(problems)
    problems.clear()
    check_text('core/good.c', b'#include "core/base.h"\n#include <stdio.h>\n'
               b'snprintf(s, n, "TO' b'DOS: printf(");\n')
    if found < 9 or problems:
        sys.exit('include_rules.py does not work: %d found, %s' % (found, problems))


def main():
    self_test()
    checked = 0
    for path in files():
        full = os.path.join(ROOT, path)
        if not path.endswith(TEXT) or not os.path.isfile(full) or '/corpus/' in path:
            continue
        with open(full, 'rb') as f:
            check_text(path, f.read())
        checked += 1
    for p in problems:
        print(p)
    print('%d files checked, %d problems' % (checked, len(problems)))
    sys.exit(1 if problems or checked < 100 else 0)


main()
