"""Archives from disk: whole ones are taken in, others are refused and touch nothing outside."""

import stat
import zipfile
from pathlib import Path

import pytest

from harmonic.data.sources.archive import import_archives
from harmonic.errors import InputError
from harmonic.files import UNFINISHED

METADATA = "HAM10000_metadata.csv"
IMAGE = "HAM10000_images_part_1/ISIC_0024306.jpg"
TABLE = b"image_id\nISIC_0024306\nISIC_0029306\nISIC_0000001\n"


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_zip_and_folder_give_the_same(tmp_path: Path, kind: str) -> None:
    members = {
        METADATA: TABLE,
        IMAGE: b"one",
        "HAM10000_images_part_2/ISIC_0029306.jpg": b"two",
        "ham10000_images_part_1/ISIC_0024306.jpg": b"one",
        "hmnist_8_8_L.csv": b"left aside",
    }
    archive = make_zip(tmp_path / "a.zip", members)
    if kind == "folder":
        with zipfile.ZipFile(archive) as file:
            file.extractall(tmp_path / "folder")
        archive = tmp_path / "folder"
    import_archives([archive], tmp_path / "raw")
    assert files_below(tmp_path / "raw") == {
        METADATA: TABLE,
        "images/ISIC_0024306.jpg": b"one",
        "images/ISIC_0029306.jpg": b"two",
    }


def test_how_many_images_no_row_names_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {METADATA: TABLE, IMAGE: b"one", "a/ISIC_7.jpg": b"7", "b/ISIC_7.jpg": b"7"}
    import_archives([make_zip(tmp_path / "a.zip", files)], tmp_path / "raw")
    assert "no row of the table names, left aside: 1\n" in capsys.readouterr().out
    (tmp_path / "more").mkdir()
    import_archives(
        [make_zip(tmp_path / "b.zip", {METADATA: TABLE, IMAGE: b"one"})], tmp_path / "more"
    )
    assert "left aside" not in capsys.readouterr().out


def test_an_interrupted_import_goes_on(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {METADATA: TABLE, IMAGE: b"one"})
    raw = tmp_path / "raw"
    import_archives([archive], raw)
    (raw / METADATA).unlink()
    (raw / METADATA).with_name(UNFINISHED + METADATA).write_bytes(b"o")
    before = (raw / "images/ISIC_0024306.jpg").stat().st_mtime_ns
    import_archives([archive], raw)
    assert files_below(raw) == {METADATA: TABLE, "images/ISIC_0024306.jpg": b"one"}
    assert (raw / "images/ISIC_0024306.jpg").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({IMAGE: b"one"}, f"has no {METADATA}"),
        ({METADATA: TABLE}, "has no image"),
        ({METADATA: TABLE, IMAGE: b"1", "../ISIC_0000001.jpg": b"x"}, "leaves the archive"),
        ({METADATA: TABLE, IMAGE: b"1", "/etc/ISIC_0000001.jpg": b"x"}, "leaves the archive"),
        ({METADATA: TABLE, IMAGE: b"1", "C:\\ISIC_0000001.jpg": b"x"}, "leaves the archive"),
        ({METADATA: TABLE, IMAGE: b"1", "two/ISIC_0024306.jpg": b"22"}, "two different files"),
        ({METADATA: TABLE, IMAGE: bytes(3_000_000)}, "a ratio of at most"),
    ],
)
def test_a_bad_zip_is_refused_with_one_line(
    tmp_path: Path, members: dict[str, bytes], message: str
) -> None:
    archive = make_zip(tmp_path / "a.zip", members)
    before = files_below(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        import_archives([archive], tmp_path / "inside" / "raw")
    assert "\n" not in str(caught.value)
    assert str(archive) in str(caught.value)
    assert files_below(tmp_path) == before


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo(IMAGE)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(METADATA, TABLE)
        file.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match="symbolic link"):
        import_archives([archive], tmp_path / "raw")


def test_a_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / METADATA).write_bytes(TABLE)
    (folder / "ISIC_0000001.jpg").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="symbolic link"):
        import_archives([folder], tmp_path / "raw")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(METADATA, TABLE)
        for content in (b"1", b"2"):
            file.writestr(IMAGE, content)
    with pytest.raises(InputError, match="is in it twice"):
        import_archives([archive], tmp_path / "raw")


def test_two_images_of_one_name_and_size_are_told_apart(tmp_path: Path) -> None:
    members = {METADATA: TABLE, IMAGE: b"one", f"two/{Path(IMAGE).name}": b"eno"}
    archive = make_zip(tmp_path / "a.zip", members)
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "folder")
    for path in (archive, tmp_path / "folder"):
        with pytest.raises(InputError, match="two different files"):
            import_archives([path], tmp_path / "raw")


def test_a_member_gives_no_more_than_it_declares(tmp_path: Path) -> None:
    """A bomb that lies about its size: the directory says 100 bytes, the stream holds 3 MB."""
    archive = make_zip(tmp_path / "a.zip", {METADATA: TABLE, IMAGE: bytes(3_000_000)})
    content = archive.read_bytes()
    size = (3_000_000).to_bytes(4, "little")
    archive.write_bytes(content.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(InputError, match=r"ISIC_0024306.jpg is damaged"):
        import_archives([archive], tmp_path / "raw")
    assert max(len(content) for content in files_below(tmp_path / "raw").values()) <= 100


def test_an_archive_too_large_for_the_disk_is_refused_before_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_zip(tmp_path / "a.zip", {METADATA: TABLE, IMAGE: b"pixels"})
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("harmonic.data.sources.members.shutil.disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"are needed, 0.00 GB are free"):
        import_archives([archive], tmp_path / "raw")
    assert files_below(tmp_path / "raw") == {}


@pytest.mark.parametrize("cut", [0, 10, -30])
def test_a_truncated_zip_is_refused(tmp_path: Path, cut: int) -> None:
    archive = make_zip(tmp_path / "a.zip", {METADATA: TABLE, IMAGE: b"one"})
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(InputError, match="not a whole zip file"):
        import_archives([archive], tmp_path / "raw")


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr(METADATA, TABLE)
        file.writestr(IMAGE, b"pixels of the image")
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b"pixels of", b"pixels 0f", 1))
    with pytest.raises(InputError, match=r"ISIC_0024306.jpg is damaged"):
        import_archives([archive], tmp_path / "raw")
    assert not (tmp_path / "raw/images/ISIC_0024306.jpg").exists()


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {METADATA: TABLE, IMAGE: b"one"})
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(signature)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(signature, start + 1)
    archive.write_bytes(content)
    with pytest.raises(InputError, match="is encrypted"):
        import_archives([archive], tmp_path / "raw")


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no.zip is not there"):
        import_archives([tmp_path / "no.zip"], tmp_path / "raw")


def patched(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path


def test_odd_zip_files_are_refused_with_one_line(tmp_path: Path) -> None:
    members = {METADATA: TABLE, IMAGE: b"pixels" * 20}
    version = make_zip(tmp_path / "version.zip", members)
    content = bytearray(version.read_bytes())
    start = content.find(b"PK\x01\x02")
    content[start + 6] = 99  # version needed to extract: 9.9
    version.write_bytes(content)
    encoding = make_zip(tmp_path / "encoding.zip", members | {"\u00e9": b""})
    patched(encoding, "\u00e9".encode(), b"\xe9\xe9")
    offset = make_zip(tmp_path / "offset.zip", members)
    content = bytearray(offset.read_bytes())
    end = content.find(b"PK\x05\x06")
    content[end + 16 : end + 20] = b"\xff\xff\xff\x7f"
    offset.write_bytes(content)
    for path in (version, encoding, offset):
        with pytest.raises(InputError, match=r"not a whole zip file|is damaged"):
            import_archives([path], tmp_path / "raw")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_damaged_stream_of_another_compression_is_named(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr(METADATA, bytes(range(256)) * 8)
        file.writestr(IMAGE, bytes(range(256)) * 8)
    content = bytearray(path.read_bytes())
    start = content.find(METADATA.encode()) + len(METADATA) + 8
    content[start : start + 12] = b"\xff" * 12
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        import_archives([path], tmp_path / "raw")
