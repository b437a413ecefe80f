"""The served report: newest trials, this machine alone or a token, and one bad moment is no end."""

import contextlib
import dataclasses
import http.client
import itertools
import socket
import threading

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.records.trial_store import TrialStore
from nas_with_rl.launch.reports.serving import Pages, ReportServer, is_loopback, token_for
from nas_with_rl.search_spaces.errors import InputError

SPACE = nas.SearchSpace({"units": (16, 32), "activation": ("relu", "tanh")})


@pytest.fixture
def run(tmp_path):
    """Return the workdir of a search that has ended."""
    search = nas.SearchConfig(searcher="random", batch_size=4, duplicates="evaluate")
    options = nas.SearchOptions(search=search, progress=False)
    nas.search(
        SPACE, lambda a: a["units"], num_samples=8, workdir=tmp_path / "run", options=options
    )
    return tmp_path / "run"


def add_a_trial(run, reward):
    with contextlib.closing(TrialStore(run / "trials.sqlite")) as store:
        trial = store.all()[-1]
        store.add([dataclasses.replace(trial, number=trial.number + 1, reward=reward)])


@contextlib.contextmanager
def serving(pages, *, token=None):
    """Serve at a free port of this machine; yield a function that asks."""
    with ReportServer(pages, "127.0.0.1", 0, token) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        def ask(path="/", method="GET", **headers):
            port = server.server_address[1]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            found = answer.status, answer.read().decode(), dict(answer.getheaders())
            connection.close()
            return found

        try:
            yield ask
        finally:
            server.shutdown()
            thread.join()


def test_the_page_is_the_newest(run):
    pages = Pages(run, clock=lambda: 0.0)
    with serving(pages) as ask:
        status, page, headers = ask()
        assert status == 200 and "Trial " in page and "reward <strong>32" in page
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert headers["Cache-Control"] == "no-store" and "nosniff" in headers.values()
        version = ask("/version")[1]
        assert f'data-version="{version}"' in page and ask("/version")[1] == version
        add_a_trial(run, 99.0)
        assert ask("/version")[1] != version
        assert "reward <strong>99.00" in ask()[1] or "65.50" in ask()[1]
        status, page, headers = ask(method="HEAD")
        assert status == 200 and page == "" and int(headers["Content-Length"]) > 10_000
        assert ask("/etc/passwd")[0] == ask("/../run/trials.sqlite")[0] == 404


def test_making_pages_takes_a_share_of_the_time_alone(run):
    seconds = itertools.count()  # a second passes with each look at the clock
    pages = Pages(run, clock=lambda: float(next(seconds)))
    first = pages.newest()[0]
    add_a_trial(run, 1.0)
    versions = [pages.newest()[0] for _ in range(30)]
    assert versions.index(versions[-1]) in range(17, 21)  # a page took one: the 20th may be next
    assert set(versions) == {first, versions[-1]} and versions[-1] != first


def test_a_store_that_cannot_be_read_for_a_moment_leaves_the_page(run):
    now = [0.0]
    pages = Pages(run, clock=lambda: now[0])
    first = pages.newest()
    content = (run / "trials.sqlite").read_bytes()
    (run / "trials.sqlite").write_bytes(b"half a file")
    assert pages.newest() == first
    (run / "trials.sqlite").write_bytes(content)
    now[0] += 60
    assert pages.newest()[0] != first[0]


def test_another_name_for_this_machine_is_refused(run):
    with serving(Pages(run)) as ask:
        for name in ("localhost", "127.0.0.1:80", "LOCALHOST:8000", "[::1]:8000"):
            assert ask(Host=name)[0] == 200
        for name in (
            "evil.example",
            "127.0.0.1.evil.example:80",
            "localhost.evil",
            "",
            "192.0.2.1",
        ):
            status, said, _ = ask(Host=name)
            assert status == 403 and "Trial" not in said


def test_a_token_is_asked_for_and_kept_in_a_cookie(run):
    token = token_for("0.0.0.0", None)
    assert len(token) == 32 and token != token_for("0.0.0.0", None)
    with serving(Pages(run), token=token) as ask:
        for path in ("/", "/version", "/?token=", f"/?token={token[:-1]}", "/?token=ä"):
            status, said, _ = ask(path.replace("ä", "%C3%A4"))
            assert status == 403 and "Trial" not in said
        assert ask(Cookie="nas_with_rl_report=wrong")[0] == 403
        status, said, headers = ask(f"/?token={token}")
        assert (status, said, headers["Location"]) == (303, "", "/")
        assert "HttpOnly" in headers["Set-Cookie"] and "SameSite=Strict" in headers["Set-Cookie"]
        cookie = headers["Set-Cookie"].partition(";")[0]
        status, page, _ = ask(Cookie=cookie, Host="a.machine:8000")
        assert status == 200 and "Trial" in page and token not in page
        assert ask("/version", Cookie=cookie)[0] == 200


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", 1), ("::1", 1), ("localhost", 1), ("0.0.0.0", 0), ("::", 0), ("10.0.0.7", 0)],
)
def test_only_this_machine_needs_no_token(host, loopback):
    assert is_loopback(host) == bool(loopback)
    assert (token_for(host, None) is None) == bool(loopback)
    assert token_for(host, "abcd1234") == "abcd1234"


@pytest.mark.parametrize("token", ["", "short", "with blanks in it", "äöüäöüäöü", "a;b=c;d=e"])
def test_a_token_that_is_easily_guessed_or_no_word_is_refused(token):
    with pytest.raises(InputError, match="--token needs"):
        token_for("0.0.0.0", token)


def test_what_cannot_be_served_is_said_in_a_line(run, tmp_path):
    with pytest.raises(InputError, match="there is no directory"):
        Pages(tmp_path / "nothing")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}, cannot be listened at"):
            ReportServer(Pages(run), "127.0.0.1", port, None)
    with pytest.raises(InputError, match="cannot be listened at"):
        ReportServer(Pages(run), "no.such.host.invalid", 0, None)
