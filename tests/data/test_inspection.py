"""What is measured of an image: files for rows, its look in bits, the digest of its file."""

import hashlib
import io
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harmonic.data.inspection import bits_apart, inspect_image, match_files, perceptual_hash
from harmonic.errors import InputError
from tests.data import archives


def test_rows_and_files_are_matched_both_ways(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "more.jpg"):
        (tmp_path / name).touch()
    assert match_files(pd.Series(["b", "a"]), tmp_path) == ["more.jpg"]
    with pytest.raises(InputError, match=r"c.jpg is named .* but is not there \(and 1 more\)"):
        match_files(pd.Series(["a", "c", "d"]), tmp_path)


def test_a_hash_has_its_lowest_frequencies_first() -> None:
    """Words are quarters of ImageHash's own matrix of 16 x 16 bits."""
    with Image.open(io.BytesIO(archives.jpeg(5))) as image:
        words = perceptual_hash(np.array(image))
        bits = imagehash.phash(image, hash_size=16).hash
    assert words.shape == (4,)
    assert words.dtype == np.uint64
    first = int("".join("1" if bit else "0" for bit in bits[:8, :8].ravel()), 2)
    assert int(words[0]) == first
    assert int(bits_apart(words, np.zeros(4, np.uint64)).sum()) == int(bits.sum())


def test_the_digest_of_an_image_is_that_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(archives.jpeg(1))
    found = inspect_image(tmp_path / "1.jpg")
    assert found.sha256 == hashlib.sha256(archives.jpeg(1)).hexdigest()
    assert (found.width, found.height, found.format, found.mode) == (40, 30, "JPEG", "RGB")
