#!/usr/bin/env bash
# A function that cloudpickle sends by value forgets the file that it was written in, from release
# 3.1.3 on: a traceback from another process then says "<dynamic-code>" and has no source lines, for
# a function of `__main__` whose file is there and was named until 3.1.2. One would not expect it of
# a release that changes the third number.
#
# Seen with Python 3.11, the function of a script that divides by zero:
#   cloudpickle 3.1.2: File "sent.py", line 9, in divide: return 1 / number
#   cloudpickle 3.1.3: File "<dynamic-code>", line 9, in divide: (no source)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > sent.py <<'PYTHON'
import os
import pickle
import traceback

import cloudpickle


def divide(number):
    return 1 / number


read = pickle.loads(cloudpickle.dumps(divide))
try:
    read(0)
except ZeroDivisionError as error:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    name, source = os.path.basename(frame.filename), frame.line or "(no source)"
    where = f'File "{name}", line {frame.lineno}, in {frame.name}: {source}'
    print(f"cloudpickle {cloudpickle.__version__}: {where}")
PYTHON
for version in 3.1.2 3.1.3; do
  python3 -m venv "venv-$version"
  "venv-$version/bin/pip" install --quiet "cloudpickle==$version" 2>/dev/null
  "venv-$version/bin/python" sent.py
done > output
cat output
diff output - <<'EXPECTED'
cloudpickle 3.1.2: File "sent.py", line 9, in divide: return 1 / number
cloudpickle 3.1.3: File "<dynamic-code>", line 9, in divide: (no source)
EXPECTED
