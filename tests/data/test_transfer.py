"""Downloads of one file: whole, taken up again, refused, damaged, stalled."""

from pathlib import Path

import pytest

from harmonic.data.sources.transfer import Answer, RemoteFile, check, download, etag_of
from harmonic.errors import InputError
from tests.data.archives import md5
from tests.data.loopback import Server

CONTENT = bytes(range(256)) * 4000  # 1 MB


@pytest.fixture
def file(server: Server) -> RemoteFile:
    server.contents["/f"] = CONTENT
    return RemoteFile("f.bin", f"{server.address}/f", size=len(CONTENT), md5=md5(CONTENT))


def refused(file: RemoteFile, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        download(file, folder, stall_seconds=1)
    assert "\n" not in str(caught.value)
    assert file.url in str(caught.value)
    assert not (folder / file.name).exists()
    return str(caught.value)


def test_a_file_comes_whole_and_is_not_fetched_again(
    server: Server, file: RemoteFile, tmp_path: Path
) -> None:
    for _ in range(2):
        assert download(file, tmp_path) == tmp_path / "f.bin"
    assert (tmp_path / "f.bin").read_bytes() == CONTENT
    assert server.log == [("/f", None)]
    assert [path.name for path in tmp_path.iterdir()] == ["f.bin"]


def test_a_cut_connection_is_taken_up_where_it_broke(
    server: Server, file: RemoteFile, tmp_path: Path
) -> None:
    server.cuts = [400_000, 300_000]
    download(file, tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT
    assert server.ranges_of("/f") == [None, "bytes=400000-", "bytes=700000-"]
    assert server.sent == len(CONTENT)


def test_a_later_call_goes_on_where_an_earlier_one_stopped(
    server: Server, file: RemoteFile, tmp_path: Path
) -> None:
    server.cuts = [500_000, 0]
    assert "500000 bytes are kept, run again" in refused(file, tmp_path)
    download(file, tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT
    assert server.ranges_of("/f")[-1] == "bytes=500000-"
    assert server.sent == len(CONTENT)


def test_a_whole_file_that_was_not_moved_is_not_fetched_again(
    server: Server, file: RemoteFile, tmp_path: Path
) -> None:
    (tmp_path / "f.bin.part").write_bytes(CONTENT)
    download(file, tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT
    assert server.sent == 0


def test_a_server_without_ranges_starts_again(
    server: Server, file: RemoteFile, tmp_path: Path
) -> None:
    server.ranges = False
    server.cuts = [400_000]
    download(file, tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_breaks_is_given_up(
    server: Server, file: RemoteFile, tmp_path: Path
) -> None:
    server.ranges = False
    server.cuts = [400_000] * 50
    refused(file, tmp_path)
    assert len(server.log) < 6


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(
    server: Server, tmp_path: Path
) -> None:
    server.contents["/f"] = CONTENT
    file = RemoteFile("f.bin", f"{server.address}/f")
    server.cuts = [500_000, 0]
    refused(file, tmp_path)
    server.contents["/f"] = changed = CONTENT[::-1]
    download(file, tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == changed


def test_an_unfinished_file_longer_than_the_file_is_dropped(
    server: Server, file: RemoteFile, tmp_path: Path
) -> None:
    (tmp_path / "f.bin.part").write_bytes(CONTENT + b"more")
    download(file, tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_names_the_status(
    server: Server, file: RemoteFile, tmp_path: Path, status: int
) -> None:
    server.status = status
    assert f"HTTP {status}" in refused(file, tmp_path)


def test_a_refusal_leaves_what_was_there(server: Server, file: RemoteFile, tmp_path: Path) -> None:
    (tmp_path / "f.bin.part").write_bytes(CONTENT[:1000])
    server.status = 403
    refused(file, tmp_path)
    assert (tmp_path / "f.bin.part").read_bytes() == CONTENT[:1000]


def test_a_server_that_stalls_is_left_and_its_bytes_are_kept(
    server: Server, file: RemoteFile, tmp_path: Path
) -> None:
    server.stall_after = 0
    (tmp_path / "f.bin.part").write_bytes(CONTENT[:1000])
    assert "1000 bytes are kept" in refused(file, tmp_path)


def test_nobody_there(file: RemoteFile, tmp_path: Path) -> None:
    nobody = RemoteFile("f.bin", "http://127.0.0.1:9/f")  # the discard port: nothing listens
    assert "the download stopped" in refused(nobody, tmp_path)


def test_a_wrong_digest_removes_the_file(server: Server, tmp_path: Path) -> None:
    server.contents["/f"] = CONTENT
    file = RemoteFile("f.bin", f"{server.address}/f", md5="0" * 32)
    assert f"its MD5 is {md5(CONTENT)}, {'0' * 32} is right" in refused(file, tmp_path)
    assert not (tmp_path / "f.bin.part").exists()


def test_a_wrong_size_removes_the_file(server: Server, tmp_path: Path) -> None:
    server.contents["/f"] = CONTENT
    file = RemoteFile("f.bin", f"{server.address}/f", size=5)
    assert f"{len(CONTENT)} bytes came, 5 are right" in refused(file, tmp_path)


def test_the_digest_in_an_etag_is_checked_where_the_source_says_so(
    server: Server, tmp_path: Path
) -> None:
    server.contents["/f"] = CONTENT
    server.etags = False
    server.headers["ETag"] = f'"{"1" * 32}"'
    url = f"{server.address}/f"
    assert "1" * 32 in refused(RemoteFile("f.bin", url, md5_in_etag=True), tmp_path)
    server.headers["ETag"] = f'"{"1" * 32}-7"'  # uploaded in seven parts: no MD5 of the whole
    download(RemoteFile("f.bin", url, md5_in_etag=True), tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT


def test_no_other_protocol_is_spoken(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="utf-8")
    refused(RemoteFile("f.bin", secret.as_uri()), tmp_path / "folder")


def test_the_digest_of_kept_bytes_is_checked_when_an_answer_names_none(tmp_path: Path) -> None:
    """A server may answer a request past the end with 416 and no ETag."""
    unfinished = tmp_path / "f.bin.part"
    unfinished.write_bytes(b"damaged")
    etag_of(unfinished).write_text(f'"{md5(CONTENT)}"', encoding="latin-1")
    file = RemoteFile("f.bin", "http://127.0.0.1/f", md5_in_etag=True)
    with pytest.raises(InputError, match=f"{md5(CONTENT)} is right"):
        check(file, unfinished, Answer(status=416))
    assert not unfinished.exists()
