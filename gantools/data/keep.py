"""Picture files read with everything that a copy at another size should keep: depth, alpha, profile, EXIF."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gantools.core.checkpoint import write_atomically
from gantools.data.decode import (
    MAX_MEGAPIXELS,
    ORIENTATION,
    check_depth,
    check_layout,
    check_size,
    decoding_errors,
    from_cmyk,
    has_foreign_channel,
    is_deep,
    most_of_ppm,
    open_checked,
    oriented,
    plain_mode,
    read_deep,
)
from gantools.errors import DataError, ModelError

# What EXIF says of the picture (name, description, maker, model, program, time, artist, computer, copyright), and not
# of the file; then what Windows adds (rating in stars and in percent, title, comment, author, keywords, subject).
_KEPT_TAGS = (
    *(0x010D, 0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298),
    *(0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),
)
_CAMERA, _PLACE = 0x8769, 0x8825
_DROPPED_CAMERA_TAGS = (0xA002, 0xA003, 0xA005, 0x927C)  # sizes, and what points into the old file
_JPEG = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
_TIFF = frozenset({".tif", ".tiff"})
_LARGEST = {".webp": 16383, **dict.fromkeys(_JPEG, 65500)}
_FOREIGN = "had a last channel that is no transparency, which is left out"
OF_SEVERAL = "frames, of which the first is taken"
_STRIP = 256
_QUALITY = 95
_DEEP_FORMATS = _TIFF | {".png"}
_FORMATS_WITH_ALPHA = _TIFF | {".png", ".webp"}
_FORMATS_WITH_PROFILES = _TIFF | _JPEG | {".png", ".webp"}


@dataclass
class Kept:
    """A picture and what belongs to it.

    Attributes
    ----------
    pixels : ndarray, (H, W, C), uint8 or uint16
        Upright; gray, colour, or either with alpha.
    icc : bytes or None
        Colour profile.
    exif : bytes or None
        With the orientation set to upright.
    dpi : tuple or None
        Pixels per inch.
    notes : list of str
        What could not be kept, or was changed on reading.
    """

    pixels: NDArray[Any]
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.pixels.shape[2] in (2, 4)


def read_kept(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Kept:
    """A picture file; of several frames the first, with a note.

    Palettes become colours and 1-bit pictures gray, as a larger picture has shades between; CMYK becomes RGB, through
    its profile where it has one.

    Parameters
    ----------
    path : Path
    max_megapixels : float
        Larger pictures are refused before they are decoded.

    Raises
    ------
    DataError
        Naming the file and the reason.
    """
    with decoding_errors(path, max_megapixels), open_checked(path, max_megapixels) as image:
        kept = _deep_frame(image, path) if is_deep(image) else _frame(image, path)
        n_frames = getattr(image, "n_frames", 1)
        if n_frames > 1:
            kept.notes.append(f"has {n_frames} {OF_SEVERAL}")
        return kept


def number_of_frames(path: Path) -> int:
    """Of how many frames or pages a file is; 1 of one that cannot be read."""
    try:
        with decoding_errors(path, math.inf), open_checked(path, math.inf) as image:
            return int(getattr(image, "n_frames", 1))
    except DataError:
        return 1


def read_frames(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[tuple[int, int, Kept]]:
    """Every frame of an animation, every page of a TIFF, one at a time: its number, of how many, and itself.

    The first one comes last, so that where what is made of it has been written, that of the others has too. Parameters
    and errors are those of `read_kept`.
    """
    with decoding_errors(path, max_megapixels), open_checked(path, max_megapixels) as image:
        n_frames = getattr(image, "n_frames", 1)
        if n_frames == 1:
            yield 0, 1, _deep_frame(image, path) if is_deep(image) else _frame(image, path)
            return
        for number in (*range(1, n_frames), 0):
            yield number, n_frames, _page(image, path, number, max_megapixels)


def _frame(image: Image.Image, path: Path, exif: bytes | None = None, foreign: bool = False) -> Kept:
    """Eight bits, upright; `exif` is the file's own if None; `foreign`: it has a channel that is no transparency."""
    icc, dpi, notes = image.info.get("icc_profile"), image.info.get("dpi"), []
    exif = _kept_exif(image) if exif is None else exif
    if foreign or has_foreign_channel(image):
        notes.append(_FOREIGN)
    if image.format == "PPM" and image.mode == "RGB" and most_of_ppm(image) > 255:
        notes.append("had more than eight bits a channel, of which eight are left; save it as PNG or TIFF to keep them")
    image = ImageOps.exif_transpose(image)
    if image.mode == "CMYK":
        image, icc = from_cmyk(image), None
        notes.append("was CMYK and is now RGB")
    elif image.mode == "LAB":
        icc = None
        notes.append("was CIELAB and is now RGB")
    elif image.mode in ("1", "P", "PA"):
        notes.append(f"had {'two levels' if image.mode == '1' else 'a palette'} and now has shades between")
    pixels = np.asarray(plain_mode(image))
    return Kept(np.ascontiguousarray(_with_channels(pixels)), icc, exif, dpi, notes)


def _deep_frame(image: Image.Image, path: Path) -> Kept:
    """Sixteen bits, upright. OpenCV turns TIFFs itself."""
    check_layout(image, path)
    pixels = read_deep(image, path)  # first, as a PNG's getexif decodes the file
    icc, dpi, exif = image.info.get("icc_profile"), image.info.get("dpi"), _kept_exif(image)
    pixels = pixels if image.format == "TIFF" else oriented(pixels, image.getexif().get(ORIENTATION, 1))
    pixels, notes = _sixteen_bits(pixels, path, image)
    return Kept(np.ascontiguousarray(pixels), icc, exif, dpi, notes)


def _page(image: Image.Image, path: Path, number: int, max_megapixels: float) -> Kept:
    """One frame of several; those of sixteen bits are pages of a TIFF."""
    import tifffile

    image.seek(number)
    check_size(image, path, max_megapixels)
    exif = _kept_exif(image)
    if not is_deep(image):
        return _frame(image.copy(), path, exif, has_foreign_channel(image))
    check_layout(image, path)
    pixels = _with_channels(tifffile.imread(path, key=number))
    check_depth(pixels, path)
    pixels, notes = _sixteen_bits(pixels, path, image)
    if pixels.ndim != 3 or pixels.shape[2] > 4:
        raise DataError(f"{path}: page {number + 1} has shape {pixels.shape}; gray or colour, and alpha, is wanted")
    pixels = oriented(pixels, image.getexif().get(ORIENTATION, 1))
    icc, dpi = image.info.get("icc_profile"), image.info.get("dpi")
    return Kept(np.ascontiguousarray(pixels), icc, exif, dpi, notes)


def _sixteen_bits(pixels: NDArray[Any], path: Path, image: Image.Image) -> tuple[NDArray[Any], list[str]]:
    """Floating point in [0, 1] as sixteen bits, without a channel that is no transparency, and notes that say so."""
    notes = []
    if has_foreign_channel(image) and pixels.shape[-1] in (2, 4):
        pixels, notes = pixels[..., :-1], [_FOREIGN]
    if pixels.dtype.kind != "f":
        return pixels, notes
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise DataError(f"{path}: {pixels.dtype} pixels outside [0, 1]; save it with 8 or 16 bits a channel")
    deep = np.rint(pixels.astype(np.float64) * 65535).astype(np.uint16)
    return deep, [*notes, "was floating point and is now sixteen bits"]


def _with_channels(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _kept_exif(image: Image.Image) -> bytes | None:
    """EXIF without what belongs to the file it came from: sizes, orientation, strips, predictors."""
    found, kept = image.getexif(), Image.Exif()
    for tag in _KEPT_TAGS:
        if tag in found:
            kept[tag] = _as_it_was(found[tag])
    for tag in (_CAMERA, _PLACE):
        inner = {k: _as_it_was(v) for k, v in found.get_ifd(tag).items() if k not in _DROPPED_CAMERA_TAGS}
        if inner:
            kept[tag] = inner
    return kept.tobytes() if len(kept) else None


def _as_it_was(value: Any) -> Any:
    """Text beyond ASCII as the bytes that Pillow, which takes all for Latin-1, read; it would write question marks."""
    return value.encode("latin-1", "replace") if isinstance(value, str) and not value.isascii() else value


def write_kept(path: Path, kept: Kept) -> Path:
    """Write a picture in the format its name says, whole or not at all.

    GIF, which has 256 colours, becomes PNG, as `as_png` names it; so does what is too large for the format, or has 16
    bits or alpha where the format has none, and TIFFs of gray in 16 bits with alpha, which few programs can read. What
    else the format cannot hold is added to the picture's notes.

    Returns
    -------
    Path
        What was written: `path`, or one with another suffix.

    Raises
    ------
    ModelError
        When it cannot be written.
    """
    suffix = path.suffix.lower()
    deep = kept.pixels.dtype == np.uint16
    too_large = max(kept.pixels.shape[:2]) > _LARGEST.get(suffix, 1 << 31)
    loses = (deep and suffix not in _DEEP_FORMATS) or (kept.has_alpha and suffix not in _FORMATS_WITH_ALPHA)
    loses = loses or (suffix == ".pgm" and kept.pixels.shape[2] == 3)
    unreadable = deep and suffix in _TIFF and kept.pixels.shape[2] == 2  # Pillow and OpenCV have no such pictures
    if suffix == ".gif" or too_large or loses or unreadable:
        path, suffix = as_png(path), ".png"
    if (kept.icc or kept.exif) and suffix not in _FORMATS_WITH_PROFILES:
        kept.notes.append(f"{suffix} files hold no colour profile and no EXIF, which are lost")
    if deep and kept.exif and suffix != ".png":
        kept.notes.append("EXIF is lost in TIFFs of sixteen bits")
    try:
        content = _deep_bytes(kept, suffix) if deep else _bytes(kept, suffix)
    except Exception as error:  # what writers stumble over is many things
        raise ModelError(f"{path} cannot be written as {suffix.removeprefix('.')} ({error})") from error
    write_atomically(path, content)
    return path


def as_png(path: Path) -> Path:
    """Where a picture goes whose own format cannot hold it: beside a.gif, a.gif.png, which is nobody else's name."""
    return path.with_name(f"{path.name}.png")


def _bytes(kept: Kept, suffix: str) -> bytes:
    pixels = kept.pixels[..., 0] if kept.pixels.shape[2] == 1 else kept.pixels
    image = Image.fromarray(pixels)
    options: dict[str, Any] = {name: value for name, value in (("icc_profile", kept.icc), ("exif", kept.exif)) if value}
    if kept.dpi:
        options["dpi"] = kept.dpi
    if suffix in _JPEG:
        options |= {"quality": _QUALITY, "subsampling": 0}
    elif suffix == ".webp":
        options |= {"quality": _QUALITY}
    stream = io.BytesIO()
    formats = Image.registered_extensions()
    image.save(stream, format=formats.get(suffix, "PNG"), **options)
    return stream.getvalue()


def _deep_bytes(kept: Kept, suffix: str) -> bytes:
    """Sixteen bits: by OpenCV for PNG, whose profile and EXIF are put in afterwards, and by tifffile for TIFF."""
    pixels = kept.pixels[..., 0] if kept.pixels.shape[2] == 1 else kept.pixels
    if suffix in _TIFF:
        import tifffile

        stream = io.BytesIO()
        extra = ["unassalpha"] if kept.has_alpha else None
        photometric = "rgb" if kept.pixels.shape[2] >= 3 else "minisblack"
        resolution: dict[str, Any] = (
            {"resolution": kept.dpi, "resolutionunit": "INCH"} if _is_resolution(kept.dpi) else {}
        )
        tifffile.imwrite(
            stream,
            pixels,
            photometric=photometric,
            extrasamples=extra,
            iccprofile=kept.icc,
            metadata=None,
            **resolution,
        )
        return stream.getvalue()
    return _deep_png(kept)


def _deep_png(kept: Kept) -> bytes:
    """A PNG of sixteen bits, chunk by chunk (ISO/IEC 15948); OpenCV would lose profile and gray with alpha."""
    height, width, channels = kept.pixels.shape
    colour = {1: 0, 3: 2, 2: 4, 4: 6}[channels]
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))]
    if kept.icc:
        parts.append(_chunk(b"iCCP", b"profile\0\0" + zlib.compress(kept.icc)))
    if kept.exif:
        parts.append(_chunk(b"eXIf", kept.exif.removeprefix(b"Exif\0\0")))
    if kept.dpi and _is_resolution(kept.dpi):
        parts.append(_chunk(b"pHYs", struct.pack(">IIB", *(round(float(d) / 0.0254) for d in kept.dpi), 1)))
    parts += [_chunk(b"IDAT", data) for data in _compressed_rows(kept.pixels)]
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _is_resolution(dpi: Any) -> bool:
    """Whether there is one, and it can be: files also say 72 / 0."""
    return bool(dpi) and all(np.isfinite(float(d)) and d > 0 for d in dpi)


def _compressed_rows(pixels: NDArray[Any]) -> Iterator[bytes]:
    """Rows as PNG wants them, strip by strip, each the difference from the row above (filter 2)."""
    packer = zlib.compressobj(6)
    above = np.zeros((1, pixels.shape[1] * pixels.shape[2] * 2), np.uint8)
    for top in range(0, len(pixels), _STRIP):
        rows = np.ascontiguousarray(pixels[top : top + _STRIP], ">u2").reshape(-1, pixels.shape[1] * pixels.shape[2])
        rows = rows.view(np.uint8)
        filtered = np.hstack([np.full((len(rows), 1), 2, np.uint8), rows - np.vstack([above, rows[:-1]])])
        above = rows[-1:]
        yield packer.compress(filtered.tobytes())
    yield packer.flush()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def opaque_colours(pixels: NDArray[Any]) -> NDArray[Any]:
    """Under fully transparent pixels, the colour of the nearest pixel that is not.

    What lies under transparent pixels is arbitrary, often black, and would bleed into edges when the picture is
    enlarged.

    Parameters
    ----------
    pixels : ndarray, (H, W, 2) or (H, W, 4)
    """
    from scipy.ndimage import distance_transform_edt

    hidden = pixels[..., -1] == 0
    if not hidden.any() or hidden.all():
        return pixels
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    filled = pixels.copy()
    filled[hidden, :-1] = pixels[rows[hidden], columns[hidden], :-1]
    return filled
