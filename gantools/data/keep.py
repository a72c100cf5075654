"""Picture files read with everything that a copy at another size should keep: depth, alpha, profile, EXIF."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, ImageSequence

from gantools.data.decode import MAX_MEGAPIXELS, decoding_errors, is_deep, open_checked, oriented, raw_mode, read_deep

_ORIENTATION = 0x0112
_DIMENSIONS = (0xA002, 0xA003, 0x0100, 0x0101)
_QUALITY = 95
_DEEP_FORMATS = frozenset({".png", ".tif", ".tiff"})
_FORMATS_WITH_PROFILES = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp"})


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


def read_kept(path: Path, max_megapixels: float = MAX_MEGAPIXELS, every_frame: bool = False) -> list[Kept]:
    """The frames of a picture file.

    Palettes become colours and 1-bit pictures gray, as a larger picture has shades between; CMYK becomes RGB, through
    its profile where it has one.

    Parameters
    ----------
    path : Path
    max_megapixels : float
        Larger pictures are refused before they are decoded.
    every_frame : bool
        Whether every frame of an animation, every page of a TIFF, is read; otherwise the first, with a note.

    Raises
    ------
    DataError
        Naming the file and the reason.
    """
    with decoding_errors(path, max_megapixels), open_checked(path, max_megapixels) as image:
        n_frames = getattr(image, "n_frames", 1)
        if every_frame and n_frames > 1:
            return [_frame(frame.copy(), path, alone=False) for frame in ImageSequence.Iterator(image)]
        kept = _frame(image, path)
        if n_frames > 1:
            kept.notes.append(f"has {n_frames} frames, of which the first is taken (--frames takes all)")
        return [kept]


def _frame(image: Image.Image, path: Path, alone: bool = True) -> Kept:
    icc, notes = image.info.get("icc_profile"), []
    deep, gray = is_deep(image), raw_mode(image).startswith("LA")
    exif = image.getexif()  # loads the picture, and then its raw mode is gone
    dpi = image.info.get("dpi")
    orientation = exif.get(_ORIENTATION, 1)
    if alone and deep:
        pixels = oriented(read_deep(path), orientation)
        pixels = pixels[..., [0, 3]] if gray and pixels.shape[2] == 4 else pixels
    else:
        image = ImageOps.exif_transpose(image)
        if image.mode == "CMYK":
            image, icc = _from_cmyk(image, icc), None
            notes.append("was CMYK and is now RGB")
        pixels = np.asarray(_plain_mode(image))
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    for tag in (_ORIENTATION, *_DIMENSIONS):
        exif.pop(tag, None)
    return Kept(np.ascontiguousarray(pixels), icc, exif.tobytes() if len(exif) else None, dpi, notes)


def _plain_mode(image: Image.Image) -> Image.Image:
    """As L, LA, RGB or RGBA."""
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return image.convert("L")
    if image.mode in ("La", "LA") or (image.mode in ("1", "L") and "transparency" in image.info):
        return image.convert("RGBA").convert("LA")
    transparent = "transparency" in image.info or image.mode in ("PA", "RGBa", "RGBA")
    return image.convert("RGBA" if transparent else "RGB")


def _from_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    if icc:
        try:
            found = ImageCms.profileToProfile(image, io.BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB")
            if found is not None:
                return found
        except ImageCms.PyCMSError:
            pass
    return image.convert("RGB")


def write_kept(path: Path, kept: Kept) -> Path:
    """Write a picture in the format its name says, whole or not at all.

    GIF, which has 256 colours, becomes PNG; so does what has 16 bits or alpha where the format has none. What else the
    format cannot hold is added to the picture's notes.

    Returns
    -------
    Path
        What was written: `path`, or one with another suffix.

    Raises
    ------
    ModelError
        When it cannot be written.
    """
    from gantools.core.checkpoint import write_atomically

    suffix = path.suffix.lower()
    deep = kept.pixels.dtype == np.uint16
    loses = (deep and suffix not in _DEEP_FORMATS) or (kept.has_alpha and suffix in (".jpg", ".jpeg", ".ppm", ".pgm"))
    if (suffix in (".gif", ".bmp") and (suffix == ".gif" or kept.has_alpha)) or loses:
        path, suffix = path.with_suffix(".png"), ".png"
    if (kept.icc or kept.exif) and suffix not in _FORMATS_WITH_PROFILES:
        kept.notes.append(f"{suffix} files hold no colour profile and no EXIF, which are lost")
    if deep and kept.exif and suffix != ".png":
        kept.notes.append("EXIF is lost in TIFFs of sixteen bits")
    content = _deep_bytes(kept, suffix) if deep else _bytes(kept, suffix)
    write_atomically(path, content)
    return path


def _bytes(kept: Kept, suffix: str) -> bytes:
    pixels = kept.pixels[..., 0] if kept.pixels.shape[2] == 1 else kept.pixels
    image = Image.fromarray(pixels)
    options: dict[str, Any] = {name: value for name, value in (("icc_profile", kept.icc), ("exif", kept.exif)) if value}
    if kept.dpi:
        options["dpi"] = kept.dpi
    if suffix in (".jpg", ".jpeg"):
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
    if suffix in (".tif", ".tiff"):
        import tifffile

        stream = io.BytesIO()
        extra = ["unassalpha"] if kept.has_alpha else None
        photometric = "rgb" if kept.pixels.shape[2] >= 3 else "minisblack"
        resolution = {"resolution": kept.dpi, "resolutionunit": "INCH"} if kept.dpi else {}
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
    import struct
    import zlib

    height, width, channels = kept.pixels.shape
    colour = {1: 0, 3: 2, 2: 4, 4: 6}[channels]

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = kept.pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    # Filter 2 (difference from the row above) of each row: photographs compress to about two thirds of no filter.
    above = np.vstack([np.zeros((1, rows.shape[1]), np.uint8), rows[:-1]])
    filtered = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))]
    if kept.icc:
        parts.append(chunk(b"iCCP", b"profile\0\0" + zlib.compress(kept.icc)))
    if kept.exif:
        parts.append(chunk(b"eXIf", kept.exif.removeprefix(b"Exif\0\0")))
    if kept.dpi:
        per_metre = [round(d / 0.0254) for d in kept.dpi]
        parts.append(chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    parts += [chunk(b"IDAT", zlib.compress(filtered.tobytes(), 6)), chunk(b"IEND", b"")]
    return b"".join(parts)


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
