#!/usr/bin/env bash
# TensorFlow counts the traces of tf.function by the code of the Python function that it wraps, not
# by the tf.function: five objects of one class, each with its own tf.function of the same method,
# each called once and so traced once, make it warn of "5 out of the last 5 calls" and of expensive
# retracing, though nothing was traced twice. A concrete function that is asked for and called is
# not counted.
#
# Seen with tensorflow 2.21.0 on Python 3.11:
#   own tf.function each: 1 warning; traces: 1 1 1 1 1
#   concrete functions: 0 warnings
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'tensorflow==2.21.0'
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - 2>/dev/null > output <<'PYTHON'
import logging

import tensorflow as tf


class Model:
    def __init__(self):
        self.compiled = tf.function(self.step)

    def step(self, x):
        return x + 1.0


class Counter(logging.Handler):
    count = 0

    def emit(self, record):
        self.count += "retracing" in record.getMessage()


counter = Counter()
tf.get_logger().addHandler(counter)
models = [Model() for _ in range(5)]
for model in models:
    model.compiled(tf.constant(1.0))
traces = " ".join(str(m.compiled.experimental_get_tracing_count()) for m in models)
print(f"own tf.function each: {counter.count} warning; traces: {traces}")
counter.count = 0
for model in [Model() for _ in range(20)]:
    model.compiled.get_concrete_function(tf.TensorSpec([]))(tf.constant(1.0))
print(f"concrete functions: {counter.count} warnings")
PYTHON
cat output
diff output - <<'EXPECTED'
own tf.function each: 1 warning; traces: 1 1 1 1 1
concrete functions: 0 warnings
EXPECTED
