"""One file over HTTP: taken up where it stopped, checked against its digest, in place when whole.

libcurl does the protocol: resuming by Range, redirections, proxies, a stalled server. Of the Python
downloaders, pooch 1.9 starts from zero after an interruption, and pypdl 1.5 resumes only a file
that it splits over several connections.
"""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import certifi
import pycurl
from tqdm import tqdm

from harmonic.errors import InputError, one_line

SLOWEST = 1000
"""Bytes a second; a server that stays below for `stall_seconds` has stalled."""

LARGEST = 20_000_000_000
"""Bytes; no file of a source is larger than 3 GB, and no server may fill the disk."""

BREAKS = 3
"""How often one call takes a broken connection up again; the next call goes on from there."""

RESUME_REFUSED = (pycurl.E_RANGE_ERROR, pycurl.E_BAD_DOWNLOAD_RESUME)
DIGEST_IN_ETAG = re.compile(r'"([0-9a-f]{32})"')


@dataclass(frozen=True)
class RemoteFile:
    """A file that a server offers."""

    name: str
    url: str
    size: int | None = None  # bytes, where known
    md5: str | None = None  # hex digest, where the source publishes one
    md5_in_etag: bool = False  # as Amazon S3 has it, unless the file was uploaded in parts


@dataclass
class Answer:
    """What came back for one request: the headers of the last response, and why it ended."""

    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    error: pycurl.error | None = None

    def take_header(self, line: bytes) -> None:
        text = line.decode("latin-1").strip()
        if text.startswith("HTTP/"):
            self.headers.clear()
        elif ":" in text:
            name, value = text.split(":", 1)
            self.headers[name.strip().lower()] = value.strip()


def download(file: RemoteFile, folder: Path, *, stall_seconds: int = 30) -> Path:
    """Fetch a file into `folder` and return its path; one that is already there is kept.

    Bytes of an earlier, interrupted call are not fetched again where the server allows ranges and
    the file has not changed (ETag). A connection that breaks is taken up again, up to BREAKS times,
    as long as bytes arrive. Raises InputError where the server refuses, stalls or cannot be
    reached, and where size or digest are wrong; such a file is removed.
    """
    place = folder / file.name
    if place.exists():
        return place
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{file.name}.part"
    restarted, breaks = False, 0
    while True:
        kept = size_of(unfinished)
        answer = request(file, unfinished, kept, stall_seconds)
        if kept and not restarted and cannot_go_on(answer, kept):
            unfinished.unlink()
            restarted = True
        elif answer.error is None:
            break
        elif answer.status >= 400:
            raise InputError(
                f"{file.url}: the server answered HTTP {answer.status}; nothing was taken from it"
            )
        elif size_of(unfinished) <= kept or breaks == BREAKS:
            raise InputError(
                f"{file.url}: the download stopped ({one_line(answer.error.args[1])}); "
                f"{size_of(unfinished)} bytes are kept, run again to go on from there"
            )
        else:
            breaks += 1
    check(file, unfinished, answer)
    etag_of(unfinished).unlink(missing_ok=True)
    unfinished.replace(place)
    return place


def cannot_go_on(answer: Answer, kept: int) -> bool:
    """Whether the server knows no ranges, or its file is another one than the kept bytes are of.

    416, past the end, is also what it answers where no byte is missing.
    """
    if answer.error is not None:
        return answer.error.args[0] in RESUME_REFUSED
    return answer.status == 416 and answer.headers.get("content-range") != f"bytes */{kept}"


def request(file: RemoteFile, unfinished: Path, kept: int, stall_seconds: int) -> Answer:
    """One request for the bytes from `kept` on, appended to the unfinished file."""
    answer = Answer()
    raised: list[BaseException] = []
    curl = pycurl.Curl()
    protocols = pycurl.PROTO_HTTPS  # never falls back to http, which is for a server of one's own
    if file.url.startswith("http:"):
        protocols |= pycurl.PROTO_HTTP
    options = {
        pycurl.URL: file.url,
        pycurl.PROTOCOLS: protocols,
        pycurl.REDIR_PROTOCOLS: protocols,
        pycurl.FOLLOWLOCATION: True,
        pycurl.MAXREDIRS: 5,
        pycurl.FAILONERROR: True,
        pycurl.CONNECTTIMEOUT: stall_seconds,
        pycurl.LOW_SPEED_LIMIT: SLOWEST,
        pycurl.LOW_SPEED_TIME: stall_seconds,
        pycurl.MAXFILESIZE_LARGE: LARGEST,
        pycurl.CAINFO: certifi.where(),
        pycurl.USERAGENT: "harmonic-networks",
        pycurl.NOPROGRESS: False,
        pycurl.HEADERFUNCTION: answer.take_header,
    }
    for option, value in options.items():
        curl.setopt(option, value)
    if kept:
        curl.setopt(pycurl.RESUME_FROM_LARGE, kept)
        if etag := kept_etag(unfinished):
            curl.setopt(pycurl.HTTPHEADER, [f"If-Range: {etag}"])
    with (
        unfinished.open("ab") as target,
        tqdm(desc=file.name, initial=kept, unit="B", unit_scale=True, disable=None) as bar,
    ):

        def write(chunk: bytes) -> int:
            # libcurl would print what a callback raises and go on: kept here and raised afterwards.
            try:
                if target.tell() == 0:
                    etag = answer.headers.get("etag", "")
                    # A weak one (W/) does not promise the same bytes.
                    etag_of(unfinished).write_text(etag if etag.startswith('"') else "", "latin-1")
                target.write(chunk)
                bar.update(len(chunk))
            except BaseException as error:
                raised.append(error)
                return -1
            return len(chunk)

        def tick(to_come: int, *_: int) -> int:
            try:
                bar.total = kept + to_come if to_come else None
            except BaseException as error:
                raised.append(error)
                return 1
            return 0

        curl.setopt(pycurl.WRITEFUNCTION, write)
        curl.setopt(pycurl.XFERINFOFUNCTION, tick)
        try:
            curl.perform()
        except pycurl.error as error:
            answer.error = error
        answer.status = curl.getinfo(pycurl.RESPONSE_CODE)
    curl.close()
    if raised:
        raise raised[0]
    return answer


def check(file: RemoteFile, unfinished: Path, answer: Answer) -> None:
    """Raise InputError, and remove the file, where its size or MD5 is not what it must be."""
    size = size_of(unfinished)
    if file.size is not None and size != file.size:
        unfinished.unlink()
        raise InputError(f"{file.url}: {size} bytes came, {file.size} are right; run again")
    expected = file.md5
    if file.md5_in_etag:
        # An answer to a request past the end may name no ETag; the one of the bytes is kept.
        etag = answer.headers.get("etag") or kept_etag(unfinished)
        if found := DIGEST_IN_ETAG.fullmatch(etag):
            expected = found.group(1)
    with unfinished.open("rb") as content:
        md5 = hashlib.file_digest(content, "md5").hexdigest() if expected else None
    if md5 != expected:
        unfinished.unlink()
        raise InputError(
            f"{file.url}: damaged on the way: its MD5 is {md5}, {expected} is right; run again"
        )


def bytes_at_hand(folder: Path, name: str) -> int:
    """How much of a file is in the folder by now, whole or not."""
    return size_of(folder / name) + size_of(folder / f"{name}.part")


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def etag_of(unfinished: Path) -> Path:
    """Where the ETag of an unfinished file is kept: the server's name for this very content."""
    return unfinished.with_name(f"{unfinished.name}.etag")


def kept_etag(unfinished: Path) -> str:
    place = etag_of(unfinished)
    return place.read_text(encoding="latin-1") if place.exists() else ""
