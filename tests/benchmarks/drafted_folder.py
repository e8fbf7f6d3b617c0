"""What drafted questions are worth on a folder of documents: every draft read by a person, kept or dropped.

    tercet questions draft FOLDER --reader NAME --n 40 --most 80
    python -m tests.benchmarks.drafted_folder questions.report.json --checks checks.csv --save page.md

The report is one that `tercet questions draft` wrote. The checks are somebody's own reading of its drafts, as in
`tests.benchmarks.drafted`, of those that a filter dropped too: so it shows what the filters keep, and what they cost.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from scipy.stats import binomtest

from corpora.languages import NAMES
from tests.benchmarks.drafted import VERDICTS, Check, read_checks, yields
from tests.benchmarks.saving import save_option, show

KEPT = "kept"
Drafts = Sequence[Mapping[str, Any]]
Checks = Mapping[str, Check]


def precision(drafts: Drafts, checks: Checks) -> str:
    """How many of some drafts are right, with the exact interval of their share."""
    counts = Counter(checks[one["id"]][0] for one in drafts)
    if not drafts:
        return "none"
    interval = binomtest(counts["right"], len(drafts)).proportion_ci(method="exact")
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    share = counts["right"] / len(drafts)
    return f"{told} of {len(drafts)}: {share:.2f} right ({interval.low:.2f} to {interval.high:.2f}, exact)"


def by_fate(report: Mapping[str, Any], drafts: Drafts, checks: Checks) -> Iterator[str]:
    """What each filter dropped, by what a person says of it."""
    yield f"| fate | {' | '.join(VERDICTS)} |"
    yield f"|---|{'---|' * len(VERDICTS)}"
    for name in [*(one["filter"] for one in report["filters"]), KEPT]:
        counts = Counter(checks[one["id"]][0] for one in drafts if one["fate"] == name)
        if counts:
            told = " | ".join(str(counts[verdict]) for verdict in VERDICTS)
            yield f"| {name if name == KEPT else f'dropped: {name}'} | {told} |"


def by(key: str, drafts: Drafts, checks: Checks) -> Iterator[str]:
    """Drafts, kept ones and right ones, by a property of drafts."""
    yield f"| {key} | drafts | kept | right of all | right of the kept |"
    yield "|---|---|---|---|---|"
    for value in sorted({one[key] for one in drafts}):
        these = [one for one in drafts if one[key] == value]
        kept = [one for one in these if one["fate"] == KEPT]
        right = [sum(checks[one["id"]][0] == "right" for one in some) for some in (these, kept)]
        name = NAMES.get(value, value) if key == "language" else value
        yield f"| {name} | {len(these)} | {len(kept)} | {right[0]} | {right[1]} |"


def listed(drafts: Drafts, checks: Checks) -> Iterator[str]:
    """Every draft that was checked; the kept ones first."""
    yield "| document | question | answer | fate | check | note |"
    yield "|---|---|---|---|---|---|"
    for one in sorted(drafts, key=lambda one: one["fate"] != KEPT):
        verdict, note, _ = checks[one["id"]]
        text = one["text"].replace("|", "\\|")
        yield f"| {one['document_id']} | {text} | {one['answer']} | {one['fate']} | {verdict} | {note} |"


@click.command()
@click.argument("report", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--checks", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--about", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Text on the documents.")
@save_option
def main(report: Path, checks: Path, about: Path | None, save: Path | None) -> None:
    """Say what the drafts of a REPORT are worth by somebody's own reading."""
    told, known = json.loads(report.read_text(encoding="utf-8")), read_checks(checks)
    drafts = [one for one in told["drafts"] if one["id"] in known]
    kept, dropped = ([one for one in drafts if (one["fate"] == KEPT) is is_kept] for is_kept in (True, False))

    def lines() -> Iterator[str]:
        if about:
            yield from [*about.read_text(encoding="utf-8").rstrip().split("\n"), ""]
        yield from ["## Yield", "", *yields([told]), ""]
        yield from ["## Hand check", "", "Right: the document answers the question, and the answer is the drafted one."]
        yield from [f"{len(drafts)} of {told['drafted']} drafts were read, whatever became of them.", ""]
        yield f"* Kept: {precision(kept, known)}."
        yield f"* Dropped: {precision(dropped, known)}."
        yield from [f"* All: {precision(drafts, known)}.", "", *by_fate(told, drafts, known), ""]
        yield from [*by("language", drafts, known), "", *by("kind", drafts, known), "", *listed(drafts, known)]

    command = f"python -m tests.benchmarks.drafted_folder {report} --checks {checks}"
    command += f" --about {about}" if about else ""
    show("Drafted questions on ten documents", command, lines(), save)


if __name__ == "__main__":
    main()
