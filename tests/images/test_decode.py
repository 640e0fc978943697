"""Image files: whole RGB ones are read, all others are refused in one line that names the file."""

import struct
import zlib
from contextlib import suppress
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


def test_a_large_photograph_comes_back_reduced(tmp_path: Path) -> None:
    """Of a phone with 50 million pixels; a square of pixels becomes their mean."""
    image = photograph(60, 80).repeat(50, axis=0).repeat(50, axis=1)
    path = tmp_path / "large.png"
    Image.fromarray(image).save(path)
    found = read_rgb(path)
    assert found.shape == (1500, 2000, 3)
    np.testing.assert_array_equal(found, image[::2, ::2])
    Image.new("RGB", (8160, 6144), (200, 150, 140)).save(tmp_path / "phone.jpg")
    assert read_rgb(tmp_path / "phone.jpg").shape == (1536, 2040, 3)


def test_an_alpha_channel_is_passed_over_where_it_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "screenshot.png"
    opaque = np.dstack([photograph(), np.full((30, 40), 255, dtype=np.uint8)])
    Image.fromarray(opaque).save(path)
    np.testing.assert_array_equal(read_rgb(path, opaque=True), photograph())
    opaque[3, 4, 3] = 254
    Image.fromarray(opaque).save(path)
    with pytest.raises(InputError, match="transparent in places"):
        read_rgb(path, opaque=True)


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_one_of_several_images_is_not_chosen(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pages.{suffix}"
    page, other = Image.fromarray(photograph()), Image.fromarray(photograph()[::-1])
    page.save(path, save_all=True, append_images=[other])
    assert_refused(path, "holds several images")
    page.save(path)
    np.testing.assert_array_equal(read_rgb(path), photograph())


def test_a_damaged_tiff_says_nothing_of_its_own(tmp_path: Path, capfd) -> None:
    """libtiff writes to standard error itself."""
    path = tmp_path / "damaged.tif"
    for compression in ("tiff_lzw", "jpeg", "tiff_deflate"):
        Image.fromarray(photograph()).save(path, compression=compression)
        whole = path.read_bytes()
        for place in range(8, len(whole), 37):
            path.write_bytes(whole[:place] + b"\xff\x00\xff" + whole[place + 3 :])
            with suppress(InputError):
                read_rgb(path)
    assert capfd.readouterr() == ("", "")


def test_the_preview_in_a_photograph_is_passed_over(tmp_path: Path) -> None:
    """As phones write it: a JPEG with a second one behind it (MPO)."""
    path = tmp_path / "phone.jpg"
    photo, preview = Image.fromarray(photograph(60, 80)), Image.fromarray(photograph())
    photo.save(path, format="MPO", save_all=True, append_images=[preview])
    assert read_rgb(path).shape == (60, 80, 3)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_an_image_is_read_as_it_is_stored(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"turned.{suffix}"
    turned = Image.Exif()
    turned[0x0112] = 6  # Orientation: to be turned by a quarter
    Image.fromarray(photograph()).save(path, exif=turned)
    assert read_rgb(path).shape == (30, 40, 3)


@pytest.mark.parametrize(
    ("kind", "content"),
    [("GIF", None), ("WebP", None), ("HEIC or AVIF", b"\0\0\0\x18ftypheic"),
     ("JPEG 2000", b"\0\0\0\x0cjP  "), ("DICOM", bytes(128) + b"DICM")],
)  # fmt: skip
def test_other_kinds_are_called_by_their_names(
    tmp_path: Path, kind: str, content: bytes | None
) -> None:
    path = tmp_path / "a.jpg"
    if content is None:
        Image.fromarray(photograph()).save(path, format=kind)
    else:
        path.write_bytes(content + bytes(300))
    assert_refused(path, f"it is {kind}, save it as a JPEG")


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
