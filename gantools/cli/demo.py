"""``gantools demo``: the tasks on real data that the installed packages carry, and one report of them all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantools.cli import shared

if TYPE_CHECKING:
    from gantools.cli.demo_parts import Part

REPORT = "report.html"


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for what is made.")] = Path("gantools-demo"),
    seed: shared.Seed = 0,
    device: shared.Device = "auto",
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """Find anomalies, make more of rare digits, enlarge photographs and give them colour; a few minutes."""
    shared.by_first_alone()
    shared.writable_file(out / REPORT, shared.PAGE)
    parts = run(out, seed, device, quiet)
    result: dict[str, Any] = {name: {"what": part.what, **part.figures} for name, part in parts.items()}

    def words() -> str:
        lines = [f"{part.title}: {part.words}." for part in parts.values()]
        commands = [f"  {command}" for part in parts.values() for command in part.commands]
        own = "On your own data:"
        return "\n".join([*lines, "", f"Look at {out / REPORT}. {own}", *dict.fromkeys(commands)])

    shared.report({**result, "report": str(out / REPORT)}, json, quiet, words)


def run(out: Path, seed: int, device: str, quiet: bool, share: float = 1.0) -> dict[str, Part]:
    """Every part of the demo, and the report; `share` of the training is done."""
    from gantools.cli.demo_parts import PARTS, Setting
    from gantools.report.page import Section, facts, write_page

    parts = {name: part(Setting(out / name, seed, device, quiet, share)) for name, part in PARTS.items()}
    sections: list[Section] = []
    for part in parts.values():
        words = [f"{part.what[0].upper()}{part.what[1:]}{'' if part.what.endswith('?') else '.'}", f"{part.words}."]
        sections.append(facts(words)._replace(title=part.title))
        sections += part.sections
        sections.append(facts(["The same on your own folders:"], commands=["\n".join(part.commands)]))
    minutes = sum(part.figures["seconds_training"] for part in parts.values()) / 60
    lead = (
        f"Five things that a generator and a discriminator, trained for {minutes:.1f} minutes in all on this machine, "
        "can do with small real data, each beside what one would have picked instead."
    )
    write_page(out / REPORT, "What gantools does", lead, sections)
    return parts
