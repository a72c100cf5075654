"""Every way a picture file can be, and every way it can be broken."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from gantools.data.decode import header_of, read_picture
from gantools.data.keep import Kept, write_kept
from gantools.data.sources import open_pictures
from gantools.errors import DataError

RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([RAMP, RAMP[::-1], 255 - RAMP], 2)


def saved(path: Path, array: np.ndarray, mode: str | None = None, **options: object) -> Path:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def test_gray_and_colour(tmp_path: Path) -> None:
    gray, colour = (
        read_picture(saved(tmp_path / "g.png", RAMP)),
        read_picture(saved(tmp_path / "c.png", COLOUR)),
    )
    assert gray.dtype == np.float32
    np.testing.assert_allclose(gray[..., 0], RAMP / 255, atol=1e-6)
    np.testing.assert_allclose(colour, COLOUR / 255, atol=1e-6)


@pytest.mark.parametrize("array", [RAMP, COLOUR], ids=["gray", "colour"])
def test_sixteen_bits_keep_their_depth(tmp_path: Path, array: np.ndarray) -> None:
    deep = array.astype(np.uint16) * 257 + 3
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1] if deep.ndim == 3 else deep)
    read = read_picture(tmp_path / "deep.png")
    np.testing.assert_allclose(read.squeeze(), deep / 65535, atol=1e-6)


def test_gray_with_alpha_of_sixteen_bits_is_gray(tmp_path: Path) -> None:
    deep = np.dstack([RAMP.astype(np.uint16) * 257, np.full((3, 4), 65535, np.uint16)])
    deep[0, 1:3, 1] = 0, 32768
    path = write_kept(tmp_path / "a.png", Kept(deep))
    alpha = deep[..., 1:] / 65535
    np.testing.assert_allclose(read_picture(path), deep[..., :1] / 65535 * alpha + 1 - alpha, atol=1e-6)
    header = header_of(path, 1)
    assert header is not None
    assert not header.coloured


def test_palette(tmp_path: Path) -> None:
    read = read_picture(saved(tmp_path / "p.gif", COLOUR, "P"))
    assert read.shape == (3, 4, 3)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.dstack([COLOUR, np.full((3, 4), 255, np.uint8)])
    rgba[0, 0, 3] = 0
    read = read_picture(saved(tmp_path / "a.png", rgba))
    np.testing.assert_allclose(read[0, 0], 1)
    np.testing.assert_allclose(read[1:], COLOUR[1:] / 255, atol=1e-6)
    assert read_picture(saved(tmp_path / "la.png", RAMP, "LA")).shape == (3, 4, 1)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    red = np.full((8, 8, 3), [250, 10, 10], np.uint8)
    read = read_picture(saved(tmp_path / "c.jpg", red, "CMYK"))
    assert read[..., 0].min() > 0.8
    assert read[..., 1:].max() < 0.3


def test_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    read = read_picture(saved(tmp_path / "o.png", RAMP, exif=exif.tobytes()))
    np.testing.assert_allclose(read[..., 0], np.rot90(RAMP, -1) / 255, atol=1e-6)


def test_one_bit(tmp_path: Path) -> None:
    assert set(np.unique(read_picture(saved(tmp_path / "b.png", RAMP, "1")))) <= {0.0, 1.0}


def truncated(path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    saved(path, noise)
    path.write_bytes(path.read_bytes()[:600])
    return path


def complex_tiff(path: Path, order: str) -> Path:
    tifffile.imwrite(path, np.zeros((4, 4), np.complex64), bigtiff=True, byteorder=order)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: written(p / "t.png", b"hello, this is text"), "text"),
        (lambda p: written(p / "e.png", b""), "empty"),
        (lambda p: complex_tiff(p / "little.tif", "<"), "TIFF of a kind"),
        (lambda p: complex_tiff(p / "big.tif", ">"), "TIFF of a kind"),
        (lambda p: written(p / "x.png", bytes(range(128, 200))), "not a picture"),
        (lambda p: truncated(p / "t.jpg"), "cannot be decoded"),
        (lambda p: p / "none.png", "no such file"),
        (lambda p: p, "folder"),
        (lambda p: saved(p / "f.tif", np.full((4, 4), 7.5, np.float32)), "outside"),
    ],
)
def test_broken_files_are_named_with_a_reason(tmp_path: Path, make: object, reason: str) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match=reason) as caught:
        read_picture(path)
    assert str(path) in str(caught.value)


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (20_000, 20_000)).save(path)
    with pytest.raises(DataError, match="megapixels"):
        read_picture(path)
    with pytest.raises(DataError, match=r"limit of 0\.001"):
        read_picture(saved(tmp_path / "s.png", np.zeros((40, 40), np.uint8)), max_megapixels=0.001)


def test_a_broken_exif_is_the_files_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(path, exif=b"MM\0*")
    with pytest.raises(DataError, match=r"a\.png: cannot be decoded"):
        read_picture(path)


def test_a_file_that_is_named_as_a_picture_and_is_a_program(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(path, "EPS")
    with pytest.raises(DataError, match=r"a\.png: is (text|not a picture)"):
        read_picture(path)


def test_tiffs_of_many_bits_in_odd_layouts_are_refused_not_misread(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (3, 20, 30), np.uint16)
    tifffile.imwrite(tmp_path / "planes.tif", pixels, photometric="rgb")
    tifffile.imwrite(tmp_path / "white.tif", pixels[0], photometric="miniswhite")
    for name, said in (("planes", "planes of their own"), ("white", "zero for white")):
        with pytest.raises(DataError, match=said):
            read_picture(tmp_path / f"{name}.tif")
    tifffile.imwrite(tmp_path / "sound.tif", pixels.transpose(1, 2, 0), photometric="rgb")
    np.testing.assert_allclose(read_picture(tmp_path / "sound.tif"), pixels.transpose(1, 2, 0) / 65535, atol=1e-6)


def test_kinds_that_are_not_read_are_told_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "telephone.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(range(200)))
    saved(tmp_path / "web.jfif", COLOUR, format="JPEG")
    source = open_pictures(tmp_path)
    assert [source.name(i) for i in range(len(source))] == ["telephone.HEIC", "web.jfif"]
    assert source.read(1).shape == (3, 4, 3)
    with pytest.raises(DataError, match=r"telephone\.HEIC: is of a kind that is not read .*; save it as PNG or JPEG"):
        source.read(0)
