"""Reads what a page has packed: in Python, and by the page's own module in node."""

import base64
import json
import subprocess
from pathlib import Path

import numpy as np

MODULE = Path(__file__).parents[2] / "explorer" / "page" / "module" / "stored_data.mjs"
_SCRIPT = """
import { readFileSync } from "node:fs";
import { unpacked } from %s;
const { exploration, data } = JSON.parse(readFileSync(0, "utf8"));
const read = await unpacked(exploration, Buffer.from(data, "base64"));
const bytes = (array) => Buffer.from(array.slice().buffer).toString("base64");
console.log(JSON.stringify(read.models.map((model) => model.layers.map((layer) =>
  layer.signals.map((signal) => bytes(signal.codes))))));
"""


def read_packed(reference, inflated):
    """Return the array of a reference into an inflated buffer, without what is expected of it."""
    kind = np.dtype(reference["type"]).newbyteorder("<")
    shape = tuple(reference["shape"])
    size = int(np.prod(shape, dtype=np.int64))
    array = np.frombuffer(inflated, kind, size, reference["offset"]).reshape(shape)
    if reference.get("delta"):
        array = np.cumsum(array, axis=-1, dtype=np.uint8)
    return array.astype(kind.newbyteorder("="), copy=False)


def read_by_the_page(data):
    """Return the codes that the page's module reads, uint8 [H * T], by model, layer and signal."""
    given = {"exploration": data.exploration, "data": base64.b64encode(data.data).decode()}
    done = subprocess.run(
        ["node", "--input-type=module", "-e", _SCRIPT % json.dumps(MODULE.as_uri())],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [
        [[np.frombuffer(base64.b64decode(codes), np.uint8) for codes in layer] for layer in model]
        for model in json.loads(done.stdout)
    ]
