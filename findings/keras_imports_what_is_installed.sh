#!/usr/bin/env bash
# `import keras` imports matplotlib.pyplot, scikit-learn, SciPy's statistics and IPython wherever
# they happen to be installed, on every backend, though a program uses none of them: pictures, a
# file editor and wrappers for scikit-learn are among the modules that every import executes. So a
# program starts twice as slowly, and takes twice as many modules, in an environment that someone
# has set up for notebooks. One would expect optional packages to be imported where they are used.
#
# Seen with keras 3.15.1, jax 0.10.2, numpy 2.4.0, matplotlib 3.10.8, scikit-learn 1.8.0, ipython
# 9.8.0, on Python 3.11 (1.2 s of CPU before, 2.6 s after; times are not part of the check):
#   without: none of them
#   with: IPython matplotlib.pyplot scipy.stats sklearn; more than 1.5 times the modules
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'keras==3.15.1' 'jax==0.10.2' 'numpy==2.4.0' 'scipy==1.17.1'
cat > "$folder/imported.py" <<'PYTHON'
import sys

import keras

assert keras.backend.backend() == "jax"
optional = ("IPython", "matplotlib.pyplot", "scipy.stats", "sklearn")
print(" ".join(name for name in optional if name in sys.modules) or "none of them")
print(len(sys.modules), file=sys.stderr)
PYTHON
cd "$folder"
export KERAS_BACKEND=jax
venv/bin/python imported.py > without 2> number_without
venv/bin/pip install --quiet 'matplotlib==3.10.8' 'scikit-learn==1.8.0' 'ipython==9.8.0'
venv/bin/python imported.py > with 2> number_with
share=no
if [ $((2 * $(tail -n 1 number_with))) -gt $((3 * $(tail -n 1 number_without))) ]; then share=yes; fi
{
  echo "without: $(cat without)"
  echo "with: $(cat with)"
  echo "more than 1.5 times the modules: $share"
} > output
cat output
diff output - <<'EXPECTED'
without: none of them
with: IPython matplotlib.pyplot scipy.stats sklearn
more than 1.5 times the modules: yes
EXPECTED
