"""TensorBoard's own reader finds what was written, and TensorFlow is not imported for it."""

import io
import random
import struct
import subprocess
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_ndarray

from nas_with_rl.launch.records.event_file import EventFile, record


def read(directory):
    """Return {tag: [(step, value), ...]} and the descriptions of the tags."""
    events = EventAccumulator(str(directory), size_guidance={"tensors": 0}).Reload()
    tags = events.Tags()["tensors"]
    points = {
        tag: [(one.step, make_ndarray(one.tensor_proto).item()) for one in events.Tensors(tag)]
        for tag in tags
    }
    return points, {tag: events.SummaryMetadata(tag).summary_description for tag in tags}


def test_points_read_back_before_the_file_is_closed(tmp_path):
    file = EventFile(tmp_path / "new" / "curves", meanings={"a": "what it is"})
    file.add(3, {"a": 1.5, "b": -2.0})
    file.add(7, {"a": 2.5})
    points, meanings = read(tmp_path / "new" / "curves")
    assert points == {"a": [(3, 1.5), (7, 2.5)], "b": [(3, -2.0)]}
    assert meanings == {"a": "what it is", "b": ""}
    file.close()


def test_a_second_file_of_one_second_is_the_same_run(tmp_path):
    for step in (1, 2):
        file = EventFile(tmp_path)
        file.add(step, {"a": step})
        file.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert read(tmp_path)[0] == {"a": [(1, 1.0), (2, 2.0)]}


def test_it_is_written_without_tensorflow(tmp_path):
    script = (
        "import sys; from pathlib import Path; "
        "from nas_with_rl.launch.records.event_file import EventFile; "
        f"file = EventFile(Path({str(tmp_path)!r})); file.add(1, {{'a': 2.0}}); file.close(); "
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["False"], done.stderr
    assert read(tmp_path)[0] == {"a": [(1, 2.0)]}


def test_a_record_is_what_tensorboards_own_writer_makes_of_it():
    check = struct.pack("<I", (((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF))
    assert record(b"123456789")[-4:] == check  # the check value of CRC-32C
    for size in (0, 1, 7, 300, 5000):
        data, file = random.Random(size).randbytes(size), io.BytesIO()
        RecordWriter(file).write(data)
        assert record(data) == file.getvalue()
