"""The sources on the net, as the stage runs them: real clients against a server on loopback."""

import base64
import hashlib
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from harmonic.data.metadata import read_metadata
from harmonic.data.sources.dataverse import FILES, fetch_dataverse
from harmonic.data.sources.isic import fetch_isic
from harmonic.data.sources.kaggle import fetch_kaggle
from harmonic.data.sources.transfer import RemoteFile
from stages import download
from tests.data import archives
from tests.data.loopback import Server

ROOT = Path(__file__).parents[2]
SOURCES = ("kaggle", "dataverse", "isic")
LARGE = {
    "kaggle": "/blob",
    "dataverse": "/HAM10000_images_part_2.zip",
    "isic": "/ISIC2018_Task3_Training_Input.zip",
}
"""The path of the archive that a fault hits."""


class Project(NamedTuple):
    folder: Path
    run: Callable[[str], int]
    """Runs `python -m stages.download` with this source; returns the exit status."""


@pytest.fixture
def project(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose sources are on loopback; nothing but addresses, sizes and digests differ."""
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    serve_kaggle(server, tmp_path, monkeypatch)

    def run(source: str) -> int:
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        text = text.replace("source: sample", f"source: {source}")
        (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
        monkeypatch.setattr("sys.argv", ["download", "--raw", "data/raw"])
        return download.main()

    for source, contents in (
        ("dataverse", archives.dataverse_files()),
        ("isic", archives.isic_files()),
    ):
        server.contents |= {f"/{name}": content for name, content in contents.items()}
        if source == "dataverse":
            files = [
                RemoteFile(
                    name, f"{server.address}/{name}", len(content), md5=archives.md5(content)
                )
                for name, content in contents.items()
            ]
            fetch = partial(fetch_dataverse, files=files, stall_seconds=1)
            monkeypatch.setattr(download, "fetch_dataverse", fetch)
        else:
            fetch = partial(
                fetch_isic, address=server.address, image_bytes=100_000, stall_seconds=1
            )
            monkeypatch.setattr(download, "fetch_isic", fetch)
    return Project(tmp_path, run)


def serve_kaggle(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kagglesdk import kaggle_env

    blob = archives.kaggle_archive()
    server.contents["/blob"] = blob
    server.redirect_posts_to = "/blob"
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(folder))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(folder / "cache"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.address)
    monkeypatch.setattr(
        download, "fetch_kaggle", partial(fetch_kaggle, archive_bytes=len(blob), stall_seconds=1)
    )


def md5_header(content: bytes) -> dict[str, str]:
    digest = base64.b64encode(hashlib.md5(content).digest()).decode()
    return {"x-goog-hash": f"md5={digest}"}


def refused(project: Project, source: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a stage that ends with status 1 and leaves nothing half-written."""
    capsys.readouterr()
    assert project.run(source) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("download: ")]
    assert len(lines) == 1, said
    assert not (project.folder / "data").exists()
    return lines[0]


def assert_whole(project: Project) -> pd.DataFrame:
    raw = project.folder / "data/raw"
    assert {path.name: path.read_bytes() for path in (raw / "images").iterdir()} == (
        archives.images()
    )
    assert sorted(path.name for path in raw.iterdir()) == [archives.METADATA, "images"]
    table = read_metadata(raw / archives.METADATA)
    assert table.image_id.tolist() == archives.IMAGE_IDS
    assert table.dx.tolist() == archives.DX
    return table


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_ends_in_the_same_layout(project: Project, source: str) -> None:
    assert project.run(source) == 0
    table = assert_whole(project)
    assert table.lesion_id.tolist() == [f"HAM_{number:07d}" for number in range(21)]
    assert set(table.dx_type) == {"histo"}
    assert list((project.folder / ".partial").glob("download/*/done"))  # the next stage clears it


def test_what_isic_does_not_publish_stays_missing(project: Project) -> None:
    assert project.run("isic") == 0
    table = assert_whole(project)
    assert table.age.isna().all()
    assert set(table.sex) == set(table.localization) == {"unknown"}


@pytest.mark.parametrize("source", SOURCES)
def test_a_connection_cut_half_way_is_taken_up(
    project: Project, server: Server, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = LARGE[source]
    content = server.contents[path]
    if source == "kaggle":
        server.headers = md5_header(content)
    small = [len(server.contents[name]) for name in before(source)]
    half = len(content) // 2
    # libcurl would take up a broken connection at once: a second break ends the first run.
    server.cuts = [half] if source == "kaggle" else [*small, half, 0]
    refused(project, source, capsys)
    assert project.run(source) == 0
    assert_whole(project)
    # kagglehub writes whole megabytes, and first asks for everything to see if ranges are allowed.
    kept = half // 2**20 * 2**20 if source == "kaggle" else half
    assert server.ranges_of(path)[-1] == f"bytes={kept}-"
    if source != "kaggle":
        assert server.sent == sum(small) + len(content)


def before(source: str) -> list[str]:
    """The paths of what a source fetches before its large archive."""
    return {
        "kaggle": [],
        "dataverse": [f"/{archives.METADATA}", "/HAM10000_images_part_1.zip"],
        "isic": [
            "/ISIC2018_Task3_Training_LesionGroupings.csv",
            "/ISIC2018_Task3_Training_GroundTruth.zip",
        ],
    }[source]


@pytest.mark.parametrize("source", SOURCES)
def test_a_wrong_digest(
    project: Project, server: Server, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = LARGE[source]
    content = server.contents[path]
    if source == "kaggle":
        server.headers = md5_header(b"something else")
    elif source == "isic":  # as S3 names the digest of an object
        server.etags = False
        server.headers = {"ETag": f'"{archives.md5(b"something else")}"'}
    else:
        server.contents[path] = content[:-1] + bytes([content[-1] ^ 1])
    assert "damaged on the way" in refused(project, source, capsys)
    assert not list(project.folder.rglob("*.part"))
    assert not list(project.folder.rglob("*.archive"))


@pytest.mark.parametrize("status", [401, 404])
@pytest.mark.parametrize("source", SOURCES)
def test_a_refusal(
    project: Project,
    server: Server,
    source: str,
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.status = status
    assert str(status) in refused(project, source, capsys)


@pytest.mark.parametrize("source", SOURCES)
def test_a_server_that_stalls(
    project: Project, server: Server, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.stall_after = 100
    line = refused(project, source, capsys)
    assert "timed out" in line or "Operation too slow" in line
    server.stall_after = None
    assert project.run(source) == 0
    assert_whole(project)


@pytest.mark.parametrize("source", SOURCES)
def test_a_full_disk_is_seen_before_anything_is_fetched(
    project: Project,
    server: Server,
    source: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("harmonic.data.sources.members.shutil.disk_usage", lambda _: usage)
    line = refused(project, source, capsys)
    assert "0.00 GB are free" in line
    assert server.log == []


def test_what_is_no_archive_is_not_kept_in_the_cache(
    project: Project, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.contents["/blob"] = b"<html>a page of a proxy</html>"
    assert "no whole archive came" in refused(project, "kaggle", capsys)
    server.contents["/blob"] = archives.kaggle_archive()
    assert project.run("kaggle") == 0
    assert_whole(project)


@pytest.mark.parametrize("name", ["Input.zip", "GroundTruth.zip", "LesionGroupings.csv"])
def test_what_isic_sent_and_cannot_be_used_is_fetched_again(
    project: Project, server: Server, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = f"/ISIC2018_Task3_Training_{name}"
    right = server.contents[path]
    server.contents[path] = b"<html>a page of a proxy</html>"
    refused(project, "isic", capsys)
    server.contents[path] = right
    assert project.run("isic") == 0
    assert_whole(project)


def test_credentials_that_cannot_be_read_throw_nothing_away(
    project: Project,
    server: Server,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.headers = md5_header(server.contents["/blob"])
    server.cuts = [2**21]
    refused(project, "kaggle", capsys)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(project.folder))
    (project.folder / "kaggle.json").write_text("{no json", encoding="utf-8")
    refused(project, "kaggle", capsys)
    (project.folder / "kaggle.json").unlink()
    assert project.run("kaggle") == 0
    assert server.ranges_of("/blob")[-1] == f"bytes={2**21}-"


@pytest.mark.parametrize(
    ("environment", "header"),
    [
        ({}, None),
        ({"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "key"}, "Basic bWU6a2V5"),
        ({"KAGGLE_API_TOKEN": "token"}, "Bearer token"),
    ],
)
def test_credentials_are_used_where_there_are_any(
    project: Project,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    header: str | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert project.run("kaggle") == 0
    assert_whole(project)
    assert server.authorizations == [header]


def test_kaggle_is_not_asked_again_for_what_its_cache_holds(
    project: Project, server: Server
) -> None:
    assert project.run("kaggle") == 0
    asked = len(server.log)
    shutil.rmtree(project.folder / "data/raw")  # as DVC does
    assert project.run("kaggle") == 0
    assert len(server.log) == asked


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("GroundTruth", "ISIC_0024306,1.0", "ISIC_0024306,0.0", "not exactly one class"),
        ("GroundTruth", "ISIC_0024306,1.0,0.0", "ISIC_0024306,1.0,1.0", "not exactly one class"),
        ("GroundTruth", "VASC", "VASE", "column VASC is missing"),
        ("GroundTruth", "ISIC_0024307", "ISIC_0024306", "ISIC_0024306 has two rows"),
        ("LesionGroupings", "ISIC_0024307", "ISIC_0099999", "is in one of them only"),
        ("LesionGroupings", "lesion_id", "lesion", "column lesion_id is missing"),
    ],
)
def test_tables_of_isic_that_do_not_fit(
    project: Project,
    server: Server,
    capsys: pytest.CaptureFixture[str],
    name: str,
    old: str,
    new: str,
    message: str,
) -> None:
    start = "ISIC2018_Task3_Training"
    if name == "GroundTruth":
        member = f"{start}_GroundTruth/{start}_GroundTruth.csv"
        table = archives.isic_truth()
        assert old in table
        content = archives.zipped({member: table.replace(old, new, 1)})
        server.contents[f"/{start}_GroundTruth.zip"] = content
    else:
        path = f"/{start}_LesionGroupings.csv"
        text = server.contents[path].decode()
        assert old in text
        server.contents[path] = text.replace(old, new, 1).encode()
    assert message in refused(project, "isic", capsys)


def test_dataverse_is_asked_for_the_original_table() -> None:
    """Without the option the server converts it, and its MD5 is another."""
    table, *images = FILES
    assert table.url.endswith("?format=original")
    assert all(file.md5 and file.size for file in FILES)
    assert [file.name for file in images] == [
        "HAM10000_images_part_1.zip",
        "HAM10000_images_part_2.zip",
    ]
