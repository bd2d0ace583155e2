#!/bin/sh
# run.sh SCRIPT ARGUMENTS...: with the interpreter that has ONNX Runtime, if there is one.
python=${PPQ_PYTHON:-python3}
if ! "$python" -c 'import onnx, onnxruntime, numpy' 2>/dev/null; then
    echo "skipped: no onnxruntime (PPQ_PYTHON)"
    exit 77
fi
exec "$python" "$@"
