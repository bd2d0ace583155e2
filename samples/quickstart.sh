#!/bin/sh
# Builds ppq and quantizes a real model: a Fashion-MNIST classifier that this project trained
# (samples/train_fashion.py). Installs what is missing on Debian or Ubuntu.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

samples/install_deps.sh gcc libc6-dev meson ninja-build pkg-config libprotobuf-c-dev protobuf-c-compiler \
    libdnnl-dev libcjson-dev zlib1g-dev libjpeg-dev libpng-dev dataset-fashion-mnist

build=${PPQ_BUILD:-build}
if [ ! -e "$build/build.ninja" ]; then
    log=$(meson setup "$build" --buildtype=release 2>&1) || { echo "$log"; exit 1; }
fi
ninja -C "$build" cli/ppq-quantize cli/ppq-eval cli/ppq-bench samples/fashion_mnist

data=/usr/share/datasets/fashion-mnist
out=$build/quickstart
mkdir -p "$out"
cp samples/fashion_cnn.onnx "$out"
"$build/samples/fashion_mnist" calib "$data" "$out/calib.bin" 256
"$build/samples/fashion_mnist" test "$data" "$out/test.bin" 10000

# Runs a command of ppq in the output's folder, after showing it.
PATH=$(CDPATH= cd -- "$build/cli" && pwd):$PATH
show() {
    echo
    echo "== $*"
    "$@"
}
cd "$out"
show ppq-quantize fashion_cnn.onnx -c calib.bin -o fashion_cnn.int8.onnx
show ppq-eval fashion_cnn.onnx fashion_cnn.int8.onnx --data test.bin --engines engine,simulate
show ppq-bench fashion_cnn.onnx fashion_cnn.int8.onnx --compare
