"""Uses trained models by the files beside them alone: the README's example, then what is asked.

Each argument is a folder with `inputs.npy`, of images or of tokens, and `text.txt` for a language
model; `found.npz` is written there.
"""

import os
import re
import sys
from pathlib import Path

import keras
import numpy as np


def use(folder):
    """Carry out the README's example as a user would, then compute what is compared."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.modules.pop("model", None)
    (example,) = re.findall(r"```python\n(.*?)```", Path("README.md").read_text("utf-8"), re.DOTALL)
    assert len(example.splitlines()) <= 11
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    module, inputs = names["model"], np.load("inputs.npy")
    found = {}
    if hasattr(module, "encode"):
        text = Path("text.txt").read_text(encoding="utf-8")
        found["numbers"] = module.encode(text)
        found["text"] = np.array(module.decode(found["numbers"]))
    else:
        inputs = module.prepared(inputs)
        found["inputs"] = keras.ops.convert_to_numpy(inputs)
    model = module.load()
    found["logits"] = keras.ops.convert_to_numpy(model(inputs))
    model.save("saved_again.keras")
    again = module.load("saved_again.keras")
    found["again"] = keras.ops.convert_to_numpy(again(inputs))
    np.savez("found.npz", **found)
    sys.path.remove(str(folder))


if __name__ == "__main__":
    sys.modules["nas_with_rl"] = None  # whoever imports it gets an ImportError
    for path in sys.argv[1:]:
        use(Path(path))
