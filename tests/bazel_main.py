"""Run one test file with pytest: the main of every py_test."""

import os
import sys

import pytest

if __name__ == "__main__":
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = os.environ["TEST_TMPDIR"]
    options = ["--import-mode=importlib", "-p", "no:cacheprovider"]
    report = f"--junitxml={os.environ['XML_OUTPUT_FILE']}"
    sys.exit(pytest.main([*options, report, *sys.argv[1:]]))
