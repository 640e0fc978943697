"""Files appear whole or not at all; what must stay is seen by whatever name it has."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonic.errors import InputError
from harmonic.files import (
    UNFINISHED,
    check_outputs,
    whole,
    write_bytes,
    write_text,
    write_together,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@given(old=st.none() | st.binary(max_size=50), new=st.binary(max_size=50))
def test_what_is_written_is_read_and_nothing_is_beside(
    tmp_path_factory: pytest.TempPathFactory, old: bytes | None, new: bytes
) -> None:
    path = tmp_path_factory.mktemp("folder") / "file.bin"
    if old is not None:
        path.write_bytes(old)
    write_bytes(path, new)
    assert path.read_bytes() == new
    assert names(path.parent) == ["file.bin"]


def test_text_is_utf_8_with_the_line_endings_it_has(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "×\r\n−\n")
    assert (tmp_path / "text").read_bytes() == "×\r\n−\n".encode()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(28, "No space left")])
def test_what_fails_leaves_the_old_file_and_nothing_beside(tmp_path: Path, error: object) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises((ValueError, KeyboardInterrupt)):  # noqa: PT012, SIM117
        with whole(path) as unfinished:
            unfinished.write_text("half")
            raise error  # type: ignore[misc]
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"), whole(tmp_path / "file") as unfinished:
        unfinished.write_bytes((tmp_path / "gone").read_bytes())
    assert names(tmp_path) == []


def test_links_are_broken_not_written_through(tmp_path: Path) -> None:
    """A hard link, as DVC's cache has them, read-only; a symbolic one; one that leads nowhere."""
    cached = tmp_path / "cached"
    cached.write_text("old")
    cached.chmod(0o444)
    (tmp_path / "hard").hardlink_to(cached)
    (tmp_path / "soft").symlink_to(cached)
    (tmp_path / "lost").symlink_to(tmp_path / "gone")
    for name in ("hard", "soft", "lost"):
        write_text(tmp_path / name, "new")
        assert (tmp_path / name).read_text() == "new"
        assert not (tmp_path / name).is_symlink()
    assert cached.read_text() == "old"
    assert cached.stat().st_mode & 0o777 == 0o444
    assert (tmp_path / "hard").stat().st_mode & 0o777 == 0o644
    assert not (tmp_path / "gone").exists()


def test_permissions_are_those_of_the_umask_or_of_the_file_before(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_text(tmp_path / "new", "")
        (tmp_path / "old").touch()
        (tmp_path / "old").chmod(0o600)
        write_text(tmp_path / "old", "")
    finally:
        os.umask(mask)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o600


def test_files_that_belong_together_change_together(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write_together({one: "1", other: "2"})
    assert (one.read_text(), other.read_text()) == ("1", "2")
    with pytest.raises(InputError, match=r"gone/file: no such folder"):
        write_together({one: "3", other: "4", tmp_path / "gone" / "file": "5"})
    with pytest.raises(InputError, match=r"gone/file: no such folder"):
        write_together({tmp_path / "gone" / "file": "5", one: "3", other: "4"})
    assert (one.read_text(), other.read_text()) == ("1", "2")
    assert names(tmp_path) == ["one", "other"]


def test_a_place_where_no_file_can_be_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    places = {
        tmp_path: "is a folder, give a file in it",
        tmp_path / "gone" / "file": "no such folder",
        tmp_path / "pipe": "is no regular file",
        Path("/dev/null"): "is no regular file",
        tmp_path / ("long" * 80): r"cannot be written \(File name too long\)",
        tmp_path / f"a.{'b' * 300}": r"cannot be written \(File name too long\)",
    }
    for place, reason in places.items():
        with pytest.raises(InputError, match=reason) as found:
            write_text(place, "new")
        assert str(found.value).startswith(str(place))
        assert "\n" not in str(found.value)
    write_text(tmp_path / f"a.{'b' * 253}", "new")
    assert names(tmp_path) == [f"a.{'b' * 253}", "pipe"]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole(path) as one:
        one.write_text("o")
        with whole(path) as other:
            other.write_text("the other")
        assert path.read_text() == "the other"
        assert one.name.startswith(UNFINISHED)
        one.write_text("one")
    assert path.read_text() == "one"


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An input in a folder, reached by every other name there is; the working directory."""
    (tmp_path / "in").mkdir()
    found = tmp_path / "in" / "a.png"
    found.write_text("input")
    (tmp_path / "soft").symlink_to(found)
    (tmp_path / "hard").hardlink_to(found)
    (tmp_path / "folder").symlink_to(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    return found


WAYS = ["in/a.png", "in/../in/./a.png", "soft", "hard", "folder/a.png"]


@pytest.mark.parametrize("given_as", ["in/a.png", "in", "soft", "hard", "folder"])
@pytest.mark.parametrize("way", WAYS)
def test_an_input_is_known_by_every_name_and_force_does_not_give_it_up(
    used: Path, given_as: str, way: str
) -> None:
    for path in (Path(way), Path(way).absolute()):
        with pytest.raises(InputError, match=r"^-o .*, which this command uses"):
            check_outputs([("-o", path)], used=[Path(given_as)], force=True)
    check_outputs([("-o", Path("in/b.png"))], used=[Path(given_as)])


def test_what_is_there_is_replaced_only_when_asked(used: Path) -> None:
    Path("lost").symlink_to("gone")
    for path in (used, Path("hard"), Path("lost")):
        with pytest.raises(InputError, match="is there already; give another name, or --force"):
            check_outputs([("-o", path)])
        check_outputs([("-o", path)], force=True)
    check_outputs([("-o", Path("new")), ("-p", None)])


def test_two_outputs_are_two_files(used: Path) -> None:
    for pair in [("new", "new"), ("new", "./new"), ("folder/new", "in/new"), ("soft", "hard")]:
        outputs = zip(("--one", "--other"), map(Path, pair), strict=True)
        with pytest.raises(InputError, match=r"^--other .*: is the file"):
            check_outputs(outputs, force=True)


def test_a_file_system_that_is_read_only_is_one_line(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(InputError, match=r"a\.txt: cannot be written \(Read-only file system\)"):
        write_text(tmp_path / "a.txt", "")
