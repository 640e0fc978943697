"""The layouts in which people have the data set: each goes through download and verify."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import joblib
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harmonic.data.metadata import read_metadata
from harmonic.data.sources.archive import import_archives
from harmonic.errors import InputError
from stages import download, verify
from tests.data import archives
from tests.data.archives import METADATA, zipped

ROOT = Path(__file__).parents[2]
Files = dict[str, bytes]

VERIFY = (
    "verify --raw data/raw --index data/index.csv --inspection data/inspection.csv "
    "--duplicates data/duplicates.csv --fingerprint data/fingerprint.json"
)
ISIC = "ISIC2018_Task3_Training"


def tabbed(table: str) -> bytes:
    """As Dataverse converts it: tabs, and quotes around text."""
    head, *rows = (line.split(",") for line in table.splitlines())
    cells = [[f'"{cell}"' for cell in head]]
    cells += [[cell if cell == "50.0" else f'"{cell}"' for cell in row] for row in rows]
    return "\n".join("\t".join(row) for row in cells).encode() + b"\n"


def dataverse_single() -> Files:
    """Saved from the page one by one: the table as it is offered there."""
    files = archives.dataverse_files()
    table = files.pop(METADATA).decode()
    return files | {"HAM10000_metadata.tab": tabbed(table)}


def dataverse_all() -> Files:
    """ "Download all" gives one zip file of everything, masks and test images too."""
    mask = io.BytesIO()
    Image.new("1", (40, 30)).save(mask, "PNG")
    masks = {f"{image_id}_segmentation.png": mask.getvalue() for image_id in archives.IMAGE_IDS}
    test = {"ISIC2018_Task3_Test_Images/ISIC_0034524.jpg": archives.jpeg(99)}
    others: Files = {
        "HAM10000_segmentations_lesion_tschandl.zip": zipped(masks),
        "ISIC2018_Task3_Test_Images.zip": zipped(test),
        "ISIC2018_Task3_Test_GroundTruth.tab": tabbed(archives.metadata()),
        "MANIFEST.TXT": b"files",
    }
    return {"dataverse_files.zip": zipped({**dataverse_single(), **others})}


def isic_unpacked() -> Files:
    files = archives.isic_files()
    truth, images = (
        zipfile.ZipFile(io.BytesIO(files[f"{ISIC}_{name}.zip"]))
        for name in ("GroundTruth", "Input")
    )
    both = {name: one.read(name) for one in (truth, images) for name in one.namelist()}
    return both | {f"{ISIC}_LesionGroupings.csv": files[f"{ISIC}_LesionGroupings.csv"]}


LAYOUTS: dict[str, Callable[[], Files]] = {
    "kaggle": lambda: {"archive.zip": archives.kaggle_archive()},
    "dataverse, single files": archives.dataverse_files,
    "dataverse, single files as offered": dataverse_single,
    "dataverse, all": dataverse_all,
    "isic": archives.isic_files,
    "isic, unpacked": isic_unpacked,
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], tuple[int, ...]]:
    """`python -m stages.download` and, if that is well, `stages.verify`, with source: archive."""
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)

    def run_both(archive: Path) -> tuple[int, ...]:
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        text = text.replace("source: sample", "source: archive")
        text = text.replace("archive: data/no-archive", f"archive: {archive}")
        (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
        monkeypatch.setattr("sys.argv", ["download", "--raw", "data/raw"])
        if status := download.main():
            return (status,)
        monkeypatch.setattr("sys.argv", VERIFY.split())
        with joblib.parallel_config(backend="threading"):  # processes take seconds to start
            return 0, verify.main()

    return run_both


def in_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def one_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_goes_through_verify(
    tmp_path: Path, run: Callable[[Path], tuple[int, ...]], layout: str, as_zip: bool
) -> None:
    files = LAYOUTS[layout]()
    if not as_zip:
        archive = in_folder(tmp_path / "mine", files)
    elif len(files) == 1:
        archive = in_folder(tmp_path / "mine", files) / next(iter(files))
    else:
        archive = one_zip(tmp_path / "mine.zip", files)
    assert run(archive) == (0, 0)
    index = pd.read_csv("data/index.csv")
    assert index.image_id.tolist() == archives.IMAGE_IDS
    assert index.dx.tolist() == archives.DX
    taken = {path.name: path.read_bytes() for path in Path("data/raw/images").iterdir()}
    assert taken == archives.images()
    assert sorted(path.name for path in Path("data/raw").iterdir()) == [METADATA, "images"]


@settings(max_examples=40, deadline=None)
@given(
    table=st.sampled_from(
        ["HAM10000_metadata", "ham10000_metadata", "HAM10000_METADATA", "Ham10000_Metadata"]
    ),
    ending=st.sampled_from(["", ".csv", ".CSV", ".tab", ".Tab", ".tsv", ".txt"]),
    separator=st.sampled_from(",;\t|"),
    image=st.sampled_from([".jpg", ".JPG", ".jpeg", ".JPEG", ".Jpg", ".png", ".PNG"]),
    slash=st.sampled_from("/\\"),
    mark=st.sampled_from(["", "\ufeff"]),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_names_separators_and_slashes_of_all_programs_are_read(
    tmp_path_factory: pytest.TempPathFactory,
    table: str,
    ending: str,
    separator: str,
    image: str,
    slash: str,
    mark: str,
    newline: str,
) -> None:
    place = tmp_path_factory.mktemp("layout")
    text = mark + archives.metadata().replace(",", separator).replace("\n", newline)
    photographs = {name: b"pixels of " + name.encode() for name in archives.images()}
    files = {f"ham{slash}{table}{ending}": text.encode()}
    files |= {
        f"ham{slash}part_1{slash}{n.replace('.jpg', image)}": c for n, c in photographs.items()
    }
    import_archives([one_zip(place / "a.zip", files)], place / "raw")
    taken = {path.name: path.read_bytes() for path in (place / "raw/images").iterdir()}
    assert taken == photographs
    (place / "usual.csv").write_text(archives.metadata(), encoding="utf-8")
    assert read_metadata(place / "raw" / METADATA).equals(read_metadata(place / "usual.csv"))


SMALL: Files = {METADATA: archives.metadata().encode(), **archives.images()}
FIRST = f"{archives.IMAGE_IDS[0]}.jpg"
FAULTS: dict[str, Files] = {
    "unpacks to": {"{}": bytes(3_000_000)},
    "leaves the archive": {"C:\\{}": b"1", "../{}": b"2", "/{}": b"3"},
    "two different files": {"a/{}": b"1", "b/{}": b"2"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_sinks_an_archive_only_where_a_row_names_the_file(
    tmp_path: Path, fault: str
) -> None:
    for name in ("zeros.npy", "figure1.jpg", "more.zip", "ISIC_9999999.JPG"):
        members = SMALL | {place.format(name): content for place, content in FAULTS[fault].items()}
        import_archives([one_zip(tmp_path / "a.zip", members)], tmp_path / name)
        taken = {path.name for path in (tmp_path / name / "images").iterdir()}
        assert taken == set(archives.images())
    members = {place.format(FIRST): content for place, content in FAULTS[fault].items()}
    members |= {name: content for name, content in SMALL.items() if name != FIRST}
    with pytest.raises(InputError, match=fault):
        import_archives([one_zip(tmp_path / "a.zip", members)], tmp_path / "raw")


def test_a_link_in_a_folder_matters_only_where_a_row_names_it(tmp_path: Path) -> None:
    folder = in_folder(tmp_path / "folder", SMALL)
    (folder / "figure1.jpg").symlink_to("/etc/passwd")
    (folder / "latest").symlink_to(folder)
    import_archives([folder], tmp_path / "raw")
    assert len(list((tmp_path / "raw/images").iterdir())) == len(archives.IMAGE_IDS)


def test_a_png_is_taken_where_there_is_no_jpeg(tmp_path: Path) -> None:
    masks = {f"masks/{image_id}.png": b"mask" for image_id in archives.IMAGE_IDS}
    members = {name: content for name, content in SMALL.items() if name != FIRST} | masks
    import_archives([one_zip(tmp_path / "a.zip", members)], tmp_path / "raw")
    taken = {path.name: path.read_bytes() for path in (tmp_path / "raw/images").iterdir()}
    assert taken == archives.images() | {FIRST: b"mask"}


def test_the_message_says_which_files_were_seen(tmp_path: Path) -> None:
    webp = {name.replace(".jpg", ".webp"): b"1" for name in archives.images()}
    archive = one_zip(tmp_path / "a.zip", {METADATA: SMALL[METADATA], **webp})
    with pytest.raises(InputError, match=rf"such as {FIRST}; found: 21 .webp, 1 .csv"):
        import_archives([archive], tmp_path / "raw")
    archive = one_zip(tmp_path / "a.zip", archives.images() | {"README": b""})
    with pytest.raises(InputError, match=rf"no {METADATA} .* found: 21 .jpg, 1 without a suffix"):
        import_archives([archive], tmp_path / "raw")
    assert [path.name for path in (tmp_path / "raw").rglob("*")] == ["images"]


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_broken_zip_file_inside_is_named_where_an_image_is_missing(
    tmp_path: Path, as_zip: bool
) -> None:
    files = archives.dataverse_files()
    other = files | {"unrelated.zip": b"PK\x03\x04 cut"}
    part = files["HAM10000_images_part_2.zip"]
    cut = files | {"HAM10000_images_part_2.zip": part[: len(part) // 2]}
    for name, members in (("other", other), ("cut", cut)):
        place = tmp_path / f"{name}.zip"
        archive = one_zip(place, members) if as_zip else in_folder(place, members)
        if name == "other":
            import_archives([archive], tmp_path / name)
        else:
            with pytest.raises(InputError, match=r"part_2.zip is damaged .* cut short\?") as caught:
                import_archives([archive], tmp_path / name)
            assert str(caught.value).isprintable()
    assert not list((tmp_path / "cut/images").iterdir())


def test_zip_files_are_not_opened_without_end(tmp_path: Path) -> None:
    content = zipped(SMALL)
    for _ in range(3):
        content = zipped({"inner.zip": content})
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=rf"has no {METADATA} .* found: 1 .zip"):
        import_archives([tmp_path / "a.zip"], tmp_path / "raw")


def test_a_linked_folder_is_refused_as_its_images_would_be_missing(tmp_path: Path) -> None:
    folder = in_folder(tmp_path / "mine", SMALL)
    (tmp_path / "elsewhere").mkdir()
    (folder / FIRST).rename(tmp_path / "elsewhere" / FIRST)
    (folder / "part_2").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="part_2 is a symbolic link"):
        import_archives([folder], tmp_path / "raw")


def test_a_method_of_compression_that_is_not_read_is_told(tmp_path: Path) -> None:
    path = one_zip(tmp_path / "explorer.zip", SMALL)
    content = bytearray(path.read_bytes())
    for sign, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = content.find(sign)
        while at >= 0:
            content[at + place] = 9  # Deflate64, as Windows' Explorer takes it
            at = content.find(sign, at + 1)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"compressed by Deflate64 or newer, .* unpack it, give"):
        import_archives([path], tmp_path / "raw")
