"""What all tests share: where programs and plans are kept, and that Ctrl-C is heard."""

import signal

import pytest

from nas_with_rl.launch.host import compilation


@pytest.fixture(scope="session", autouse=True)
def cache_directory(tmp_path_factory):
    """Leave the user's cache alone; what one test has compiled the next finds compiled."""
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(compilation.CACHE_VARIABLE, str(directory))
        yield directory


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard():
    """Let processes that tests start hear of Ctrl-C also where these tests run in the background.

    A shell starts background jobs with SIGINT ignored, and what they start inherits that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
