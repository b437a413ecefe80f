#!/usr/bin/env bash
# Importing pandas imports PyArrow where that is installed beside it, and PyArrow's allocator starts
# a thread: a program that has imported pandas and nothing else is no longer single-threaded, so
# that what it forks is forked off a program of several threads. (Keras imports pandas wherever it
# is installed.)
#
# Seen with pandas 2.3.3 and pyarrow 21.0.0 on Python 3.11, Linux, OpenBLAS told to use one thread:
#   pandas: 1 thread
#   pandas, pyarrow: 2 threads, jemalloc_bg_thd
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet 'numpy==2.2.6' 'pandas==2.3.3'
cat > threads.py <<'PYTHON'
import os
import sys

import pandas

tasks = os.listdir("/proc/self/task")
names = {open(f"/proc/self/task/{task}/comm").read().strip() for task in tasks}
others = sorted(names - {open("/proc/self/comm").read().strip()})
imported = ", ".join(name for name in ("pandas", "pyarrow") if name in sys.modules)
print(f"{imported}: {len(tasks)} thread{'s' * (len(tasks) > 1)}", *others, sep=", ")
PYTHON
OPENBLAS_NUM_THREADS=1 venv/bin/python threads.py > output
venv/bin/pip install --quiet 'pyarrow==21.0.0'
OPENBLAS_NUM_THREADS=1 venv/bin/python threads.py >> output
cat output
diff output - <<'EXPECTED'
pandas: 1 thread
pandas, pyarrow: 2 threads, jemalloc_bg_thd
EXPECTED
