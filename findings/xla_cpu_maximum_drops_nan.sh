#!/usr/bin/env bash
# On CPU, TensorFlow's maximum compiled by XLA loses a NaN of its second argument and keeps one of
# its first: maximum(1, NaN) is 1, maximum(NaN, 1) is NaN. Without XLA both are NaN, as in NumPy and
# as XLA's own specification has it. Max pooling loses a NaN under XLA likewise. So a network that
# has diverged can measure well once it is compiled.
#
# Seen with tensorflow 2.21.0, numpy 2.4.6, on Python 3.11, x86-64:
#   maximum(NaN, 1): graph nan, XLA nan
#   maximum(1, NaN): graph nan, XLA 1.0
#   max_pool of 1, NaN: XLA 1.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'tensorflow==2.21.0' 'numpy==2.4.6'
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - 2>/dev/null > output <<'PYTHON'
import tensorflow as tf

nan = float("nan")
graph = tf.function(tf.maximum)
xla = tf.function(tf.maximum, jit_compile=True)
for title, a, b in (("NaN, 1", nan, 1.0), ("1, NaN", 1.0, nan)):
    values = [f(tf.constant([a]), tf.constant([b])).numpy()[0] for f in (graph, xla)]
    print(f"maximum({title}): graph {values[0]}, XLA {values[1]}")
pool = tf.function(lambda x: tf.nn.max_pool1d(x, 2, 2, "VALID"), jit_compile=True)
print(f"max_pool of 1, NaN: XLA {pool(tf.constant([[[1.0], [nan]]])).numpy().item()}")
PYTHON
cat output
diff output - <<'EXPECTED'
maximum(NaN, 1): graph nan, XLA nan
maximum(1, NaN): graph nan, XLA 1.0
max_pool of 1, NaN: XLA 1.0
EXPECTED
