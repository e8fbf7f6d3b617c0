"""The report's last section: what the run was made of, and what each session asked and took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.report.text.markdown import UNKNOWN, code, table


def remote_section(frame: pl.DataFrame) -> str:
    """What was asked of other machines, and what it cost."""
    rows = [
        [row["reader"], row["provider"], ", ".join(row["served"]) or UNKNOWN, str(row["votes"]), str(row["failed"]),
         str(row["with_distribution"]), str(row["tokens_sent"]), str(row["tokens_written"]), _costs(row)]
        for row in frame.iter_rows(named=True)
    ]  # fmt: skip
    header = ["reader", "provider", "served", "votes", "failed", "with distribution", "tokens sent", "written", "cost"]
    notes = [
        "*Served*: model and build, in the provider's words; more than one means that one reader's votes come from "
        "different builds. A provider's seed is best effort: the same request may get a different answer another day. "
        "*With distribution*: the server said how probable each label was, so the exact law of the votes is known; "
        "without it the law is unknown, and there are only the three votes themselves. *Cost*: the tokens that the "
        "answers report, at the prices of the price table: call by call, and in brackets in batches.",
    ]
    return "\n\n".join(["## Remote readers on whole documents", *notes, table(header, rows)])


def _costs(row: dict[str, Any]) -> str:
    if row["usd_direct"] is None:
        return UNKNOWN
    thousand = 1000 / row["questions"] if row["questions"] else 0
    return (
        f"{row['usd_direct']:.4f} USD ({row['usd_batch']:.4f}); {thousand * row['usd_direct']:.2f} USD "
        f"({thousand * row['usd_batch']:.2f}) for 1,000 questions; prices of {row['price_as_of']}"
    )


def made_section(manifest: Mapping[str, Any]) -> str:
    """Corpus, versions, and the sessions."""
    corpus = manifest["corpus"]
    lines = [
        "## How this was made",
        f"Corpus {code(corpus['name'])}: {corpus['documents']} documents, {corpus['questions']} questions asked (split "
        f"{code(corpus['split'])}). Tercet {manifest['packages']['tercet']}, llama-cpp-python "
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
            "so each may have been paid for twice."
            for stage, one in asked
            if one.get("broken_off")
        ]
        lines += [
            f"{one['reader']}, {stage}: {one['read_from_text']} votes were read from the text, because the server's "
            "distribution does not fit its answer: it stands before other tokens, such as hidden reasoning, or lies "
            "mostly outside the labels, or the answer has no label."
            for stage, one in asked
            if one.get("read_from_text")
        ]
        lines.append(table(["stage", "seconds"], [[name, f"{took:.1f}"] for name, took in session["seconds"].items()]))
    return "\n\n".join(lines)
