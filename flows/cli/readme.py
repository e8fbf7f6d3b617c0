"""Renders what published runs found for README.md and docs/index.md, and the schemas in docs/: nothing is typed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flows.run.difference import difference_schema
from flows.run.published import PUBLISHED
from flows.session.experiment_schema import schema_text
from results.advice.cards.run import few_left
from results.advice.summary import summarise, summary_schema
from results.store.finished import read_manifest, read_tables

ROOT = Path(__file__).resolve().parents[2]
README, OVERVIEW = ROOT / "README.md", ROOT / "docs" / "index.md"
SCHEMA = ROOT / "docs" / "summary.schema.json"
DIFF_SCHEMA = ROOT / "docs" / "diff.schema.json"
EXPERIMENT_SCHEMA = ROOT / "docs" / "experiment.schema.json"
VOTES, REMOTE, CHROMA, SWEEP = "votes", "remote", "chroma", "sweep"
BLOCK = re.compile(r"(<!-- published: begin.*?-->\n).*?(<!-- published: end -->)", re.DOTALL)


def render_short(published: Path = PUBLISHED) -> str:
    """For the README: a line for each run that told something and each measurement, one for all others."""
    where = "results/published"
    told: list[tuple[str, Path]] = []
    open_ones: list[tuple[str, Path]] = []
    for folder in _runs(published):
        link = f"[{folder.name}]({where}/{folder.name}/report.md)"
        (told if _rank(folder) < 2 else open_ones).append((link, folder))
    items = [f"* {link}: {_answers(folder)[0]}" for link, folder in told]
    if open_ones:
        links = ", ".join(link for link, _ in open_ones)
        items.append(f"* No winner yet with a reader; each says how many more questions that takes: {links}.")
    short: dict[str, Callable[[Any], str]] = {
        VOTES: _votes_short,
        REMOTE: _remote_short,
        CHROMA: _chroma_short,
        SWEEP: _sweep_short,
    }
    items += [f"* [{name}]({where}/{name}.md): {short[name](found)}" for name, found in _measured(published)]
    return "\n".join(items) + "\n"


def render_full(published: Path = PUBLISHED) -> str:
    """The same for the overview in docs/, each run with all its answers."""
    where = "../results/published"
    items = []
    for folder in _runs(published):
        manifest = read_manifest(folder)
        corpus = manifest["corpus"]
        items.append(
            f"* [{folder.name}]({where}/{folder.name}/report.md), {corpus['questions']} questions on "
            f"{corpus['documents']} documents of `{corpus['name']}`: {' '.join(_answers(folder))}"
        )
    full: dict[str, Callable[[Any, str], str]] = {VOTES: _votes, REMOTE: _remote, CHROMA: _chroma, SWEEP: _sweep}
    items += [full[name](found, f"{where}/{name}.md") for name, found in _measured(published)]
    return "\n".join(items) + "\n"


def _runs(published: Path) -> list[Path]:
    """What was found comes before what could not be told, and with a reader before by retrieval alone."""
    return sorted((file.parent for file in published.glob("*/manifest.json")), key=lambda one: (_rank(one), one))


def _rank(folder: Path) -> int:
    """0 where a reader is told what to use, 1 where something else is found, 2 where nothing is."""
    manifest = read_manifest(folder)
    of_readers, of_retrieval = manifest.get("recommendations"), manifest.get("retrieval")
    if of_readers:
        return 0 if any(one["setting"] for one in of_readers) else 2
    # Without a reader, a few settings that are left are an answer too: the others are shown to be worse.
    return 1 if not of_retrieval or any(few_left(one) for one in of_retrieval) else 2


def _measured(published: Path) -> list[tuple[str, Any]]:
    """What the benchmarks saved, by name; of the remote one the largest job."""
    files = {name: published / f"{name}.json" for name in (VOTES, REMOTE, CHROMA, SWEEP)}
    found = {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.is_file()}
    return [(name, one[-1] if name == REMOTE else one) for name, one in found.items()]


def _answers(folder: Path) -> list[str]:
    """What a run found, question by question."""
    manifest = read_manifest(folder)
    answers = summarise(manifest, read_tables(folder, manifest)).answers
    return [f"{one.question} {one.sentence}" for one in answers]


def _ratio(summed: Mapping[str, Mapping[str, float]], arm: str) -> str:
    return f"{summed[arm]['seconds_ratio']:.2f}"


def _votes_short(summed: Mapping[str, Mapping[str, float]]) -> str:
    once, permuted = (_ratio(summed, f"label mode, 3 votes, {how}") for how in ("resample", "permute"))
    return f"three votes take {once} times as long as one, or {permuted} times with the labels permuted."


def _votes(summed: Mapping[str, Mapping[str, float]], report: str) -> str:
    """What three votes cost, from the figures that `tests/benchmarks/votes.py` saved."""
    return (
        f"* [What three votes cost]({report}), as a multiple of the time of one: "
        f"{_ratio(summed, 'label mode, 3 votes, resample')} from one prompt, "
        f"{_ratio(summed, 'label mode, 3 votes, permute')} permuted, "
        f"{_ratio(summed, 'label mode, 3 votes, paraphrase')} paraphrased. llama-cpp-python's "
        f"`create_chat_completion`: {_ratio(summed, 'chat completion, 1 call')} once, "
        f"{_ratio(summed, 'chat completion, 3 calls, resample')} three times in a row, "
        f"{_ratio(summed, 'chat completion, 3 passes')} in three passes over the corpus."
    )


def _twice(job: Mapping[str, float]) -> str:
    return "none" if job["billed"] == job["votes"] and job["most_billed"] == 1 else "SOME"


def _remote_short(job: Mapping[str, float]) -> str:
    return f"{job['distinct_votes']} votes from a provider that misbehaves: {_twice(job)} was paid for twice."


def _remote(job: Mapping[str, float], report: str) -> str:
    """The result of the largest batch job that `tests/benchmarks/remote.py` saved."""
    return (
        f"* [A batch job through a provider that misbehaves]({report}), {job['questions']} questions three times: "
        f"{job['distinct_votes']} votes, {_twice(job)} paid for twice, in {job['seconds']:.0f} s; a batch was under "
        f"way for {job['under_way']:.0f} s, and it took {job['cpu_seconds']:.0f} s of CPU."
    )


def _chroma_short(arms: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    pairs = ", ".join(
        f"{arms['theirs'][at]['recall']:.1f} % (published: {arms['published'][at]['recall']:.1f} %)"
        for at in ("125", "0")
    )
    return f"Chroma's chunking evaluation, scored as they score it: recall {pairs}."


def _chroma(arms: Mapping[str, Mapping[str, Mapping[str, float]]], report: str) -> str:
    """Chroma's table and ours, from the figures that `tests/benchmarks/chroma.py` saved."""

    def cell(arm: str, overlap: str) -> str:
        return " / ".join(f"{arms[arm][overlap][name]:.1f}" for name in ("recall", "precision", "iou"))

    windows = "; ".join(f"250/{at}: {cell('theirs', at)}, published {cell('published', at)}" for at in ("125", "0"))
    return (
        f"* [Chroma's chunking evaluation]({report}) with our code for reading, retrieval and scoring in its "
        f"convention, recall / precision / IoU in percent: {windows}."
    )


def _sweep_short(found: Mapping[str, Any]) -> str:
    whole = found["sweep"]
    return f"{whole['chunkings']} chunkings of 1000 abstracts in {whole['memory'] / 1e9:.2f} GB."


def _sweep(found: Mapping[str, Any], report: str) -> str:
    """How long a sweep without readers takes, from the figures that `tests/benchmarks/sweep.py` saved."""
    whole, arms = found["sweep"], found["arms"]
    faster = ", ".join(
        f"{arm} {arms[arm]['ratio']:.1f}"
        for arm in ("openvino float32", "openvino bfloat16", "late, openvino float32")
        if arm in arms
    )
    return (
        f"* [A sweep without readers]({report}), {whole['chunkings']} chunkings of 1000 abstracts, "
        f"{whole['distinct']} distinct chunks: {whole['cpu_seconds']:.0f} s of CPU, {whole['memory'] / 1e9:.2f} GB. "
        f"Times faster than torch float32 at embedding: {faster}."
    )


def render_schema() -> str:
    """The JSON Schema of the summaries that `--json` prints."""
    return json.dumps(summary_schema(), indent=2) + "\n"


def render_diff_schema() -> str:
    """The JSON Schema of what `tercet diff --json` prints."""
    return json.dumps(difference_schema(), indent=2) + "\n"


def rewrite(text: str, block: str) -> str:
    """A page's text with another block."""
    return BLOCK.sub(lambda match: match.group(1) + block + match.group(2), text)


if __name__ == "__main__":
    for page, block in ((README, render_short()), (OVERVIEW, render_full())):
        page.write_text(rewrite(page.read_text(encoding="utf-8"), block), encoding="utf-8")
    SCHEMA.write_text(render_schema(), encoding="utf-8")
    DIFF_SCHEMA.write_text(render_diff_schema(), encoding="utf-8")
    EXPERIMENT_SCHEMA.write_text(schema_text(), encoding="utf-8")
