"""Plots as files for a paper: SVG and PDF at the width of a column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from corpora.errors import InputError
from results.report.plots.plot import Plot

COLUMN_MM = 85  # the column of most two-column papers; letters are 7 to 8 points high
_SIZE = re.compile(r'\bwidth="([\d.]+)" height="([\d.]+)"')
OURS = {".svg": b"<!-- Drawn by Tercet. -->", ".pdf": b"% Drawn by Tercet."}


def write_figures(plots: Sequence[Plot], folder: Path) -> str:
    """Write every plot as SVG and PDF.

    Files of the same names are written over if they were written by this function before.

    Args:
        plots: of a run.
        folder: made if it is missing.

    Returns:
        A line that says what was written.

    Raises:
        InputError: the folder is a file, or a file of that name is somebody else's; then nothing is written.
    """
    if not plots:
        return "No figures: the run has no plots."
    made = {f"{Path(plot.file).stem}{ending}": content for plot in plots for ending, content in _files(plot).items()}
    _check(folder, list(made))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        _replace(folder / name, content)
    n = "1 plot" if len(plots) == 1 else f"{len(plots)} plots"
    names = ", ".join(Path(plot.file).stem for plot in plots)
    return f"Wrote {n} as SVG and PDF, {COLUMN_MM} mm wide, to {folder}: {names}."


def sized(svg: str, across: float, unit: str) -> str:
    """The SVG so many millimetres or points across; its view box stays."""
    found = _SIZE.search(svg)
    if found is None:
        raise ValueError("a plot without a size")
    width, height = float(found[1]), float(found[2])
    size = f'width="{across:g}{unit}" height="{across * height / width:.2f}{unit}"'
    return svg[: found.start()] + size + svg[found.end() :]


def _files(plot: Plot) -> dict[str, bytes]:
    """Content by ending."""
    import vl_convert

    drawn = plot.narrow or plot.svg
    svg = sized(drawn, COLUMN_MM, "mm")
    # In a PDF a pixel becomes a point, and a millimetre as many of these as on a screen.
    pdf: bytes = vl_convert.svg_to_pdf(sized(drawn, COLUMN_MM / 25.4 * 72, ""))
    return {".svg": svg.encode() + b"\n" + OURS[".svg"] + b"\n", ".pdf": pdf + b"\n" + OURS[".pdf"] + b"\n"}


def _check(folder: Path, names: Sequence[str]) -> None:
    if any(place.exists() and not place.is_dir() for place in (folder, *folder.parents)):
        raise InputError(f"--figures {folder}: a file, or in one", "a folder, new or old", "name another place")
    for name in names:
        path = folder / name
        if path.exists() and not (path.is_file() and path.read_bytes().rstrip().endswith(OURS[path.suffix])):
            raise InputError(
                f"--figures {folder}: {name}, which Tercet did not write",
                "a folder without files of the figures' names, or with figures that Tercet wrote",
                "name another folder, or move that file away",
            )


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole, or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
