#!/usr/bin/env python3
"""A command's --help and its manual page name the same options, and the page is sound.

test_man.py COMMAND PAGE [COMMAND PAGE ...]
"""
import os
import re
import shutil
import subprocess
import sys

failures = 0


def check(ok, what):
    global failures
    failures += not ok
    if not ok:
        print('FAIL', what)


def options_of_help(command):
    """{long name: letter or ''}"""
    text = subprocess.run([command, '--help'], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    found = re.findall(r'(?m)^  (?:-(\w),|   ) --([a-z-]+)', text)
    return {name: letter for letter, name in found}


def options_of_page(page):
    with open(page) as f:
        found = re.findall(r'(?m)^\.It (?:Fl (\w) , )?Fl -([a-z-]+)', f.read())
    check(len(found) == len({name for _, name in found}), f'{page}: an option is listed twice')
    return {name: letter for letter, name in found}


def quiet(what, *args):
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    check(p.returncode == 0 and not p.stdout.strip(), f'{what}: {p.stdout.strip()}')


for command, page in zip(sys.argv[1::2], sys.argv[2::2]):
    told, written = options_of_help(command), options_of_page(page)
    check(len(told) > 10, f'{command}: only {len(told)} options in --help')
    for name in sorted(told.keys() | written.keys()):
        check(told.get(name) == written.get(name),
              f'{os.path.basename(page)}: option --{name} has letter {written.get(name)!r}, --help says '
              f'{told.get(name)!r} (None: not listed)')
    if shutil.which('groff'):
        quiet(page, 'groff', '-mdoc', '-ww', '-z', '-Tutf8', page)
    if shutil.which('mandoc'):
        quiet(page, 'mandoc', '-Tlint', '-Wwarning', page)
sys.exit(1 if failures else 0)
