"""Tests that pytest runs."""

def pytest_tests(name, deps, size = "medium", folders = []):
    """Declares NAME_TEST for every *_test.py of a folder, and the suite NAME of them all.

    Args:
      name: the folder under tests/.
      deps: what the tests import.
      size: Bazel's test size.
      folders: further ones under tests/ whose files the tests use.
    """
    tests = []
    for path in native.glob([name + "/**/*_test.py"]):
        test = path[:-len(".py")].replace("/", "_")
        tests.append(test)
        native.py_test(
            name = test,
            size = size,
            srcs = ["bazel_main.py", path],
            args = ["$(location %s)" % path],
            data = native.glob(
                ["conftest.py", "harness/*.py", "harness/workdirs_before/**"] + [
                    folder + end
                    for folder in [name] + folders
                    for end in ("/**/*.json", "/**/*.py", "/**/*.txt")
                ],
            ),
            main = "bazel_main.py",
            python_version = "PY3",
            deps = deps + ["//:import_name"],
        )
    if tests:  # a suite of no tests would be one of all tests
        native.test_suite(name = name, tests = tests)
