#!/bin/sh
# Builds ppq and quantizes a real model: a Fashion-MNIST classifier that this project trained
# (samples/train_fashion.py). Installs what is missing on Debian or Ubuntu.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

samples/install_deps.sh gcc libc6-dev meson ninja-build pkg-config libprotobuf-c-dev protobuf-c-compiler \
    libdnnl-dev libcjson-dev zlib1g-dev libjpeg-dev libpng-dev dataset-fashion-mnist

build=${PPQ_BUILD:-build}
[ -e "$build/build.ninja" ] || meson setup "$build" --buildtype=release >/dev/null
ninja -C "$build" cli/ppq-quantize cli/ppq-inspect samples/fashion_mnist

data=/usr/share/datasets/fashion-mnist
out=$build/quickstart
mkdir -p "$out"
cp samples/fashion_cnn.onnx "$out/fashion_cnn.onnx"

echo
echo "== calibration data: 256 training images"
"$build/samples/fashion_mnist" calib "$data" "$out/calib.bin" 256

echo "== ppq-quantize $out/fashion_cnn.onnx -c $out/calib.bin -o $out/fashion_cnn.int8.onnx"
"$build/cli/ppq-quantize" "$out/fashion_cnn.onnx" -c "$out/calib.bin" -o "$out/fashion_cnn.int8.onnx"

echo
echo "== accuracy on 10,000 test images, float and int8"
"$build/samples/fashion_mnist" eval "$data" "$out/fashion_cnn.onnx" "$out/fashion_cnn.int8.onnx"
