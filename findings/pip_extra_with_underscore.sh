#!/usr/bin/env bash
# An extra whose name has an underscore is not found by pip 23.2.1 under the name that setup.py
# gives it: setuptools 77 and later write `nas-bench` for `nas_bench`, and this pip compares the
# names as they are. It warns, installs the package without the extra, and ends with status 0, so
# that what is missing shows much later. pip 26 takes both spellings.
#
# Seen with setuptools 80.9.0 on Python 3.11:
#   pip 23.2.1: package[my_extra] status 0, iniconfig missing; package[my-extra] status 0, iniconfig installed
#   pip 26.0: package[my_extra] status 0, iniconfig installed; package[my-extra] status 0, iniconfig installed
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir package
cat > package/setup.py <<'PYTHON'
from setuptools import setup

setup(name="package", version="1.0", extras_require={"my_extra": ["iniconfig==2.1.0"]})
PYTHON
for pip in 23.2.1 26.0; do
  line="pip $pip:"
  for extra in my_extra my-extra; do
    rm -rf venv
    python3 -m venv venv
    venv/bin/python -m pip install --quiet "pip==$pip" 2>/dev/null
    venv/bin/python -m pip install --quiet 'setuptools==80.9.0' 'wheel==0.45.1'
    status=0
    venv/bin/python -m pip install --quiet --no-build-isolation "./package[$extra]" 2>/dev/null || status=$?
    found=installed
    venv/bin/python -c 'import iniconfig' 2>/dev/null || found=missing
    line="$line package[$extra] status $status, iniconfig $found;"
  done
  echo "${line%;}"
done > output
cat output
diff output - <<'EXPECTED'
pip 23.2.1: package[my_extra] status 0, iniconfig missing; package[my-extra] status 0, iniconfig installed
pip 26.0: package[my_extra] status 0, iniconfig installed; package[my-extra] status 0, iniconfig installed
EXPECTED
