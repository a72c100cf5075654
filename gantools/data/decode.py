"""One picture file to one array, whatever its depth, palette, alpha, colour space or orientation."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from gantools.errors import DataError

_READ = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm"}
_NOT_READ = {".heic", ".heif", ".avif", ".jp2", ".jxl", ".dng"}  # told by name, not passed over
PICTURE_SUFFIXES = frozenset(_READ | _NOT_READ)
MAX_MEGAPIXELS = 100.0
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two of more than four gigabytes
_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")
ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # EXIF's tag, and its values that swap width and height
_LEVELS = {"L;2": 85, "L;4": 17}  # how far apart the grays of a PNG of two and of four bits lie in eight
_BITS, _PHOTOMETRIC, _CHANNELS, _PLANES, _EXTRA = 258, 262, 277, 284, 338  # TIFF's tags
# By Pillow's names, and the suffix of each. Others are not tried: a file named as a PNG may be a PostScript program.
FORMATS = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "BMP": ".bmp",
    "GIF": ".gif",
    "TIFF": ".tif",
    "WEBP": ".webp",
    "PPM": ".ppm",
}

Picture = NDArray[np.float32]

_pillows_limit = threading.Lock()
_open: list[int | None] = []  # Pillow's own limit, once for each file that is open without it


def is_picture(path: Path) -> bool:
    """Whether the file's name ends as a picture's does, and is not what macOS writes beside one, as in ._a.jpg."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith("._")


def read_picture(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Picture:
    """Decode a picture file.

    EXIF orientation is applied; palettes become colours; CMYK becomes RGB, through its profile where it has one;
    transparency is laid on white; 16-bit pictures keep their depth. The first frame of an animation is read.

    Parameters
    ----------
    path : Path
        The file.
    max_megapixels : float
        Larger pictures are refused before they are decoded.

    Returns
    -------
    ndarray, (H, W, 1) or (H, W, 3), float32 in [0, 1]

    Raises
    ------
    DataError
        Naming the file and the reason.
    """
    with decoding_errors(path, max_megapixels), open_checked(path, max_megapixels) as image:
        return _decode(image, path)


class Header(NamedTuple):
    """What can be told of a picture without decoding it: its size, upright, and whether it has colour."""

    height: int
    width: int
    coloured: bool


def header_of(path: Path, max_megapixels: float) -> Header | None:
    """What a file's header tells; None where it cannot be read."""
    try:
        with decoding_errors(path, max_megapixels), open_checked(path, max_megapixels) as image:
            width, height = image.size
            # A TIFF's size is upright already; a PNG's own getexif decodes the file.
            turned = 1 if image.format == "TIFF" else Image.Image.getexif(image).get(ORIENTATION, 1)
            if turned in _ON_ITS_SIDE:
                width, height = height, width
            gray = image.mode in _GRAY_MODES or image.mode.startswith("I;16") or _is_gray_with_alpha(image)
            return Header(height, width, not gray)
    except DataError:
        return None


@contextmanager
def open_checked(path: Path, max_megapixels: float) -> Iterator[Image.Image]:
    """The file, opened and not yet decoded, once its size is known to be within the limit.

    Raises
    ------
    DataError
        When it is larger. Other errors are Pillow's: see `decoding_errors`.
    """
    with _without_pillows_limit(), Image.open(path, formats=list(FORMATS)) as image:
        check_size(image, path, max_megapixels)
        clear = image.info.get("transparency")
        if image.format == "PNG" and raw_mode(image) in _LEVELS and isinstance(clear, int):
            image.info["transparency"] = clear * _LEVELS[raw_mode(image)]  # which Pillow leaves in the file's depth
        yield image


def check_size(image: Image.Image, path: Path, max_megapixels: float) -> None:
    """DataError where a picture, not yet decoded, is larger."""
    if image.width * image.height / 1e6 > max_megapixels:
        raise DataError(
            f"{path}: {image.width} x {image.height} pixels are more than the limit of "
            f"{max_megapixels:g} megapixels (max_megapixels raises it)"
        )


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    """Pillow's own limit, which it looks at when it opens a file and, of TIFFs, when it decodes one, is off.

    Ours can be named by a message and raised by the user. The last file to be closed brings Pillow's back.
    """
    with _pillows_limit:
        _open.append(_open[0] if _open else Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        with _pillows_limit:
            of_pillow = _open.pop()
            if not _open:
                Image.MAX_IMAGE_PIXELS = of_pillow


@contextmanager
def decoding_errors(path: Path, max_megapixels: float) -> Iterator[None]:
    """What goes wrong inside comes as a `DataError` that names the file and the reason."""
    try:
        yield
    except (DataError, MemoryError):
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, not a picture") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: {_why_not_a_picture(path)}") from None
    except Exception as error:  # decoders raise anything: struct.error of a broken EXIF, cv2.error, KeyError
        raise DataError(f"{path}: cannot be decoded ({str(error) or type(error).__name__})") from None


def _why_not_a_picture(path: Path) -> str:
    if path.stat().st_size == 0:
        return "is empty"
    head = path.read_bytes()[:64]
    if head[:4] in _TIFF:
        return "is a TIFF of a kind that cannot be read; save it with 8 or 16 bits a channel"
    if path.suffix.lower() in _NOT_READ:
        return f"is of a kind that is not read ({path.suffix.lower()}); save it as PNG or JPEG"
    if head.isascii():
        return "is text, not a picture"
    return "is not a picture that can be read"


def _decode(image: Image.Image, path: Path) -> Picture:
    if is_deep(image):
        return _decode_deep(image, path)
    image = ImageOps.exif_transpose(image)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        gray = image.mode in ("1", "L", "LA", "La")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if gray else "RGB")
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    elif image.mode == "CMYK":
        image = from_cmyk(image)
    else:
        image = image.convert("RGB")
    return _with_channels(np.asarray(image, np.float32) / 255.0)


def from_cmyk(image: Image.Image) -> Image.Image:
    """As RGB, through the picture's profile where it has one that can be read."""
    icc = image.info.get("icc_profile")
    if icc:
        try:
            found = ImageCms.profileToProfile(image, io.BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB")
            if found is not None:
                return found
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB")


def plain_mode(image: Image.Image) -> Image.Image:
    """As L, LA, RGB or RGBA."""
    if image.mode == "CMYK":
        return from_cmyk(image)
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return image.convert("L")
    if image.mode in ("La", "LA") or (image.mode in ("1", "L") and "transparency" in image.info):
        return image.convert("RGBA").convert("LA")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def is_deep(image: Image.Image) -> bool:
    """Whether the file, not yet decoded, holds more than eight bits a channel."""
    if image.format == "TIFF" and max(image.tag_v2.get(_BITS, (8,))) > 8:  # type: ignore[attr-defined]
        return True
    return image.mode in ("F", "I") or image.mode.startswith("I;16") or ";16" in raw_mode(image)


def check_layout(image: Image.Image, path: Path) -> None:
    """Refuse TIFFs of more than eight bits whose pixels would come out wrong.

    Raises
    ------
    DataError
        For channels in planes of their own, where zero is white, for inks, and for premultiplied alpha.
    """
    tags = image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]
    odd = {
        "its channels in planes of their own": tags.get(_PLANES, 1) == 2 and tags.get(_CHANNELS, 1) > 1,
        "zero for white": tags.get(_PHOTOMETRIC) == 0,
        "inks for colours": tags.get(_PHOTOMETRIC) == 5,
        "colours that are multiplied by its alpha": tuple(tags.get(_EXTRA, ()))[:1] == (1,),
    }
    for words in (words for words, found in odd.items() if found):
        raise DataError(f"{path}: is a TIFF of more than eight bits with {words}; save it as PNG, or without that")


def has_foreign_channel(image: Image.Image) -> bool:
    """Whether a TIFF, not yet decoded, has a last channel that is no transparency: near infrared, or a mask."""
    tags = image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]
    return tags.get(_CHANNELS, 1) in (2, 4) and tuple(tags.get(_EXTRA, ()))[:1] == (0,)


def raw_mode(image: Image.Image) -> str:
    """How the file, not yet decoded, stores a pixel, in Pillow's words."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def most_of_ppm(image: Image.Image) -> int:
    """The highest value that a PPM file, not yet decoded, can hold."""
    if raw_mode(image) == "I;16B":
        return 65535  # of gray this one alone has a name of its own
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ()
    return int(arguments[1]) if isinstance(arguments, tuple) and len(arguments) > 1 else 255


def _is_gray_with_alpha(image: Image.Image) -> bool:
    """Whether the file, not yet decoded, is gray with alpha, which of sixteen bits Pillow takes for colour."""
    return raw_mode(image).startswith("LA")


def _decode_deep(image: Image.Image, path: Path) -> Picture:
    """Sixteen bits, gray or colour, to [0, 1]; transparency is laid on white."""
    check_layout(image, path)
    data = read_deep(image, path)
    data = data[..., :-1] if has_foreign_channel(image) and data.shape[2] in (2, 4) else data
    if data.dtype.kind == "f":
        if not (np.isfinite(data).all() and data.min() >= 0 and data.max() <= 1):
            raise DataError(f"{path}: {data.dtype} pixels outside [0, 1]; save it with 8 or 16 bits a channel")
        scale = 1.0
    else:
        scale = float(np.iinfo(data.dtype).max)
    array = data.astype(np.float32) / np.float32(scale)
    if array.shape[2] in (2, 4):
        alpha = array[..., -1:]
        array = array[..., :-1] * alpha + (1 - alpha)
    upright = array if image.format == "TIFF" else oriented(array, image.getexif().get(ORIENTATION, 1))
    return np.ascontiguousarray(upright)  # OpenCV turns TIFFs itself


def read_deep(image: Image.Image, path: Path) -> NDArray[Any]:
    """A file's pixels as they are stored: (H, W, C) of uint8, uint16 or floats, gray or colour, or either with alpha.

    TIFFs are upright, other formats not yet. What stands for white in a PPM file is made 65,535, and the gray that a
    PNG calls transparent becomes alpha.

    Pillow cuts colours of sixteen bits down to eight, so OpenCV reads these.

    Parameters
    ----------
    image : Image
        Opened, and not yet decoded.
    path : Path
        Its file.

    Raises
    ------
    DataError
        When it cannot be decoded, or pixels are of another type.
    """
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is said below
    data = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if data is None:
        raise DataError(f"{path}: cannot be decoded")
    check_depth(data, path)
    if image.format == "PPM" and data.dtype == np.uint16:
        data = np.rint(data * (65535 / most_of_ppm(image))).clip(0, 65535).astype(np.uint16)
    data = data[..., None] if data.ndim == 2 else data
    clear = image.info.get("transparency")
    if data.shape[2] == 1 and data.dtype == np.uint16 and isinstance(clear, int):
        data = np.concatenate([data, np.where(data == clear, 0, 65535).astype(np.uint16)], 2)
    order = {3: [2, 1, 0], 4: [0, 3] if _is_gray_with_alpha(image) else [2, 1, 0, 3]}.get(data.shape[2])
    return data if order is None else data[..., order]


def check_depth(pixels: NDArray[Any], path: Path) -> None:
    """DataError unless they have 8 or 16 bits, or are floating point."""
    if pixels.dtype not in (np.uint8, np.uint16) and pixels.dtype.kind != "f":
        raise DataError(f"{path}: {pixels.dtype} pixels; save it with 8 or 16 bits a channel")


def _with_channels(array: Picture) -> Picture:
    return array[..., None] if array.ndim == 2 else array


def oriented(array: Picture, orientation: int) -> Picture:
    """Apply an EXIF orientation (1 to 8) to an (H, W, C) array."""
    if orientation in _ON_ITS_SIDE:
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array
