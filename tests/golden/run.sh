#!/bin/sh
# golden/run.sh PROGRAM SOURCE-DIR: unpacks PPQ's recorded answers and compares the dispatchers.
set -eu
archive=$2/../../../shared/golden.tar.xz
if [ ! -e "$archive" ]; then
    echo "skipped: no shared data"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -xJf "$archive" -C "$work" --wildcards '*/model.onnx' '*/dispatch.json'
"$1" "$work/golden" "$2/differences.txt"
