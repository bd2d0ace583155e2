#!/bin/sh
# Installs what is missing on Debian or Ubuntu, builds and runs all tests: a release build with gcc,
# an AddressSanitizer+UBSan build, and a clang build. Ends with "N passed, N failed, N skipped".
#
# Environment: PPQ_TEST_BUILD  folder of the builds (default build/test)
#              PPQ_TEST_STRICT 1: what cannot be installed is a failure, not a skip
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
builds=${PPQ_TEST_BUILD:-$root/build/test}
strict=${PPQ_TEST_STRICT:-0}
mkdir -p "$builds"

samples/install_deps.sh gcc clang libc6-dev meson ninja-build pkg-config libprotobuf-c-dev protobuf-c-compiler \
    libdnnl-dev libcjson-dev zlib1g-dev libjpeg-dev libpng-dev check g++ python3 python3-venv xz-utils \
    dataset-fashion-mnist libonnx-testdata

# The real consumer: ONNX Runtime, in a virtual environment of its own.
python=$builds/venv/bin/python
if ! "$python" -c 'import onnx, onnxruntime, numpy' 2>/dev/null; then
    python3 -m venv "$builds/venv" &&
        "$python" -m pip install --quiet onnx onnxruntime numpy pillow ||
        echo "onnxruntime cannot be installed: interop tests will be skipped"
fi
have_ort=1
"$python" -c 'import onnx, onnxruntime, numpy' 2>/dev/null || have_ort=0
if [ "$strict" = 1 ] && [ "$have_ort" = 0 ]; then
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
[ "$have_ort" = 1 ] && PPQ_PYTHON=$python && export PPQ_PYTHON

passed=0 failed=0 skipped=0
# suite NAME COMPILER OPTIONS -- MESON TEST ARGUMENTS
suite() {
    name=$1 compiler=$2 options=$3
    shift 3
    dir=$builds/$name
    log=$builds/$name.log
    if [ ! -e "$dir/build.ninja" ]; then
        # shellcheck disable=SC2086
        CC=$compiler meson setup "$dir" -Dwerror=true -Dtests=enabled $options >"$log" 2>&1 || { cat "$log"; return 1; }
    fi
    ninja -C "$dir" >"$log" 2>&1 || { grep -E 'error|warning|FAILED' "$log" | head -40; return 1; }
    meson test -C "$dir" --no-rebuild --print-errorlogs "$@" >"$log" 2>&1 || true
    grep -E '(FAIL|TIMEOUT|ERROR) ' "$log" | sort -u | head -40 || true
    count() { sed -n "s/^$1: *\([0-9][0-9]*\).*/\1/p" "$log" | tail -n 1; }
    ok=$(count Ok) bad=$(count Fail) late=$(count Timeout) skip=$(count Skipped)
    if [ -z "$ok" ]; then
        tail -n 20 "$log"
        return 1
    fi
    passed=$((passed + ok)) failed=$((failed + ${bad:-0} + ${late:-0})) skipped=$((skipped + ${skip:-0}))
    echo "$name: $ok passed, $((${bad:-0} + ${late:-0})) failed, ${skip:-0} skipped"
}

suite release gcc '--buildtype=release' || failed=$((failed + 1))
suite sanitize gcc '--buildtype=debugoptimized -Db_sanitize=address,undefined' --no-suite interop || failed=$((failed + 1))
suite clang clang '--buildtype=release' --no-suite interop || failed=$((failed + 1))

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
