"""Renders the README's block of published results from their manifests: no number in it is typed by hand."""

from __future__ import annotations

import re
from pathlib import Path

from results.store import read_manifest

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "results" / "published"
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
    return "\n".join(items) + "\n"


def rewrite(text: str, block: str) -> str:
    """The README's text with another block."""
    return BLOCK.sub(lambda match: match.group(1) + block + match.group(2), text)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(rewrite(readme.read_text(encoding="utf-8"), render_block()), encoding="utf-8")
