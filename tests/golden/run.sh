#!/bin/sh
# golden/run.sh SOURCE-DIR 'PATTERN...' COMMAND...: unpacks those of PPQ's recorded answers and runs the
# command on the folder, its last argument.
set -euf
archive=$1/../shared/golden.tar.xz
patterns=$2
shift 2
if [ ! -e "$archive" ]; then
    echo "skipped: no shared data"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086
tar -xJf "$archive" -C "$work" --wildcards $patterns
"$@" "$work/golden"
