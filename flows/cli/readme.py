"""Renders the README's block of published results from their manifests: no number in it is typed by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results.store import read_manifest

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "published"
VOTES, REMOTE, CHROMA, SWEEP = "votes.json", "remote.json", "chroma.json", "sweep.json"
BLOCK = re.compile(r"(<!-- published: begin.*?-->\n).*?(<!-- published: end -->)", re.DOTALL)


def render_block(published: Path = PUBLISHED) -> str:
    """What the published runs say, one item a run: its headline verdict and where its report is."""
    items = []
    for manifest_file in sorted(published.glob("*/manifest.json")):
        manifest = read_manifest(manifest_file.parent)
        corpus = manifest["corpus"]
        where = f"results/published/{manifest_file.parent.name}"
        items.append(
            f"* [{manifest['name']}]({where}/report.md), {corpus['questions']} questions on {corpus['documents']} "
            f"documents of `{corpus['name']}`: {manifest['headline']}"
        )
    if (published / VOTES).is_file():
        items.append(_cost_of_votes(json.loads((published / VOTES).read_text(encoding="utf-8"))))
    if (published / REMOTE).is_file():
        items.append(_batch_job(json.loads((published / REMOTE).read_text(encoding="utf-8"))[-1]))
    if (published / CHROMA).is_file():
        items.append(_chroma(json.loads((published / CHROMA).read_text(encoding="utf-8"))))
    if (published / SWEEP).is_file():
        items.append(_sweep(json.loads((published / SWEEP).read_text(encoding="utf-8"))))
    return "\n".join(items) + "\n"


def _cost_of_votes(summed: Mapping[str, Mapping[str, float]]) -> str:
    """What three votes cost, from the figures that `tests/benchmarks/votes.py` saved."""

    def ratio(arm: str) -> str:
        return f"{summed[arm]['seconds_ratio']:.2f}"

    return (
        f"* [What three votes cost](results/published/{VOTES.replace('.json', '.md')}), in the time of one: "
        f"{ratio('label mode, 3 votes, resample')} from one prompt, {ratio('label mode, 3 votes, permute')} permuted, "
        f"{ratio('label mode, 3 votes, paraphrase')} paraphrased. llama-cpp-python's `create_chat_completion`: "
        f"{ratio('chat completion, 1 call')} once, {ratio('chat completion, 3 calls, resample')} three times in a row, "
        f"{ratio('chat completion, 3 passes')} in three passes over the corpus."
    )


def _batch_job(job: Mapping[str, float]) -> str:
    """What came of the largest batch job that `tests/benchmarks/remote.py` saved."""
    twice = "none" if job["billed"] == job["votes"] and job["most_billed"] == 1 else "SOME"
    return (
        f"* [A batch job through a provider that misbehaves](results/published/{REMOTE.replace('.json', '.md')}), "
        f"{job['questions']} questions three times: {job['distinct_votes']} votes, {twice} paid twice, in "
        f"{job['seconds']:.0f} s, {job['under_way']:.0f} of them with a batch under way; {job['cpu_seconds']:.0f} s of "
        "CPU."
    )


def _chroma(arms: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Chroma's table beside ours, from the figures that `tests/benchmarks/chroma.py` saved."""

    def cell(arm: str, overlap: str) -> str:
        return " / ".join(f"{arms[arm][overlap][name]:.1f}" for name in ("recall", "precision", "iou"))

    windows = "; ".join(f"250/{at}: {cell('theirs', at)}, published {cell('published', at)}" for at in ("125", "0"))
    return (
        f"* [Chroma's chunking evaluation]({'results/published/' + CHROMA.replace('.json', '.md')}) with our reader, "
        f"retrieval and scorer in its convention, recall / precision / IoU in percent: {windows}."
    )


def _sweep(found: Mapping[str, Any]) -> str:
    """What a sweep without readers takes, from the figures that `tests/benchmarks/sweep.py` saved."""
    whole, arms = found["sweep"], found["arms"]
    faster = ", ".join(
        f"{arm} {arms[arm]['ratio']:.1f}" for arm in ("openvino float32", "openvino bfloat16", "late, openvino float32")
    )
    return (
        f"* [A sweep without readers](results/published/{SWEEP.replace('.json', '.md')}), {whole['chunkings']} "
        f"chunkings of 1000 abstracts, {whole['distinct']} distinct chunks: {whole['seconds']:.0f} s on "
        f"{whole['cpus']} CPUs. Times faster than torch float32 at embedding: {faster}."
    )


def rewrite(text: str, block: str) -> str:
    """The README's text with another block."""
    return BLOCK.sub(lambda match: match.group(1) + block + match.group(2), text)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(rewrite(readme.read_text(encoding="utf-8"), render_block()), encoding="utf-8")
