"""The smaller copy: an archive that the pipeline takes, close to the one of the published runs."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonic.data.sources.archive import METADATA, import_archives
from harmonic.images.decode import read_rgb
from harmonic.images.resize import resize
from studies.__main__ import main
from tests.data.archives import IMAGE_IDS, metadata

SHARED = Path(__file__).parents[3] / "shared/ham10000"
ORIGINALS, SMALL = SHARED / "ham10000-600x450-sample.zip", SHARED / "ham10000-200x150.zip"


def kaggle(path: Path, size: tuple[int, int]) -> Path:
    """An archive with a few images of this size, each twice, as Kaggle has them."""
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(METADATA, metadata())
        for image_id in IMAGE_IDS[:3]:
            coarse = Image.fromarray(random.integers(0, 255, size=(6, 8, 3)).astype(np.uint8))
            content = io.BytesIO()
            coarse.resize(size).save(content, "JPEG")
            for folder in ("HAM10000_images_part_1", "ham10000_images_part_1"):
                archive.writestr(f"{folder}/{image_id}.jpg", content.getvalue())
    return path


def test_the_copy_is_an_archive_of_every_image_once(tmp_path: Path) -> None:
    originals = kaggle(tmp_path / "originals.zip", (600, 450))
    copies = [tmp_path / "one.zip", tmp_path / "other.zip"]
    for copy in copies:
        assert main(["shrink", str(originals), "-o", str(copy)]) == 0
    assert copies[0].read_bytes() == copies[1].read_bytes()
    import_archives([copies[0]], tmp_path / "raw")
    assert (tmp_path / "raw" / METADATA).read_text() == metadata()
    images = sorted((tmp_path / "raw/images").iterdir())
    assert [path.stem for path in images] == IMAGE_IDS[:3]
    assert {read_rgb(path).shape for path in images} == {(150, 200, 3)}


@pytest.mark.parametrize(
    ("size", "name", "words"),
    [
        ((200, 150), "copy.zip", "ISIC_0024306.jpg: is 200 × 150; an original is 600 × 450"),
        ((600, 450), "copy.tar", "its name must end in .zip"),
        ((600, 450), "originals.zip", "which this command uses"),
    ],
)
def test_what_cannot_be_made_smaller_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: tuple[int, int], name: str, words: str
) -> None:
    originals = kaggle(tmp_path / "originals.zip", size)
    assert main(["shrink", str(originals), "-o", str(tmp_path / name), "--force"]) == 1
    line, *more = capsys.readouterr().err.splitlines()
    assert words in line
    assert not more
    assert list(tmp_path.iterdir()) == [originals]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real images, in ../shared/ham10000")
def test_it_is_as_close_to_the_published_copy_as_the_docs_say(tmp_path: Path) -> None:
    assert main(["shrink", str(ORIGINALS), "-o", str(tmp_path / "copy.zip")]) == 0
    folders = []
    for archive in (tmp_path / "copy.zip", SMALL):
        import_archives([archive], tmp_path / archive.stem)
        folders.append(tmp_path / archive.stem / "images")
    whole, resized = [], []
    for path in sorted(folders[0].iterdir()):
        pair = [read_rgb(folder / path.name) for folder in folders]
        whole.append(difference(*pair))
        resized.append(difference(*(resize(image, 64) for image in pair)))
    assert len(whole) == 400
    assert np.mean(whole, axis=0)[0] == pytest.approx(0.57, abs=0.01)
    assert np.mean(resized, axis=0)[0] == pytest.approx(0.53, abs=0.01)
    assert np.max(whole + resized, axis=0)[1] == 20


def difference(one: np.ndarray, other: np.ndarray) -> tuple[float, int]:
    """Of two images, how far values are apart: in the mean, and at most."""
    apart = np.abs(one.astype(int) - other.astype(int))
    return float(apart.mean()), int(apart.max())
