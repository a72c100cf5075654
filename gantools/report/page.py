"""A report: one HTML file, whole in itself, made of sections."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from gantools.core.checkpoint import write_atomically
from gantools.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

_INCHES = (5.0, 2.5)


class Section(NamedTuple):
    """A part of a report.

    Attributes
    ----------
    title : str
        Empty for none.
    template : str
        One of this folder's templates, without its endings.
    values : dict
        What it is filled in with; everything is escaped but what `chart` gives.
    """

    title: str
    template: str
    values: dict[str, Any]


def write_page(path: Path, title: str, lead: str, sections: Iterable[Section]) -> None:
    """Write a report, whole or not at all.

    Parameters
    ----------
    path : Path
        The HTML file. It holds everything it shows, and its content security policy lets it ask for nothing else.
    title, lead : str
        What it is, and what it says, in a sentence.
    sections : iterable of Section
    """
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    from gantools import __version__

    environment = Environment(
        loader=PackageLoader("gantools", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    filled = [
        {
            "title": section.title,
            "html": Markup(environment.get_template(f"{section.template}.html.j2").render(**section.values)),
        }
        for section in sections
    ]
    page = environment.get_template("page.html.j2").render(
        title=title,
        lead=lead,
        sections=filled,
        version=__version__,
        css=Markup(_own("page.css")),
        script=Markup(_own("page.js")),
    )
    write_atomically(path, printable(page).encode())


def _own(name: str) -> str:
    return resources.files("gantools.report").joinpath(name).read_text(encoding="utf-8")


def chart(draw: Callable[[Axes], Any], size: tuple[float, float] = _INCHES) -> Any:
    """What `draw` draws on axes, as SVG of so many inches to stand in a page."""
    import matplotlib as mpl
    from markupsafe import Markup
    from matplotlib.figure import Figure

    stream = io.StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "gantools", "font.size": 9}
        figure = Figure(figsize=size, layout="constrained")
        ax = figure.subplots()
        draw(ax)
        ax.spines[["top", "right"]].set_visible(False)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    return Markup(text[text.index("<svg") :])


def facts(words: Sequence[str] = (), numbers: Iterable[tuple[str, str]] = (), commands: Sequence[str] = ()) -> Section:
    """Sentences, figures with their names, and commands to go on with."""
    return Section("", "facts", {"words": list(words), "facts": list(numbers), "commands": list(commands)})


def table(title: str, frame: pd.DataFrame, words: str = "", digits: int = 4, folded: bool = False) -> Section:
    """A table that sorts by any of its columns; where `folded`, it opens when asked to."""
    numbers = [pd.api.types.is_numeric_dtype(frame[c]) and not pd.api.types.is_bool_dtype(frame[c]) for c in frame]
    columns = [{"name": str(c).replace("_", " "), "number": n} for c, n in zip(frame, numbers, strict=True)]
    rows = [
        [_cell(value, number, digits) for value, number in zip(row, numbers, strict=True)]
        for row in frame.itertuples(index=False)
    ]
    return Section(title, "table", {"words": words, "columns": columns, "rows": rows, "folded": folded})


def _cell(value: Any, number: bool, digits: int) -> dict[str, Any]:
    if not number:
        return {"text": "" if value is None or value is pd.NA else str(value), "value": None}
    if value is pd.NA or math.isnan(value):
        return {"text": "–", "value": "-Infinity"}  # sorts below everything
    text = f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
    return {"text": text, "value": str(float(value)).replace("inf", "Infinity")}


def figure(title: str, charts: Sequence[Any], words: str = "") -> Section:
    """Charts side by side."""
    return Section(title, "figure", {"charts": charts, "words": words})
