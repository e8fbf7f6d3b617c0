"""Every format that a user writes: sound files, Tercet's reader, and the oracle's."""

# ruff: noqa: E501  # tables of values, a line each kind

import io
import json
import math
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import polars as pl

from corpora.loading.config import CorpusConfig
from corpora.loading.load import read_source
from corpora.schema import Corpus, iter_questions
from corpora.shaping.validate import validate
from flows.session.experiment import load_experiment
from labeling.models.ollama.modelfile import PARAMETERS, read_modelfile
from labeling.models.prices import load_prices
from labeling.prompting.prompts import load_prompt
from tests.reference import strict_reader as strict
from tests.reference.mutations import as_csv, as_json, mutated_bytes, mutated_records, mutated_value
from tests.reference.strict_reader import Content, RefusedError

GATE, DOOR = "The gate is red. It is by the pier.", "The door, it is \N{LATIN SMALL LETTER E WITH ACUTE}meraude."
LABELS = ("yes", "no", "true", "0")


class Format(NamedTuple):
    """A format: its sound files, and how each side reads them.

    Attributes:
        files: content by relative path: JSON values, lists of rows (.jsonl, .parquet), records (.csv), or bytes.
        reads: reads the folder with Tercet.
        expects: reads the folder with the oracle; `RefusedError` if the oracle refuses.
        misreadings: how Tercet's reading differs from the oracle's.
    """

    files: dict[str, Any]
    reads: Callable[[Path], Any]
    expects: Callable[[Path], Any]
    misreadings: Callable[[Any, Any], list[str]]


# Corpora

DOCUMENTS = [{"id": "d1", "text": GATE}, {"id": "d2", "text": DOOR}, {"id": 3, "text": "A third one."}]
QUESTIONS = [
    {"id": "q1", "text": "Is the gate red?", "document_ids": ["d1"], "reference": "yes", "split": "tune", "year": 2019,
     "evidence": [{"document_id": "d1", "start": 4, "end": 8}, {"start": 9, "end": 11}]},
    {"id": "q2", "text": "Is it blue?", "document_ids": ["d1", "d2"], "reference": "no", "split": "held_out", "year": 2020,
     "evidence": []},
    {"id": "q3", "text": "Who knows?", "document_ids": [3], "reference": None, "split": None, "year": None,
     "evidence": []},
]  # fmt: skip
TEXT_ROWS = [{**row, "document_ids": [str(one) for one in row["document_ids"]]} for row in QUESTIONS]


def _cells(rows: list[dict[str, Any]]) -> list[list[str]]:
    """CSV records of rows: lists as JSON, but a single document by its id."""
    records = [list(rows[0])]
    for row in rows:
        values = {**row} | ({"document_ids": row["document_ids"][0]} if "document_ids" in row else {})
        cells = ("" if one is None else one if isinstance(one, str) else json.dumps(one) for one in values.values())
        records.append(list(cells))
    return records


def read_corpus(config: CorpusConfig) -> Corpus:
    return validate(read_source(config))


def tables(ending: str, documents: Any, questions: Any) -> Format:
    names = (f"documents{ending}", f"questions{ending}")

    def reads(folder: Path) -> Corpus:
        config = CorpusConfig.model_validate(
            {"source": "tables", "path": folder, "labels": LABELS, "question_columns": {"tags": ("year",)}}
        )
        return read_corpus(config)

    def expected(folder: Path) -> Content:
        if ending == ".parquet":
            rows = [_parquet(folder / name) for name in names]
            return strict.tables(iter(rows[0]), iter(rows[1]))
        return strict.tables(*(strict.rows_in(folder / name) for name in names))

    return Format(dict(zip(names, (documents, questions), strict=True)), reads, expected, corpus_misreadings)


def source(name: str, path: str, files: dict[str, Any], expected: Callable[[Path], Content]) -> Format:
    def reads(folder: Path) -> Corpus:
        return read_corpus(CorpusConfig.model_validate({"source": name, "path": folder / path}))

    return Format(files, reads, lambda folder: expected(folder / path), corpus_misreadings)


def _parquet(file: Path) -> list[dict[str, Any]]:
    try:
        return list(pl.read_parquet(io.BytesIO(file.read_bytes())).iter_rows(named=True))
    except BaseException as error:  # Polars panics, too
        raise RefusedError(str(error)) from error


def corpus_misreadings(corpus: Corpus, content: Content) -> list[str]:
    """What a corpus says that its files do not, and what it lacks without having it listed as left out."""
    left_out = {one.kind for one in corpus.left_out.defects}
    found = [f"document {one!r}" for one, text in corpus.texts.items() if content.documents.get(one) != text]
    if content.unsound and not left_out:
        found.append(f"{content.unsound} unsound rows are not listed")
    asked = {one.id: one for one in iter_questions(corpus.questions)}
    missing = len(set(content.documents) - set(corpus.texts)) + len(set(content.questions) - set(asked))
    if missing > len(corpus.left_out.defects):
        found.append(f"{missing} documents and questions are missing, {len(corpus.left_out.defects)} are listed")
    for name, one in asked.items():
        there = content.questions.get(name)
        if there is None:
            found.append(f"question {name!r}")
            continue
        pairs = [
            ("text", one.text, there.text, False),
            ("reference", one.reference, there.reference, False),
            ("split", {one.split} if there.split else set(), {there.split} if there.split else set(), False),
            ("tags", set(one.tags.items()), set(there.tags.items()), "tag" in left_out),
            ("documents", set(one.document_ids), set(there.documents), bool(left_out)),
            (
                "evidence",
                {tuple(span) for span in one.evidence},
                set(there.evidence),
                bool(left_out & {"answer", "evidence span"}),
            ),
        ]
        found += [
            f"{what} of {name!r}: {ours!r}, not {theirs!r}"
            for what, ours, theirs, may_lack in pairs
            if ours != theirs and not (may_lack and ours <= theirs)
        ]
    return found


SQUAD = {"version": "v2.0", "data": [{"title": "Pier", "paragraphs": [
    {"context": GATE, "qas": [
        {"id": "s1", "question": "What is red?", "is_impossible": False,
         "answers": [{"text": "gate", "answer_start": 4}, {"text": "The gate", "answer_start": 0}]},
        {"id": "s2", "question": "Who?", "is_impossible": True, "answers": []}]},
    {"context": DOOR, "qas": [{"id": "s3", "question": "What colour?", "answers": [{"text": "\xe9meraude", "answer_start": 16}]}]},
]}]}  # fmt: skip
PUBMEDQA = {
    str(number): {
        "QUESTION": f"Does it {number}?", "CONTEXTS": [GATE, DOOR], "LABELS": ["AIM", "RESULTS"], "YEAR": "2019",
        "reasoning_required_pred": "yes", "reasoning_free_pred": "no", "final_decision": decision, "LONG_ANSWER": "It does.",
    }
    for number, decision in ((101, "yes"), (102, "no"), (103, "maybe"))
}  # fmt: skip
BEIR = {
    "corpus.jsonl": [{"_id": "a", "title": "Gate", "text": GATE}, {"_id": "b", "title": "", "text": DOOR}, {"_id": "c", "text": "C."}],
    "queries.jsonl": [{"_id": "q1", "text": "gate?"}, {"_id": "q2", "text": "door?"}],
    "qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq1\ta\t1\nq1\tb\t0\nq2\tb\t2\n",
}  # fmt: skip
CHROMA = {
    "corpora/pier.md": GATE.encode(),
    "corpora/door.md": DOOR.encode(),
    "questions_df.csv": [
        ["question", "references", "corpus_id"],
        ["What is red?", json.dumps([{"content": "gate", "start_index": 4, "end_index": 8}]), "pier"],
        ["Which colour?", json.dumps([{"content": "\xe9meraude", "start_index": 16, "end_index": 24}]), "door"],
    ],
}
ARTICLE = "TITLE: On mice\nBODY.RESULTS:\nWeight rose by 3 kg. Sleep stayed the same.\n"
EVIDENCE = {
    "txt_files/PMC7.txt": ARTICLE.encode(),
    "prompts_merged.csv": [
        ["PromptID", "PMCID", "Outcome", "Intervention", "Comparator"],
        ["1", "7", "weight", "cheese", "bread"],
        ["2", "7", "sleep", "cheese", "bread"],
    ],
    "v2_annotations.csv": [
        ["UserID", "PromptID", "Valid Label", "Valid Reasoning", "Label", "Annotations", "Evidence Start", "Evidence End"],
        ["0", "1", "True", "True", "significantly increased", "Weight rose", str(ARTICLE.index("Weight")),
         str(ARTICLE.index("Weight") + 11)],
        ["1", "2", "True", "True", "no significant difference", "", "-1", "-1"],
    ],
}  # fmt: skip

# Settings

EXPERIMENT = b"""name = "t"
max_cost = 1.5
[corpus]
source = "tables"
documents = "docs.csv"
questions = "questions.csv"
labels = ["yes", "no"]
document_columns = { id = "doc", text = "body" }
sample = 20
seed = 3
split = "all"
[retrieval]
splitters = ["tokens"]
sizes = [32, 64]
overlaps = [0]
embedders = ["all-minilm-l6-v2", { model = "e5", late = true }]
k = [1, 3]
budgets = [256]
[scoring]
margin = 0.05
confidence = 0.95
[[readers]]
model = "qwen2.5-coder-0.5b"
temperature = 0.7
num_ctx = 4096
[[readers]]
name = "other"
model = "smollm2-135m"
questions = 100
"""
PRICES = b"""as_of = 2026-01-02
[machine]
usd_per_hour = 1.25
[[models]]
provider = "groq"
model = "house-8b"
usd_per_million_input = 0.5
usd_per_million_output = 1
batch_discount = 0.5
as_of = 2026-01-01
"""
MODELFILE = b'''# a reader
FROM ./model.gguf
PARAMETER temperature 0.7
PARAMETER top_k 40
PARAMETER num_ctx 4096
PARAMETER stop "END"
SYSTEM """You answer
with one word."""
TEMPLATE """{{ if .System }}<s>{{ .System }}{{ end }}<u>{{ .Prompt }}<a>{{ .Response }}"""
'''
PROMPT = b"Answer.\n===\nText: {context}\nQuestion: {question}\nOptions: {options}\n===\nAnswer:\n"


def settings_misreadings(made: dict[str, object], given: dict[str, object]) -> list[str]:
    """The values of a TOML file that did not become the setting of that place, to the type."""
    found = []
    for place, value in given.items():
        there = made.get(place, made.get(f"{place}.model"))  # an embedder by its name alone
        kinds = [
            float if isinstance(one, int | float) and not isinstance(one, bool) else type(one) for one in (value, there)
        ]
        same = str(there) == value if isinstance(there, Path) else there == value and kinds[0] is kinds[1]
        if not same:
            found.append(f"{place} = {value!r} is read as {there!r}")
    return found


def leaves(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict | list | tuple):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(one, f"{place}.{name}" if place else str(name))
    else:
        yield place, value


def price_misreadings(table: Any, given: dict[str, Any]) -> list[str]:
    made: dict[str, object] = {"as_of": given.get("as_of"), "machine.usd_per_hour": table.machine_usd_per_hour}
    if not isinstance(given.get("as_of"), date | None):
        return ["as_of is no date"]
    for place in [place for place in given if place.endswith(".provider")]:
        number = place.split(".")[1]
        price = table.find(given[place], given[f"models.{number}.model"])
        made |= {f"models.{number}.{name}": one for name, one in price.model_dump().items()}
    return settings_misreadings(made, given)


def modelfile_misreadings(imported: Any, given: dict[str, list[str]]) -> list[str]:
    found = []
    if imported.model != given["from"][0] and Path(imported.model).name != Path(given["from"][0]).name:
        found.append(f"model {imported.model!r}")
    systems = given.get("system", [""])
    if (imported.system or "") != systems[-1]:
        found.append(f"system {imported.system!r}")
    for name, value in imported.parameters.items():
        texts = given.get(f"parameter {name}", [])
        same = (
            value == tuple(texts) if name == "stop" else math.isclose(value, max(0.0, float(texts[-1])), rel_tol=1e-12)
        )
        found += [] if same else [f"{name} = {value!r}"]
    notes = " ".join(imported.notes)
    missing = [key.split()[1] for key in given if key.startswith("parameter ")]
    found += [f"{name} vanished" for name in missing if name not in imported.parameters and name not in notes]
    assert set(imported.parameters) <= set(PARAMETERS)
    return found


def prompt_misreadings(prompt: Any, parts: list[str]) -> list[str]:
    return [] if [prompt.system, prompt.message, prompt.start] == parts else [f"{parts} is read as {prompt[1:]}"]


FORMATS: dict[str, Format] = {
    "tables.jsonl": tables(".jsonl", DOCUMENTS, QUESTIONS),
    "tables.csv": tables(".csv", _cells(DOCUMENTS), _cells(QUESTIONS)),
    "tables.parquet": tables(".parquet", DOCUMENTS[:2], TEXT_ROWS[:2]),
    "squad": source("squad", "squad.json", {"squad.json": SQUAD}, strict.squad),
    "beir": source("beir", "", BEIR, strict.beir),
    "chroma": source("chroma", "", CHROMA, strict.chroma),
    "pubmedqa": source("pubmedqa", "ori_pqal.json", {"ori_pqal.json": PUBMEDQA}, strict.pubmedqa),
    "evidence_inference": source("evidence_inference", "", EVIDENCE, strict.evidence_inference),
    "experiment": Format(
        {"e.toml": EXPERIMENT},
        lambda folder: load_experiment(folder / "e.toml"),
        lambda folder: strict.toml_leaves(folder / "e.toml"),
        lambda made, given: settings_misreadings(dict(leaves(made.model_dump())), given),
    ),
    "prices": Format(
        {"prices.toml": PRICES},
        lambda folder: load_prices(folder / "prices.toml"),
        lambda folder: strict.toml_leaves(folder / "prices.toml"),
        price_misreadings,
    ),
    "modelfile": Format(
        {"Modelfile": MODELFILE, "model.gguf": b"GGUF"},
        lambda folder: read_modelfile(folder / "Modelfile"),
        lambda folder: strict.modelfile(folder / "Modelfile"),
        modelfile_misreadings,
    ),
    "prompt": Format(
        {"prompt.txt": PROMPT},
        lambda folder: load_prompt(str(folder / "prompt.txt")),
        lambda folder: strict.prompt(folder / "prompt.txt"),
        prompt_misreadings,
    ),
}  # fmt: skip


def sound(name: str, content: Any) -> bytes:
    """The bytes of a sound file."""
    return _written(name, content, None)


def mutated(name: str, content: Any, rng: Random) -> tuple[bytes, bool]:
    """The bytes of a file with faults, and whether they are damage below the level that a text has."""
    if isinstance(content, bytes) or rng.random() < 0.4:
        return mutated_bytes(rng, sound(name, content)), True
    changed = mutated_records(rng, content) if name.endswith(".csv") else mutated_value(rng, content)
    try:
        return _written(name, changed, rng), False
    except Exception:  # noqa: BLE001  # Polars does not write such a column: another fault then
        return mutated_bytes(rng, sound(name, content)), True


def _written(name: str, content: Any, rng: Random | None) -> bytes:
    if isinstance(content, bytes):
        return content
    if name.endswith(".csv"):
        return as_csv(rng, content)
    if name.endswith(".parquet"):
        file = io.BytesIO()
        pl.DataFrame(content, infer_schema_length=None, strict=False).write_parquet(file)
        return file.getvalue()
    if name.endswith(".jsonl") and isinstance(content, list):
        return "".join(as_json(row) + "\n" for row in content).encode("utf-8", "surrogatepass")
    return as_json(content).encode("utf-8", "surrogatepass")
