"""A contact sheet: of each class some reals, and beside them fakes, each over its nearest real."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from gantools.pipelines.augment.making import Made, Maker

SHOWN = 8
MOST_CLASSES = 40
_TILE = 56
_STEP = _TILE + 2
_TITLE = 18
_NEW = SHOWN * _STEP + _TILE // 2
_WIDTH = _NEW + 2 * SHOWN * _STEP


def contact_sheet(maker: Maker, found: dict[int, list[Made]], classes: NDArray[Any]) -> NDArray[np.uint8]:
    """All classes one below the other, with their labels, as a picture (H, W, 3).

    Parameters
    ----------
    maker : Maker
    found : dict
        A class's number to some of its new samples.
    classes : ndarray
        Labels.
    """
    found = {number: made for number, made in list(found.items())[:MOST_CLASSES] if made}
    rows = {str(classes[number]): class_sheet(maker, number, made) for number, made in found.items()}
    height = _TITLE + sum(len(row) + _TITLE for row in rows.values())
    sheet = Image.new("RGB", (_WIDTH, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((2, 2), "reals", fill="black")
    draw.text((_NEW + 2, 2), "new, and below each the nearest real of its class", fill="black")
    top = _TITLE
    for label, row in rows.items():
        draw.text((2, top), label, fill="black")
        sheet.paste(Image.fromarray(row), (0, top + _TITLE))
        top += _TITLE + len(row)
    return np.asarray(sheet)


def class_sheet(maker: Maker, number: int, made: list[Made]) -> NDArray[np.uint8]:
    """One class without words, (H, W, 3): some reals on the left; on the right new samples over their nearest reals.

    Parameters
    ----------
    maker : Maker
    number : int
        Of the class.
    made : list of Made
        Some of its new samples.
    """
    gates, shape = maker.gates, maker.form.shape
    reals = gates.views[0].reshape(-1, *shape)
    sheet = Image.new("RGB", (_WIDTH, 2 * _STEP), "white")
    for i, real in enumerate(reals[gates.labels == number][: 2 * SHOWN]):
        sheet.paste(_picture(real), (i % SHOWN * _STEP, i // SHOWN * _STEP))
    fakes = torch.cat([m.tensors for m in made])[: 2 * SHOWN]
    nearest = np.concatenate([m.nearest for m in made])[: 2 * SHOWN]
    place = {int(row): i for i, row in enumerate(gates.rows.tolist())}
    for i, (fake, row) in enumerate(zip(fakes, nearest, strict=True)):
        sheet.paste(_picture(fake), (_NEW + i * _STEP, 0))
        sheet.paste(_picture(reals[place[int(row)]]), (_NEW + i * _STEP, _STEP))
    return np.asarray(sheet)


def _picture(tile: Tensor) -> Image.Image:
    array = tile.add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    array = array[..., 0] if array.shape[2] == 1 else array[..., :3]
    picture = Image.fromarray(array).convert("RGB")
    factor = _TILE / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.NEAREST if factor >= 2 else Image.Resampling.BICUBIC)
