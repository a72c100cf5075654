"""What belongs to a picture file survives, and what cannot is said."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from gantools.data.decode import read_picture
from gantools.data.keep import Kept, opaque_colours, read_frames, read_kept, write_kept
from gantools.errors import DataError

RNG = np.random.default_rng(0)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_with(**tags: object) -> Image.Exif:
    exif = Image.Exif()
    names = {"orientation": 0x0112, "maker": 0x010F}
    for name, value in tags.items():
        exif[names[name]] = value
    return exif


def _frames(path: Path) -> list[Kept]:
    """In their order."""
    found = {number: kept for number, _, kept in read_frames(path)}
    return [found[number] for number in sorted(found)]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_depth_alpha_and_profile_make_the_round_trip(
    tmp_path: Path, suffix: str, dtype: type[np.generic], channels: int
) -> None:
    pixels = RNG.integers(0, np.iinfo(dtype).max, (7, 5, channels), endpoint=True).astype(dtype)
    path = write_kept(tmp_path / f"picture{suffix}", Kept(pixels, icc=PROFILE))
    no_such_tiff = suffix == ".tif" and dtype == np.uint16 and channels == 2  # which nothing here reads
    assert path == tmp_path / f"picture{suffix}{'.png' if no_such_tiff else ''}"
    back = read_kept(path)
    assert back.pixels.dtype == dtype
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.icc == PROFILE
    assert not back.notes


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 3, 4]), st.integers(0, 2**32 - 1))
def test_any_picture_of_sixteen_bits_comes_back(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, channels: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 65535, (height, width, channels), endpoint=True).astype(np.uint16)
    path = write_kept(tmp_path_factory.getbasetemp() / "deep.png", Kept(pixels))
    back = read_kept(path)
    np.testing.assert_array_equal(back.pixels, pixels)


def test_orientation_is_applied_and_reset_and_other_exif_is_kept(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 255, (6, 9, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif_with(orientation=6, maker="gantools"))
    kept = read_kept(tmp_path / "a.png")
    np.testing.assert_array_equal(kept.pixels, np.rot90(pixels, -1))
    with Image.open(write_kept(tmp_path / "b.png", kept)) as again:
        exif = again.getexif()
    assert exif.get(0x0112, 1) == 1
    assert exif[0x010F] == "gantools"
    deep = Kept(kept.pixels.astype(np.uint16) * 257, exif=kept.exif, dpi=(300, 300))
    with Image.open(write_kept(tmp_path / "deep.png", deep)) as again:
        assert again.getexif()[0x010F] == "gantools"
        assert round(again.info["dpi"][0]) == 300


def test_jpeg_keeps_profile_and_exif(tmp_path: Path) -> None:
    pixels = np.full((16, 16, 3), 90, np.uint8)
    exif = exif_with(maker="gantools").tobytes()
    path = write_kept(tmp_path / "a.jpg", Kept(pixels, PROFILE, exif, (72, 72)))
    kept = read_kept(path)
    assert kept.icc == PROFILE
    assert kept.exif is not None
    assert b"gantools" in kept.exif
    assert np.abs(kept.pixels.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA", "RGBA", "CMYK"])
def test_every_mode_becomes_gray_or_colour_with_its_alpha(tmp_path: Path, mode: str) -> None:
    suffix = ".tif" if mode == "CMYK" else ".png"
    base = Image.fromarray(RNG.integers(0, 255, (8, 8, 4)).astype(np.uint8))
    image = base.convert("RGB").convert("P") if mode == "PA" else base.convert("RGB").convert(mode)
    if mode == "PA":
        image.info["transparency"] = 0
        image.save(tmp_path / "a.png", transparency=0)
    else:
        (base if mode == "RGBA" else base.convert("LA") if mode == "LA" else image).save(tmp_path / f"a{suffix}")
    kept = read_kept(tmp_path / f"a{suffix}")
    expected = {"1": 1, "L": 1, "LA": 2, "PA": 4, "RGBA": 4}.get(mode, 3)
    assert kept.pixels.shape == (8, 8, expected)
    assert kept.has_alpha == (mode in ("LA", "PA", "RGBA"))
    assert any("CMYK" in note for note in kept.notes) == (mode == "CMYK")


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_gray_that_stands_for_clear_is_clear_at_any_depth(tmp_path: Path, bits: int) -> None:
    """A PNG by hand, as Pillow writes none: white, which its tRNS says is clear, and black."""
    rows = b"".join(b"\0" + bytes([(2**bits - 1) << (8 - bits)]) for _ in range(2))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 2, 2, bits, 0, 0, 0, 0)
    parts = [
        (b"IHDR", header),
        (b"tRNS", struct.pack(">H", 2**bits - 1)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    path = tmp_path / "clear.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    np.testing.assert_array_equal(read_kept(path).pixels, [[[255, 0], [0, 255]]] * 2)
    np.testing.assert_array_equal(read_picture(path), [[[1.0], [0.0]]] * 2)


def test_cielab_comes_without_its_profile_and_says_so(tmp_path: Path) -> None:
    lab = Image.new("LAB", (4, 4), (140, 150, 160))
    lab.save(tmp_path / "lab.tif", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes())
    kept = read_kept(tmp_path / "lab.tif")
    assert kept.icc is None
    assert kept.pixels.shape == (4, 4, 3)
    assert any("CIELAB" in note for note in kept.notes)


def test_frames_are_read_one_or_all(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 6), level, np.uint8)) for level in (10, 200, 90)]
    for name in ("a.gif", "a.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        first = read_kept(tmp_path / name)
        assert any("3 frames" in note for note in first.notes)
        assert [(number, n) for number, n, _ in read_frames(tmp_path / name)] == [(1, 3), (2, 3), (0, 3)]


def test_what_a_format_cannot_hold_goes_into_a_png(tmp_path: Path) -> None:
    deep = np.zeros((3, 3, 3), np.uint16)
    clear = np.zeros((3, 3, 4), np.uint8)
    assert write_kept(tmp_path / "a.jpg", Kept(deep)).suffix == ".png"
    assert write_kept(tmp_path / "b.jpg", Kept(clear)).suffix == ".png"
    assert write_kept(tmp_path / "c.gif", Kept(clear[..., :3])).suffix == ".png"
    assert write_kept(tmp_path / "d.webp", Kept(clear)).suffix == ".webp"


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    exif = exif_with(maker="gantools").tobytes()
    eight, sixteen = np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3, 3), np.uint16)
    for name, pixels in (("a.bmp", eight), ("b.tif", sixteen)):
        kept = Kept(pixels, exif=exif)
        write_kept(tmp_path / name, kept)
        assert any("EXIF" in note for note in kept.notes)
    kept = Kept(eight, PROFILE, exif)
    write_kept(tmp_path / "c.tif", kept)
    assert not kept.notes


def test_tiffs_of_any_making_come_out_readable(tmp_path: Path) -> None:
    """What a TIFF's own tags say of its strips, planes and palette must not reach the copy."""
    import tifffile

    pixels = RNG.integers(0, 255, (20, 30, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "planes.tif", pixels.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    tifffile.imwrite(tmp_path / "packed.tif", pixels, compression="zlib", predictor=True)
    Image.fromarray(pixels).convert("P").save(tmp_path / "palette.tif")
    for name in ("planes", "packed", "palette"):
        kept = read_kept(tmp_path / f"{name}.tif")
        path = write_kept(tmp_path / f"{name}-copy.tif", kept)
        np.testing.assert_array_equal(np.asarray(Image.open(path)), kept.pixels)
        np.testing.assert_array_equal(tifffile.imread(path), kept.pixels)
    np.testing.assert_array_equal(read_kept(tmp_path / "planes.tif").pixels, pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_what_a_person_wrote_of_a_picture_is_kept(tmp_path: Path, suffix: str) -> None:
    exif, text = Image.Exif(), "Frühling\0".encode("utf-16le")
    written = {0x010D: "roll 7", 0x013C: "desk", 0x4746: 4, 0x4749: 75, **dict.fromkeys(range(0x9C9B, 0x9CA0), text)}
    for tag, value in written.items():
        exif[tag] = value
    Image.new("RGB", (16, 16)).save(tmp_path / f"a{suffix}", exif=exif)
    for copy in (".jpg", ".png", ".webp", ".tif"):
        with Image.open(write_kept(tmp_path / f"b{copy}", read_kept(tmp_path / f"a{suffix}"))) as again:
            found = again.getexif()
        assert {tag: found.get(tag) for tag in written} == written


def test_camera_data_are_kept_without_the_old_size(tmp_path: Path) -> None:
    exif = exif_with(maker="gantools")
    exif[0x8769] = {0x829A: 0.01, 0xA002: 48, 0xA003: 64}
    Image.new("RGB", (48, 64)).save(tmp_path / "a.jpg", exif=exif)
    kept = read_kept(tmp_path / "a.jpg")
    with Image.open(write_kept(tmp_path / "b.jpg", kept)) as again:
        camera = again.getexif().get_ifd(0x8769)
    assert float(camera[0x829A]) == pytest.approx(0.01)
    assert 0xA002 not in camera


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_deep_pictures_are_turned_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    import tifffile

    pixels = RNG.integers(0, 65535, (5, 8, 3), dtype=np.uint16)
    path = tmp_path / f"a{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, pixels, photometric="rgb", extratags=[(0x0112, 3, 1, orientation, True)])
    else:
        write_kept(path, Kept(pixels, exif=exif_with(orientation=orientation).tobytes()))
    eight = Image.fromarray((pixels >> 8).astype(np.uint8))
    eight.save(tmp_path / "eight.png", exif=exif_with(orientation=orientation))
    kept = read_kept(path)
    reference = read_kept(tmp_path / "eight.png")
    np.testing.assert_array_equal(kept.pixels >> 8, reference.pixels)
    np.testing.assert_array_equal(read_picture(path).shape, reference.pixels.shape)


def test_every_page_of_sixteen_bits(tmp_path: Path) -> None:
    import tifffile

    stack = RNG.integers(0, 65535, (3, 6, 7), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    pages = _frames(tmp_path / "stack.tif")
    np.testing.assert_array_equal([p.pixels[..., 0] for p in pages], stack)


def test_floating_point_becomes_sixteen_bits_or_is_refused(tmp_path: Path) -> None:
    import tifffile

    values = RNG.random((4, 5), dtype=np.float32)
    tifffile.imwrite(tmp_path / "unit.tif", values)
    tifffile.imwrite(tmp_path / "counts.tif", values * 1000)
    kept = read_kept(tmp_path / "unit.tif")
    np.testing.assert_allclose(kept.pixels[..., 0] / 65535, values, atol=1e-5)
    assert "floating point" in kept.notes[0]
    with pytest.raises(DataError, match=r"counts\.tif.*outside"):
        read_kept(tmp_path / "counts.tif")


def test_too_large_for_the_format_becomes_png(tmp_path: Path) -> None:
    assert write_kept(tmp_path / "long.webp", Kept(np.zeros((1, 16384, 3), np.uint8))).name == "long.webp.png"


def test_dark_pictures_of_sixteen_bits_stay_sixteen(tmp_path: Path) -> None:
    dark = RNG.integers(0, 200, (5, 5), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "dark.png"), dark)
    kept = read_kept(tmp_path / "dark.png")
    assert kept.pixels.dtype == np.uint16
    np.testing.assert_array_equal(kept.pixels[..., 0], dark)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    Image.new("RGB", (40, 50)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"a\.png.*is text"):
        read_kept(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"b\.png.*40 x 50"):
        read_kept(tmp_path / "b.png", max_megapixels=0.001)


def test_colours_under_transparent_pixels_are_those_of_the_nearest_others() -> None:
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[:, :3] = (200, 10, 30, 255)
    filled = opaque_colours(pixels)
    assert (filled[..., :3] == (200, 10, 30)).all()
    np.testing.assert_array_equal(filled[..., 3], pixels[..., 3])
    empty = np.zeros((2, 2, 4), np.uint8)
    np.testing.assert_array_equal(opaque_colours(empty), empty)


def test_a_cmyk_picture_goes_through_its_profile(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.jpg", icc_profile=b"not a profile")
    kept = read_kept(tmp_path / "a.jpg")
    assert kept.icc is None
    assert (kept.pixels >= 254).all()


def test_pages_of_many_bits_keep_depth_and_way_up_each_its_own(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (6, 9), np.uint16)
    with tifffile.TiffWriter(tmp_path / "pages.tif") as tiff:
        tiff.write(deep, extratags=[(274, "H", 1, 6, True)], resolution=(300, 300))
        tiff.write((deep >> 8).astype(np.uint8))
        tiff.write(deep)
    first, second, third = _frames(tmp_path / "pages.tif")
    assert [k.pixels.dtype for k in (first, second, third)] == [np.uint16, np.uint8, np.uint16]
    np.testing.assert_array_equal(first.pixels[..., 0], np.rot90(deep, -1))
    np.testing.assert_array_equal(second.pixels[..., 0], deep >> 8)
    np.testing.assert_array_equal(third.pixels[..., 0], deep)
    tifffile.imwrite(tmp_path / "int32.tif", np.zeros((2, 6, 9), np.int32))
    with pytest.raises(DataError, match="int32 pixels"):
        _frames(tmp_path / "int32.tif")


def test_a_ppm_of_sixteen_bits_says_that_it_loses_eight(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 65535, (3, 4, 3), endpoint=True).astype(">u2")
    (tmp_path / "deep.ppm").write_bytes(b"P6 4 3 65535\n" + pixels.tobytes())
    (tmp_path / "usual.ppm").write_bytes(b"P6 4 3 255\n" + (pixels >> 8).astype(np.uint8).tobytes())
    deep, usual = (read_kept(tmp_path / f"{name}.ppm") for name in ("deep", "usual"))
    assert "eight are left" in deep.notes[0]
    assert not usual.notes
    np.testing.assert_allclose(deep.pixels, usual.pixels, atol=1)


def test_colours_are_not_written_under_the_name_of_a_gray_format(tmp_path: Path) -> None:
    written = write_kept(tmp_path / "a.pgm", Kept(np.zeros((3, 4, 3), np.uint8)))
    assert written.name == "a.pgm.png"


@pytest.mark.parametrize("most", [4095, 65535])
def test_a_gray_pgm_is_as_bright_as_its_highest_value_says(tmp_path: Path, most: int) -> None:
    pixels = RNG.integers(0, most, (3, 4), endpoint=True)
    (tmp_path / "a.pgm").write_bytes(b"P5 4 3 %d\n" % most + pixels.astype(">u2").tobytes())
    np.testing.assert_allclose(read_picture(tmp_path / "a.pgm")[..., 0], pixels / most, atol=1e-4)
    kept = read_kept(tmp_path / "a.pgm")
    np.testing.assert_allclose(kept.pixels[..., 0] / 65535, pixels / most, atol=1e-4)


def test_a_gray_that_a_png_of_sixteen_bits_calls_transparent_is_so(tmp_path: Path) -> None:
    pixels = np.array([[0, 300, 65535], [300, 299, 301]], np.uint16)
    content = write_kept(tmp_path / "a.png", Kept(pixels[..., None])).read_bytes()
    header_ends = content.index(b"IDAT") - 4
    clear = struct.pack(">H", 300)
    trns = struct.pack(">I", 2) + b"tRNS" + clear + struct.pack(">I", zlib.crc32(b"tRNS" + clear))
    (tmp_path / "a.png").write_bytes(content[:header_ends] + trns + content[header_ends:])
    kept = read_kept(tmp_path / "a.png")
    np.testing.assert_array_equal(kept.pixels, np.stack([pixels, np.where(pixels == 300, 0, 65535)], 2))
    on_white = np.where(pixels == 300, 65535, pixels) / 65535
    np.testing.assert_allclose(read_picture(tmp_path / "a.png")[..., 0], on_white, atol=1e-6)


def test_deep_tiffs_that_would_come_out_wrong_and_resolutions_that_are_none(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 65535, (5, 6, 4), endpoint=True).astype(np.uint16)
    tifffile.imwrite(tmp_path / "straight.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "multiplied.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_array_equal(read_kept(tmp_path / "straight.tif").pixels, pixels)
    for read in (read_kept, read_picture):
        with pytest.raises(DataError, match="multiplied by its alpha"):
            read(tmp_path / "multiplied.tif")
    written = write_kept(tmp_path / "nowhere.tif", Kept(pixels, dpi=(float("inf"), 72.0)))
    np.testing.assert_array_equal(read_kept(written).pixels, pixels)


def test_pages_of_sixteen_bits_are_read_however_they_were_packed(tmp_path: Path) -> None:
    pages = RNG.integers(0, 65535, (3, 8, 9), endpoint=True).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", pages, photometric="minisblack", compression="lzw")
    found = _frames(tmp_path / "stack.tif")
    np.testing.assert_array_equal(np.stack([f.pixels[..., 0] for f in found]), pages)


def test_other_names_of_jpeg_are_written_as_well_as_jpeg(tmp_path: Path) -> None:
    pixels = np.tile(RNG.integers(0, 255, (8, 8, 3)).astype(np.uint8), (4, 4, 1))
    sizes = {write_kept(tmp_path / f"a{suffix}", Kept(pixels)).stat().st_size for suffix in (".jpg", ".jfif", ".jpe")}
    assert len(sizes) == 1


def test_our_limit_on_the_size_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    pixels = RNG.integers(0, 255, (40, 30, 3)).astype(np.uint8)
    for suffix in (".tif", ".png"):
        Image.fromarray(pixels).save(tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(read_kept(tmp_path / f"a{suffix}").pixels, pixels)
        assert read_picture(tmp_path / f"a{suffix}").shape == (40, 30, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_every_page_is_held_to_the_limit(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 5), np.uint8))
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((90, 90), np.uint8), append=True)
    with pytest.raises(DataError, match="90 x 90"):
        list(read_frames(tmp_path / "a.tif", max_megapixels=0.001))


def test_names_beyond_ascii_stay_as_they_were(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x8298] = "© Jürgen Müller".encode()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    written = write_kept(tmp_path / "b.jpg", read_kept(tmp_path / "a.jpg"))
    with Image.open(written) as image:
        assert image.getexif()[0x8298].encode("latin-1").decode() == "© Jürgen Müller"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_channel_that_is_no_transparency_is_left_out_with_a_note(tmp_path: Path, dtype: type[np.generic]) -> None:
    pixels = RNG.integers(0, 255, (9, 8, 4)).astype(dtype)
    tifffile.imwrite(tmp_path / "infrared.tif", pixels, photometric="rgb", extrasamples=["unspecified"])
    kept = read_kept(tmp_path / "infrared.tif")
    np.testing.assert_array_equal(kept.pixels, pixels[..., :3])
    assert any("no transparency" in note for note in kept.notes)
    np.testing.assert_allclose(
        read_picture(tmp_path / "infrared.tif"), pixels[..., :3] / np.iinfo(dtype).max, atol=1e-6
    )


def test_pages_keep_their_exif(tmp_path: Path) -> None:
    for dtype in (np.uint8, np.uint16):
        path = tmp_path / f"{dtype.__name__}.tif"
        with tifffile.TiffWriter(path) as tiff:
            for words in ("first", "second"):
                tiff.write(np.zeros((6, 7), dtype), description=words, metadata=None)
        for kept, words in zip(_frames(path), (b"first", b"second"), strict=True):
            assert kept.exif is not None
            assert words in kept.exif
