"""The sections on the run itself: what to keep in mind, what it was made of, how its embedders and retrievers ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from corpora.errors import listed
from corpora.languages import NAMES
from results.advice.wording import count as counted
from results.report.model import Block, Code, Definitions, Heading, Section, Sentences, Table, Words
from results.report.sections.source import Source, legend_of
from results.report.values import make_table
from results.settings import cut_of, say_cut

_SAID: Mapping[str, str] = {"ndcg": "nDCG", "span_recall": "recall of the evidence"}
UNTRIED: Mapping[str, None] = {"k": None, "overlap": None, "largest_change": None}


def warning_section(source: Source, distrust: Sequence[str]) -> Section:
    """Everything to keep in mind, what the run noted itself, and what the signs after a reader's name mean."""
    blocks: list[Block] = [Sentences(tuple(distrust), is_list=True)] if distrust else []
    if source.manifest["warnings"]:
        blocks += [Heading("As the run noted it")] if distrust else []
        blocks.append(Sentences(tuple(source.manifest["warnings"]), is_list=True))
    legend = legend_of(source)
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


def precision_section(source: Source) -> Section:
    """In which precision the embedders ran that left it open, and how far their rankings agree with float32."""
    text = (
        "These embedders left their precision open. A faster one is used if it ranks a sample of this corpus as "
        "float32 does."
    )
    terms = Definitions(
        (
            ("overlap", "mean share of a question's best chunks that float32 has among its best too"),
            ("largest change", "of the score (cosine) of any question and chunk"),
        )
    )
    table = make_table(
        "The precision of the embedders",
        {"embedder": "text", "runs in": "text", "tried": "text", "best chunks": "whole", "overlap": "share",
         "largest change": "three", "questions": "whole", "chunks": "whole"},
        [
            (embedder, settled["used"], name, one["k"], one["overlap"], one["largest_change"], settled["questions"],
             settled["chunks"])
            for embedder, settled in source.manifest["precision"].items()
            for name, one in (settled["tried"] or {"nothing: this processor has no faster one": UNTRIED}).items()
        ],
        "manifest.json",
    )  # fmt: skip
    return Section("precision", "How exactly the embedders compute", (Sentences((text,)), table, terms))


def speed_of_retrieval(source: Source) -> bool:
    """Whether several ways to find chunks were timed."""
    return len(_timed(source)) > 1 and source.has("retrieval_means")


def retriever_section(source: Source) -> Section:
    """How good each way to find chunks is, beside the time that a question takes."""
    text = (
        "Each way to find chunks in its best setting by nDCG, and the time that it takes for one question. "
        "The question's own embedding is not counted."
    )
    terms = Definitions(
        (
            ("milliseconds", "wall-clock time a question: search, and the reranker's scores where there is one"),
            ("pairs", "questions and chunks that the reranker reads together, for one question"),
        )
    )
    best = source.tables["retrieval_means"].sort("ndcg", descending=True, nulls_last=True, maintain_order=True)
    best = best.unique(["embedder", "retriever"], keep="first", maintain_order=True)
    timed = _timed(source)
    rows = []
    for row in best.iter_rows(named=True):
        one = timed.get((row["embedder"], row["retriever"]), {})
        seconds, questions, pairs = one.get("seconds"), one.get("questions"), one.get("pairs") or None
        rows.append(
            (row["embedder"], row["retriever"], source.cell(row), row["ndcg"], row["recall"],
             1000 * seconds / questions if seconds is not None and questions else None,
             pairs / questions if pairs and questions else None, one.get("pairs_per_second"))
        )  # fmt: skip
    table = make_table(
        "Quality and speed of the retrievers",
        {"embedder": "text", "retriever": "text", "best setting": "text", "nDCG": "share", "recall": "share",
         "milliseconds": "tenth", "pairs": "tenth", "pairs a second": "tenth"},
        rows, "retrieval_means.parquet", is_open=False,
    )  # fmt: skip
    return Section("retrievers", "What finding chunks costs", (Sentences((text,)), table, terms))


def _timed(source: Source) -> dict[tuple[str, str], dict[str, float]]:
    """The timings of the last session that ranked, by embedder and retriever."""
    sessions = [one["rankings"] for one in source.manifest["sessions"] if one.get("rankings")]
    return {(one["embedder"], one["retriever"]): one for one in (sessions[-1] if sessions else ())}


def order_section(source: Source) -> Section:
    """Whether embedders order the chunkings alike."""
    text = (
        "Where two embedders order the chunkings alike, the faster one can look through many sizes first, and the "
        "other one compares the best of them."
    )
    terms = Definitions((("Kendall's tau", "1: the same order; 0: no relation; -1: the reverse order"),))
    table = make_table(
        "Do the embedders order the chunkings alike?",
        {"embedder": "text", "other embedder": "text", "retriever": "text", "cut": "text", "by": "text",
         "chunkings": "whole", "Kendall's tau": "three"},
        [
            (row["a"], row["b"], row["retriever"], say_cut(cut_of(row)), _SAID.get(row["score"], row["score"]),
             row["n_chunkings"], row["kendall_tau"])
            for row in source.tables["same_order"].iter_rows(named=True)
        ],
        "same_order.parquet",
    )  # fmt: skip
    return Section("same-order", "Which sizes each embedder prefers", (Sentences((text,)), table, terms))
