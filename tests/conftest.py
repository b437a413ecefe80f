"""What all tests share: how programs start, where programs and plans are kept, Ctrl-C heard."""

import collections
import signal

import hypothesis
import pytest

from nas_with_rl.launch.host import compilation
from tests.harness import forked_popen

hypothesis.settings.register_profile("tests", deadline=None)  # a machine may do much else
hypothesis.settings.load_profile("tests")
SERVER = forked_popen.ForkServer()


def pytest_addoption(parser):
    parser.addoption(
        "--real-starts", action="store_true", help="fork no program: start each as a user does"
    )


@pytest.fixture(scope="session", autouse=True)
def fork_server(ctrl_c_is_heard, cache_directory):
    """Let programs start without their imports, but for tests that are marked `real_start`."""
    with forked_popen.programs_forked_by(SERVER):
        yield SERVER


def pytest_collection_modifyitems(items):
    """Begin with the files of few tests, which take longest: none is left for the end alone."""
    sizes = collections.Counter(item.path for item in items)
    items.sort(key=lambda item: sizes[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    is_real = item.get_closest_marker("real_start") is not None
    SERVER.is_paused = is_real or item.config.getoption("--real-starts")
    return (yield)


@pytest.fixture(scope="session", autouse=True)
def cache_directory(tmp_path_factory):
    """Leave the user's cache alone; what one test has compiled the next finds compiled."""
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(compilation.CACHE_VARIABLE, str(directory))
        yield directory


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard():
    """Let processes that tests start hear of signals also where these tests run in the background.

    A shell starts background jobs with SIGINT ignored, `nohup` with SIGHUP, and what they start
    inherits that.
    """
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
