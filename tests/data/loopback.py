"""An ordinary HTTP server on loopback: ranges, ETags, and whatever goes wrong on the way."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """What is served, how, and what was asked for."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.status = 200
        self.ranges = True
        self.etags = True
        self.cuts: list[int] = []
        """Bodies of the next answers are cut after so many bytes."""
        self.stall_after: int | None = None
        """Every body stops after so many bytes, with the connection open."""
        self.pause = 0.0
        """Seconds between chunks of 64 kB."""
        self.redirect_posts_to: str | None = None
        self.log: list[tuple[str, str | None]] = []
        """Path and Range header of every GET."""
        self.authorizations: list[str | None] = []
        """Authorization header of every POST."""
        self.sent = 0
        """Bytes of all bodies."""
        self.port = 0
        self.closing = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ranges_of(self, path: str) -> list[str | None]:
        return [asked for name, asked in self.log if name == path]


@contextmanager
def served() -> Iterator[Server]:
    server = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (Handler,), {"state": server}))
    server.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        http.shutdown()
        http.server_close()


class Handler(BaseHTTPRequestHandler):
    state: Server

    def do_POST(self) -> None:
        self.state.authorizations.append(self.headers.get("Authorization"))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.state.status != 200 or self.state.redirect_posts_to is None:
            self.send_error(self.state.status)
            return
        self.send_response(302)
        self.send_header("Location", self.state.address + self.state.redirect_posts_to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        state = self.state
        asked = self.headers.get("Range")
        state.log.append((self.path, asked))
        content = state.contents.get(self.path)
        if state.status != 200 or content is None:
            self.send_error(state.status if state.status != 200 else 404)
            return
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        start = self.start_of(asked, etag)
        if start >= len(content) > 0:
            self.answer(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
            return
        headers: dict[str, Any] = dict(state.headers)
        if state.etags:
            headers["ETag"] = etag
        if state.ranges:
            headers["Accept-Ranges"] = "bytes"
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.answer(206 if start else 200, headers, content[start:])

    def start_of(self, asked: str | None, etag: str) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", asked or "")
        condition = self.headers.get("If-Range")
        if not self.state.ranges or found is None or condition not in (None, etag):
            return 0
        return int(found.group(1))

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        state = self.state
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        end = len(body)
        if state.cuts:
            end = min(end, state.cuts.pop(0))
        if state.stall_after is not None:
            end = min(end, state.stall_after)
        for place in range(0, end, 65536):
            chunk = body[place : min(place + 65536, end)]
            state.sent += len(chunk)  # before the client can have it and look
            try:
                self.wfile.write(chunk)
            except ConnectionError:  # the client has gone
                return
            time.sleep(state.pause)
        if end < len(body):
            self.close_connection = True
            if state.stall_after is not None:
                state.closing.wait(60)

    def log_message(self, *_: object) -> None:
        pass
