"""`make reproduce` on a small sample: it passes in odd surroundings, and sees what is broken."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stages.clones import (
    DVC,
    call,
    change,
    change_params,
    copied,
    tried,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy to break: the commit alone, as no check looks at anything else."""
    folder = tmp_path / "clone"
    call(made, "git", "clone", "--quiet", made, folder)
    yield folder
    shutil.rmtree(tmp_path)


def record_and_commit(folder: Path) -> None:
    call(folder, sys.executable, "-m", "reproduction", "record")
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--allow-empty", "--message", "changed")


def check(folder: Path, *stage: str, prefix: tuple[str, ...] = (), **extra: str) -> tuple[int, str]:
    """Status and output of the check, which keeps its own clone beside `folder`."""
    command = [*prefix, sys.executable, "-m", "reproduction", "check", *stage]
    done = tried(folder, *command, **{"TMPDIR": str(folder.parent)} | extra)
    return done.returncode, done.stdout + done.stderr


LATER = "import time\nnow = time.time\ntime.time = lambda: now() + 9e8\n"


def test_the_bits_are_the_same_in_odd_surroundings(clone: Path, tmp_path: Path) -> None:
    """Another path, locale, zone, year, umask and hash seed, a home that cannot be written, and,
    where the kernel lets a user ask for it, no network and no shared memory."""
    folder = tmp_path / "Grüße von – anderswo"
    shutil.move(clone, folder)
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "sitecustomize.py").write_text(LATER, encoding="utf-8")
    (tmp_path / "temporary é").mkdir()
    status, printed = check(
        folder,
        prefix=secluded(),
        PYTHONPATH=str(overlay),
        LC_ALL="C",
        LANG="tr_TR.UTF-8",
        TZ="Asia/Kathmandu",
        PYTHONHASHSEED="7",
        HOME="/proc/nobody",
        OMP_NUM_THREADS="2",
        ATEN_CPU_CAPABILITY="avx2",
        TMPDIR=str(tmp_path / "temporary é"),
    )
    assert status == 0, printed
    assert "the commit makes what dvc.lock says: to the byte" in printed
    assert printed.count("  same") == 10
    assert not list((tmp_path / "temporary é").glob("reproduction-*"))


def secluded() -> tuple[str, ...]:
    """What to put before a command to run it without network and /dev/shm, and with umask 077."""
    setup = 'umask 077; mount -t tmpfs -o size=0,ro none /dev/shm && exec "$@"'
    command = ("unshare", "--map-root-user", "--net", "--mount", "sh", "-c", setup, "sh")
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else ("sh", "-c", 'umask 077; exec "$@"', "sh")


def test_a_changed_pixel_and_another_seed_are_seen_at_download(clone: Path) -> None:
    written = "    write_jpeg(folder / photograph.path, phantom.image)\n"
    changed = f"    phantom.image[-1, -1, 0] ^= 64\n{written}"
    change(clone / "harmonic/sample/archive.py", written, changed)
    change_params(clone, download={"seed": 1})
    record_and_commit(clone)
    status, printed = check(clone, "download")
    assert status == 1, printed
    assert "the first stage that parts is download (different)" in printed
    assert "  code harmonic/sample\n" in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("  parameter ")]
    assert line.startswith("  parameter download: {")
    assert "'seed': 0" in line.split("→")[0]
    assert "'seed': 1" in line.split("→")[1]


OTHER_JPEG = """
import PIL.Image
save = PIL.Image.Image.save
PIL.Image.Image.save = lambda image, path, **options: save(image, path, **options | {"quality": 94})
"""


def test_another_version_of_a_package_is_seen_at_download(clone: Path, tmp_path: Path) -> None:
    """A later Pillow that writes other JPEG files, put before the installed one."""
    overlay = tmp_path / "overlay"
    (overlay / "pillow-99.0.dist-info").mkdir(parents=True)
    about = "Metadata-Version: 2.1\nName: pillow\nVersion: 99.0\n"
    (overlay / "pillow-99.0.dist-info/METADATA").write_text(about, encoding="utf-8")
    (overlay / "sitecustomize.py").write_text(OTHER_JPEG, encoding="utf-8")
    status, printed = check(clone, "download", PYTHONPATH=str(overlay))
    assert status == 1, printed
    assert "the first stage that parts is download (different)" in printed
    assert "  package pillow: 13.0.0 → 99.0\n" in printed


def test_an_unlisted_dependency_is_seen_at_the_stage_that_reads_it(
    made: Path, tmp_path: Path
) -> None:
    """dvc.lock is made with one content of the file; DVC cannot see that it changes."""
    clone = copied(made, tmp_path / "clone")
    stage = clone / "stages/split.py"
    change(stage, "    settings = stage.params.split\n    lesions =",
           '    with open("offset.txt") as file:\n        offset = int(file.read())\n'
           "    index = index.iloc[::-1] if offset else index\n"
           "    settings = stage.params.split\n    lesions =")  # fmt: skip
    (clone / "offset.txt").write_text("0", encoding="utf-8")
    call(clone, DVC, "repro", "split")
    record_and_commit(clone)
    (clone / "offset.txt").write_text("1", encoding="utf-8")
    record_and_commit(clone)
    assert "Running stage" not in call(clone, DVC, "repro", "--dry", "split")
    status, printed = check(clone, "split")
    assert status == 1, printed
    assert "the first stage that parts is split (different)" in printed
    assert "so it reads a file that dvc.yaml does not list, or depends on chance\n" in printed


def test_an_unknown_stage_is_one_line(clone: Path) -> None:
    status, printed = check(clone, "nothing")
    assert status == 1
    assert printed.splitlines()[-1] == "check: nothing is no stage of dvc.lock"
    assert list(clone.parent.iterdir()) == [clone]
