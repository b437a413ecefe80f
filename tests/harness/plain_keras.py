"""Files of plain Keras, run where this project cannot be imported, beside what is built here.

A case is a folder: `found.py`, the weights of what was built (`weights.npz`, of a thorough case
`built.weights.h5` too), `inputs.npy`, and `outputs.npz`, which the file's have to equal.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

PROGRAM = Path(__file__).with_name("plain_keras_process.py")


def write_case(folder, source, model, inputs, *, thorough=False):
    """Write a case: of a model, its weights and what it makes of the inputs.

    Thorough: as a file of weights too, and with what a step of training makes of them.
    """
    folder.mkdir(parents=True)
    (folder / "found.py").write_text(source, encoding="utf-8")
    if thorough:
        model.save_weights(folder / "built.weights.h5")
    np.savez(folder / "weights.npz", *model.get_weights())
    np.save(folder / "inputs.npy", inputs)
    outputs = {"outputs": model(inputs)}
    if thorough and any(weight.name == "moving_mean" for weight in model.weights):
        outputs["training"] = model(inputs, training=True)
        outputs["averages"] = np.concatenate([np.ravel(w) for w in model.get_weights()])
    values = {name: keras.ops.convert_to_numpy(each) for name, each in outputs.items()}
    np.savez(folder / "outputs.npz", **values)


def differences(folders, *, backend="tensorflow"):
    """Run all files in one fresh process; return the largest difference of each case.

    A difference is that of two outputs over the greater of 1 and the built one's magnitude.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # to compile
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, folders)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folders[0].parent,
        env=kept | quick | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
