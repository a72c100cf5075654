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
_GAP = 2
_TITLE = 18


def contact_sheet(maker: Maker, found: dict[int, list[Made]], classes: NDArray[Any]) -> NDArray[np.uint8]:
    """The sheet as a picture (H, W, 3).

    Parameters
    ----------
    maker : Maker
    found : dict
        A class's number to some of its new samples.
    classes : ndarray
        Labels.
    """
    found = {number: made for number, made in list(found.items())[:MOST_CLASSES] if made}
    rows = [_row(maker, number, made) for number, made in found.items()]
    labels = [str(classes[number]) for number in found]
    step = _TILE + _GAP
    height = _TITLE + len(rows) * (2 * step + _TITLE)
    sheet = Image.new("RGB", (3 * SHOWN * step, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((2, 2), "reals", fill="black")
    draw.text((SHOWN * step + 2, 2), "new, and below each the nearest real of its class", fill="black")
    for i, (label, tiles) in enumerate(zip(labels, rows, strict=True)):
        top = _TITLE + i * (2 * step + _TITLE)
        draw.text((2, top), label, fill="black")
        for x, y, tile in tiles:
            sheet.paste(_picture(tile), (x * step, top + _TITLE + y * step))
    return np.asarray(sheet)


def _row(maker: Maker, number: int, made: list[Made]) -> list[tuple[int, int, Tensor]]:
    gates, shape = maker.gates, maker.form.shape
    reals = gates.views[0].reshape(-1, *shape)
    mine = reals[gates.labels == number]
    tiles = [(i % SHOWN, i // SHOWN, real) for i, real in enumerate(mine[: 2 * SHOWN])]
    fakes = torch.cat([m.tensors for m in made])[: 2 * SHOWN]
    nearest = np.concatenate([m.nearest for m in made])[: 2 * SHOWN]
    place = {int(row): i for i, row in enumerate(gates.rows.tolist())}
    for i, (fake, row) in enumerate(zip(fakes, nearest, strict=True)):
        tiles += [(SHOWN + i, 0, fake), (SHOWN + i, 1, reals[place[int(row)]])]
    return tiles


def _picture(tile: Tensor) -> Image.Image:
    array = tile.add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    array = array[..., 0] if array.shape[2] == 1 else array[..., :3]
    picture = Image.fromarray(array).convert("RGB")
    factor = _TILE / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.NEAREST if factor >= 2 else Image.Resampling.BICUBIC)
