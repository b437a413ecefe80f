#!/usr/bin/env bash
# threadpoolctl limits the threads of the libraries that it knows by the names of their files, and
# says nothing where it knows none: with releases before 3.5 `threadpool_limits(1)` is entered and
# left without a word, and the OpenBLAS of NumPy 2's wheels (libscipy_openblas64_) keeps them all.
#
# Seen with numpy 2.2.6 on Python 3.11, two threads asked for by the environment:
#   threadpoolctl 3.3.0: found [], within a limit of 1 OpenBLAS has 2 threads
#   threadpoolctl 3.5.0: found ['libscipy_openblas'], within a limit of 1 OpenBLAS has 1 threads
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > limited.py <<'PYTHON'
import ctypes
import glob
import importlib.metadata
import os

import numpy
import threadpoolctl

folder = os.path.join(os.path.dirname(numpy.__file__), "..", "numpy.libs")
(library,) = glob.glob(os.path.join(folder, "libscipy_openblas64_*.so"))
count = ctypes.CDLL(library).scipy_openblas_get_num_threads64_
found = [row["prefix"] for row in threadpoolctl.threadpool_info()]
with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
    inside = count()
version = importlib.metadata.version("threadpoolctl")
print(f"threadpoolctl {version}: found {found}, within a limit of 1 OpenBLAS has {inside} threads")
PYTHON
for version in 3.3.0 3.5.0; do
  python3 -m venv "venv-$version"
  "venv-$version/bin/pip" install --quiet 'numpy==2.2.6' "threadpoolctl==$version" 2>/dev/null
  OPENBLAS_NUM_THREADS=2 "venv-$version/bin/python" limited.py
done > output
cat output
diff output - <<'EXPECTED'
threadpoolctl 3.3.0: found [], within a limit of 1 OpenBLAS has 2 threads
threadpoolctl 3.5.0: found ['libscipy_openblas'], within a limit of 1 OpenBLAS has 1 threads
EXPECTED
