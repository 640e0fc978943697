"""Image files: whole RGB ones are read, all others are refused in one line that names the file."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from harmonic.errors import InputError
from harmonic.images.decode import MAX_PIXELS, read_mask, read_rgb, write_jpeg, write_mask


def photograph(height: int = 30, width: int = 40) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([200 - x, 120 + y, 90 + x], axis=2).astype(np.uint8)


def assert_refused(path: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_rgb(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in (path.name, *words):
        assert word in message


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png(width: int, height: int, bits: int, colour_type: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_rgb_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(photograph()).save(path)
    image = read_rgb(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, photograph())


def test_a_jpeg_comes_back_nearly_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    write_jpeg(path, photograph())
    assert np.abs(read_rgb(path).astype(int) - photograph()).mean() < 2.0
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jpg"]
    with Image.open(path) as image:
        assert not image.getexif()
        assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_png_of_another_mode(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    if mode == "I;16":
        Image.fromarray(np.zeros((4, 4), dtype=np.uint16)).save(path)
    else:
        Image.fromarray(photograph()).convert("L" if mode == "1" else "RGB").convert(
            "L" if mode == "LA" else mode
        ).convert(mode).save(path)
    assert_refused(path, mode, "RGB")


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpeg_of_another_mode(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(photograph()).convert(mode).save(path)
    assert_refused(path, mode, "RGB")


def test_sixteen_bit_rgb(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    rows = (b"\0" + b"\x12\x34" * 3 * 4) * 4
    path.write_bytes(png(4, 4, 16, 2, rows))
    assert_refused(path, "16-bit")


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    width = 40_000
    path.write_bytes(png(width, MAX_PIXELS // width + 1, 8, 2, b"\0"))
    assert_refused(path, "pixels", "allowed")


@pytest.mark.parametrize("keep", [0, 1, 10, 300, 0.5, 0.95])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_truncated(tmp_path: Path, suffix: str, keep: float) -> None:
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, size=(60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    assert_refused(path)


def test_not_an_image_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "text.jpg"
    path.write_text("no image", encoding="utf-8")
    assert_refused(path)
    assert_refused(tmp_path / "absent.jpg", "no such file")
    assert_refused(tmp_path)


def test_masks_round_trip_in_one_bit(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((31, 45)) < 0.3
    path = tmp_path / "mask.png"
    write_mask(path, mask)
    np.testing.assert_array_equal(read_mask(path), mask)
    assert path.stat().st_size < 31 * 45
    Image.fromarray(photograph()).save(path)
    with pytest.raises(InputError, match=r"mask\.png"):
        read_mask(path)
