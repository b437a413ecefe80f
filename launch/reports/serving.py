"""A search's report, served while the search runs: made anew when its trials have changed."""

from __future__ import annotations

import hmac
import http
import http.cookies
import http.server
import ipaddress
import secrets
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from nas_with_rl.launch.records.workdir import Workdir
from nas_with_rl.launch.reports.page import Live, report_html
from nas_with_rl.launch.reports.subject import is_at_work, read_subject
from nas_with_rl.search_spaces.errors import InputError, shown

SECONDS = 5.0  # between two looks of a page
SHARE = 0.05  # of a processor that the making of pages takes at most
LOOPBACK = "127.0.0.1"
_COOKIE = "nas_with_rl_report"
_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})  # by which this machine calls itself
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Pages:
    """The newest page of a search, for all who ask at once.

    Raises:
      InputError: of the first one, where there is no search.
    """

    def __init__(
        self,
        workdir: str | Path,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Make the first page.

        Args:
          workdir: of the search.
          seconds: after which a page looks again.
          clock: seconds from any moment on.
        """
        self._place, self._seconds, self._clock = Workdir(workdir), seconds, clock
        self._lock = threading.Lock()
        self._number, self._begun = 0, secrets.token_hex(4)  # a server that is started again
        self._due = 0.0
        self._stamp = self._stamp_now()
        self._newest = self._made()

    def newest(self) -> tuple[str, bytes]:
        """Return a version and its page; the one of before where there is no newer one yet."""
        with self._lock:
            stamp = self._stamp_now()
            if stamp != self._stamp and self._clock() >= self._due:
                try:
                    self._newest = self._made()
                    self._stamp = stamp
                except (InputError, OSError):  # of a store that is being replaced, say
                    self._due = self._clock() + self._seconds
            return self._newest

    def _made(self) -> tuple[str, bytes]:
        began = self._clock()
        self._number += 1
        version = f"{self._begun}-{self._number}"
        live = Live(self._seconds, version)
        page = report_html(read_subject(self._place.path), live=live).encode()
        ended = self._clock()
        self._due = ended + (ended - began) * (1 / SHARE - 1)
        return version, page

    def _stamp_now(self) -> tuple[object, ...]:
        """Return what tells whether anything has changed."""
        place = self._place
        files = (place.trials, place.ledger, place.comparison)
        log = place.trials.with_name(place.trials.name + "-wal")
        return (is_at_work(place), *map(_file_stamp, (*files, log)))


def _file_stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class ReportServer(http.server.ThreadingHTTPServer):
    """Serves the page at `/` and its version at `/version`, to who may see it."""

    daemon_threads = True

    def __init__(self, pages: Pages, host: str, port: int, token: str | None):
        """Take the port.

        Args:
          pages: of the search.
          host: address to listen at.
          port: 0 for a free one.
          token: that a reader has to know; None for whoever is on this machine.

        Raises:
          InputError: the address cannot be had.
        """
        self.pages, self.token = pages, token
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{shown(host)}, port {port}, cannot be listened at: {reason}"
            ) from None

    @property
    def address(self) -> str:
        """Where a reader finds the page, the token with it."""
        host, port = self.server_address[:2]
        name = f"[{host!s}]" if self.address_family == socket.AF_INET6 else str(host)
        return f"http://{name}:{port}/" + (f"?token={self.token}" if self.token else "")

    def server_bind(self) -> None:
        """Take the port; the machine's name, for which the standard library asks, is not needed."""
        super(http.server.HTTPServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


def token_for(host: str, given: str | None) -> str | None:
    """Return the token that an address needs: a new one for all but this machine's own.

    Raises:
      InputError: a token that is easily guessed.
    """
    if given is not None:
        if len(given) < 8 or not given.isascii() or not given.isalnum():
            raise InputError("--token needs at least 8 letters and digits")
        return given
    return (
        None if is_loopback(host) else secrets.token_urlsafe(24).replace("-", "a").replace("_", "b")
    )


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers one reader."""

    server: ReportServer
    server_version, sys_version = "nas_with_rl", ""
    timeout = 30.0  # of a reader who says nothing

    def do_GET(self) -> None:
        """Answer with the page, or with its version."""
        address = urllib.parse.urlsplit(self.path)
        if not self._is_for_this_machine():
            return self._refuse(http.HTTPStatus.FORBIDDEN, "not by this name")
        if self.server.token is not None:
            asked = urllib.parse.parse_qs(address.query).get("token", [""])[0]
            if self._is_token(asked):
                return self._let_in()
            if not self._is_token(self._kept_token()):
                return self._refuse(http.HTTPStatus.FORBIDDEN, "the token is missing or wrong")
        if address.path not in ("/", "/version"):
            return self._refuse(http.HTTPStatus.NOT_FOUND, "there is one page, at /")
        version, page = self.server.pages.newest()
        if address.path == "/version":
            return self._answer(version.encode(), "text/plain")
        return self._answer(page, "text/html")

    do_HEAD = do_GET

    def _is_for_this_machine(self) -> bool:
        """Say whether a name was asked for that is ours: another page's may lead here."""
        if self.server.token is not None:
            return True
        name = self.headers.get("Host", "").rpartition(":")
        return (name[0] if name[2].isdecimal() else "".join(name)).lower() in _NAMES

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), str(self.server.token).encode())

    def _kept_token(self) -> str:
        try:
            cookie = http.cookies.SimpleCookie(self.headers.get("Cookie", "")).get(_COOKIE)
        except http.cookies.CookieError:
            return ""
        return cookie.value if cookie else ""

    def _let_in(self) -> None:
        """Keep the token in a cookie, out of the address."""
        self.send_response(http.HTTPStatus.SEE_OTHER)
        kept = f"{_COOKIE}={self.server.token}; Path=/; HttpOnly; SameSite=Strict"
        self.send_header("Set-Cookie", kept)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refuse(self, status: http.HTTPStatus, why: str) -> None:
        self._answer(f"{why}\n".encode(), "text/plain", status)

    def _answer(
        self, content: bytes, kind: str, status: http.HTTPStatus = http.HTTPStatus.OK
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of each request."""
