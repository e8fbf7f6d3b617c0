"""The report's last section: what the run was made of, and what each session asked and took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from results.report.text.markdown import table


def made_section(manifest: Mapping[str, Any]) -> str:
    """Corpus, versions, and the sessions."""
    corpus = manifest["corpus"]
    lines = [
        "## How this was made",
        f"Corpus `{corpus['name']}`: {corpus['documents']} documents, {corpus['questions']} questions asked (split "
        f"`{corpus['split']}`). Tercet {manifest['packages']['tercet']}, llama-cpp-python "
        f"{manifest['packages']['llama-cpp-python']}. The config, and the digests of inputs, models, prompts and "
        "tables, are in `manifest.json`. Votes and embeddings that a session found in the store cost it nothing.",
    ]
    for number, session in enumerate(manifest["sessions"], 1):
        lines.append(f"### Session {number}: {session['started']}, {session['machine']['cpus']} CPUs")
        asked = [(stage, one) for stage, of in session["asked"].items() for one in of]
        rows = [
            [stage, one["reader"], str(one["prompts"]), str(one["new"]), str(one["tokens"]), str(one["evaluated"]),
             f"{one['seconds']:.0f}"]
            for stage, one in asked
        ]  # fmt: skip
        header = ["stage", "reader", "prompts", "asked", "tokens asked", "after prefix sharing", "seconds"]
        lines.append(table(header, rows))
        lines += [
            f"{one['reader']}, {stage}: {one['usd']:.4f} USD in this session." for stage, one in asked if one.get("usd")
        ]
        lines += [
            f"{one['reader']}, {stage}: {one['broken_off']} calls broke off after they were sent and were made again, "
            "each paid twice at worst."
            for stage, one in asked
            if one.get("broken_off")
        ]
        lines.append(table(["stage", "seconds"], [[name, f"{took:.1f}"] for name, took in session["seconds"].items()]))
    return "\n\n".join(lines)
