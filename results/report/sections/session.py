"""The sections on the run itself: everything to keep in mind, and what it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from corpora.errors import listed
from corpora.languages import NAMES
from results.advice.wording import count as counted
from results.report.model import Block, Code, Heading, Section, Sentences, Table, Words
from results.report.sections.source import Source, legend_of
from results.report.values import make_table


def warning_section(source: Source, distrust: Sequence[str]) -> Section:
    """Everything to keep in mind, what the run noted itself, and what the signs after a reader's name mean."""
    blocks: list[Block] = [Sentences(tuple(distrust), is_list=True)] if distrust else []
    if source.manifest["warnings"]:
        blocks += [Heading("As the run noted it"), Sentences(tuple(source.manifest["warnings"]), is_list=True)]
    legend = legend_of(source.marks)
    blocks += [Sentences((legend,))] if legend else []
    return Section("warnings", "What to keep in mind", tuple(blocks))


def made_section(source: Source) -> Section:
    """Corpus, versions, the sessions, digests and seeds."""
    languages = _languages(source.manifest["corpus"].get("languages", {}))
    blocks: list[Block] = [Sentences((_made_of(source.manifest), *([languages] if languages else [])))]
    for number, session in enumerate(source.manifest["sessions"], 1):
        blocks += _session(number, session)
    digests = list(_digests(source.manifest))
    if digests:
        columns = {"what": "text", "value": "text"}
        blocks.append(make_table("Digests and seeds", columns, digests, "manifest.json", most=0))  # type: ignore[arg-type]  # literals
    return Section("made", "How this was made", tuple(blocks))


def _made_of(manifest: Mapping[str, Any]) -> Words:
    corpus, packages = manifest["corpus"], manifest["packages"]
    return (
        "Corpus ",
        Code(str(corpus["name"])),
        f": {counted(corpus['documents'], 'document')}, {counted(corpus['questions'], 'question')} asked (split ",
        Code(str(corpus["split"])),
        f"). Tercet {packages['tercet']}, llama-cpp-python {packages['llama-cpp-python']}. The config, and the digests "
        "of inputs, models, prompts and tables, are in ",
        Code("manifest.json"),
        ". Votes and embeddings that a session found in the store cost it nothing.",
    )


def _languages(languages: Mapping[str, int]) -> str:
    """By which rules sentences were found, as in `German in 24 documents`; empty for English alone."""
    if set(languages) <= {"en"}:
        return ""
    found = [f"{NAMES.get(code, code)} in {counted(n, 'document')}" for code, n in languages.items()]
    return f"Where sentences end was told by the rules of {listed(found, 'and')}."


def _session(number: int, session: Mapping[str, Any]) -> Iterator[Block]:
    yield Heading(f"Session {number}: {session['started']}, {counted(session['machine']['cpus'], 'CPU')}")
    asked = [(stage, one) for stage, of in session["asked"].items() for one in of]
    if asked:
        yield _asked(number, asked)
    notes = tuple(_notes(asked))
    if notes:
        yield Sentences(notes, is_list=True)
    took = [(name, seconds) for name, seconds in session["seconds"].items()]
    title = f"Session {number}: how long each stage took"
    yield make_table(title, {"stage": "text", "seconds": "tenth"}, took, "manifest.json")


def _asked(number: int, asked: list[tuple[str, Mapping[str, Any]]]) -> Table:
    return make_table(
        f"Session {number}: what was asked",
        {"stage": "text", "reader": "text", "prompts": "whole", "asked": "whole", "tokens asked": "whole",
         "after prefix sharing": "whole", "seconds": "whole"},
        [
            (stage, one["reader"], one["prompts"], one["new"], one["tokens"], one["evaluated"], one["seconds"])
            for stage, one in asked
        ],
        "manifest.json",
    )  # fmt: skip


def _notes(asked: list[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    for stage, one in asked:
        who = f"{one['reader']}, {stage}"
        if one.get("usd"):
            yield f"{who}: {one['usd']:.4f} USD in this session."
        if one.get("broken_off"):
            is_one = one["broken_off"] == 1
            yield (
                f"{who}: {counted(one['broken_off'], 'call')} broke off after {'it was' if is_one else 'they were'} "
                f"sent and {'was' if is_one else 'were'} made again, so each may have been paid for twice."
            )
        if one.get("read_from_text"):
            verb = "was" if one["read_from_text"] == 1 else "were"
            yield (
                f"{who}: {counted(one['read_from_text'], 'vote')} {verb} read from the text, because the server's "
                "distribution does not fit its answer: it stands before other tokens, such as hidden reasoning, or "
                "lies mostly outside the labels, or the answer has no label."
            )


def _digests(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _leaves(manifest.get("readers", {}), "reader")
    yield from _leaves(manifest["corpus"].get("inputs", {}), "input")
    yield from _leaves(manifest.get("embedder", {}), "embedder")
    yield from _leaves(manifest.get("embedders", {}), "embedder")
    for name, value in _leaves(manifest.get("config", {}), "config"):
        if name.endswith("seed"):
            yield name, value


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Everything that is not a dictionary or a list of dictionaries, with the path to it."""
    if isinstance(value, Mapping):
        for name, of in value.items():
            yield from _leaves(of, f"{path}, {name}")
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for number, one in enumerate(value, 1):
            yield from _leaves(one, f"{path} {number}")
    elif value is not None:
        yield path, str(value)
