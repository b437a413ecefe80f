#!/usr/bin/env bash
# TensorFlow writes a checkpoint to the path that it is given and reads it by the same path as a
# pattern: in a directory whose name has brackets, as sweeps name theirs (lr=[0.1]), a checkpoint is
# written without a word and is never found again.
#
# Seen with tensorflow 2.21.0 on Python 3.11:
#   lr=0.1: written, read
#   lr=[0.1]: written, NotFoundError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'tensorflow==2.21.0'
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - 2>/dev/null > output <<'PYTHON'
import os

import tensorflow as tf

for name in ("lr=0.1", "lr=[0.1]"):
    os.mkdir(name)
    path = os.path.join(name, "state")
    checkpoint = tf.train.Checkpoint(x=tf.Variable(1.0))
    checkpoint.write(path)
    written = "written" if os.path.exists(f"{path}.index") else "not written"
    try:
        checkpoint.read(path).assert_consumed()
        print(f"{name}: {written}, read")
    except tf.errors.OpError as error:
        print(f"{name}: {written}, {type(error).__name__}")
PYTHON
cat output
diff output - <<'EXPECTED'
lr=0.1: written, read
lr=[0.1]: written, NotFoundError
EXPECTED
