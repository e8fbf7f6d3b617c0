"""The content of a manifest: what a run is, how it was made, and its headline."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from corpora.choices import describe_choices
from corpora.schema import Corpus
from corpora.storage import sha256_text
from flows.compare import Compared
from flows.label import Labeled
from flows.planning.languages import embedder_notes, prompt_notes, sentence_languages
from flows.run.gold.specialist.overlap import overlap_warnings
from flows.session.experiment import Experiment, Kind, ReaderConfig
from flows.session.session import Session
from flows.stages.asking import Asked
from flows.stages.reviewed import reviewed_corpus
from flows.stages.runner import Runner
from flows.sweep import Swept
from labeling.prompting.labeler import PromptWriter
from labeling.remote.requests import labeler_identity
from results.advice.advice import Advice, manifest_entries
from results.advice.guards import labeler_warnings
from results.advice.without_sweep import best_reader, kept_gold
from results.settings import names_in
from results.store.run_folder import machine
from retrieval.config import NO_RERANKER


def all_inputs(labeled: Labeled, compared: Compared | None) -> dict[str, str]:
    """The digest of every file that was read; files of another corpus are prefixed with its name."""
    inputs = dict(labeled.corpus.inputs)
    for name, there in compared.others.items() if compared else ():
        inputs |= {f"{name}: {file}": digest for file, digest in there.corpus.inputs.items()}
    return inputs


def describe(
    experiment: Experiment,
    kind: Kind,
    session: Session,
    labeled: Labeled,
    swept: Swept | None,
    compared: Compared | None,
) -> dict[str, Any]:
    """The part of the manifest that does not depend on when or how fast the run was made."""
    corpus = labeled.corpus
    others = [there.corpus for there in compared.others.values()] if compared else []
    readers = {}
    for reader in experiment.readers:
        writer = PromptWriter(reader, corpus.labels)
        readers[reader.label] = {
            **describe_model(reader, session),
            "labeler": session.fingerprint(reader, corpus.labels),
            "reader": session.fingerprint(reader.as_reader(), corpus.labels),
            "prompts": {one.name: sha256_text("\x1e".join(one[1:])) for one in writer.templates},
            "questions": len(labeled.readers[reader.label].questions),
        }
    manifest: dict[str, Any] = {
        "name": experiment.name,
        "kind": kind,
        "corpus": describe_corpus(corpus),
        "other_corpora": [describe_corpus(one) for one in others],
        "readers": readers,
        **(advice_entries(swept) if swept else manifest_entries((), (), (), {})),
        "warnings": [
            *filter(None, [session.workspace.recorded_line, *(one.left_out_line for one in (corpus, *others))]),
            *(line for one in (corpus, *others) for line in one.note_lines),
            *filter(None, [one.split_line for one in (corpus, *others)]),
            *(note for one in (corpus, *others) for note in prompt_notes(experiment.readers, one)),
            *overlap_warnings(experiment, corpus, session),
            *(labeler_warnings(labeled.tables) if labeled.readers else []),
            *(swept.warnings if swept else []),
            *(embedder_notes(experiment.retrieval, corpus) if swept else []),
            *reviewed_corpus(experiment.consensus, corpus, session).notes,
        ],
    }
    if session.workspace.recorded:
        manifest["recorded"] = session.workspace.recorded
    if swept:
        languages = sentence_languages(experiment.retrieval, corpus)
        manifest["corpus"] |= {"languages": languages} if languages else {}
        manifest |= describe_retrieval_models(experiment, swept, session)
    manifest["headline"] = headline(experiment, labeled, swept, compared).line
    return manifest


def describe_retrieval_models(experiment: Experiment, swept: Swept, session: Session) -> dict[str, Any]:
    """The embedders and rerankers by their digests, and what the embedders could not read."""
    embedders = [(one.label, session.embedder(one)) for one in experiment.retrieval.embedders]
    rerankers = [session.reranker(one) for one in experiment.retrieval.rerankers if one != NO_RERANKER]
    told: dict[str, Any] = {
        "embedders": {
            name: {"weights": one.sha256, "with_all_that_changes_vectors": one.digest} for name, one in embedders
        }
    }
    if rerankers:
        told["rerankers"] = {
            one.name: {"weights": one.sha256, "with_all_that_changes_scores": one.digest} for one in rerankers
        }
    told["unknown_tokens"] = {
        name: {one.what: one.described() for one in of_embedder} for name, of_embedder in swept.unread.items()
    }
    return told


def advice_entries(swept: Swept) -> dict[str, Any]:
    """What the sweep recommends or cannot tell, as the manifest holds it."""
    names = names_in(swept.tables["retrieval_means"])
    return manifest_entries(swept.verdicts, swept.choices, swept.recommendations, names)


def describe_model(reader: ReaderConfig, session: Session) -> dict[str, Any]:
    """What answers for a reader: its model file and how its matrices are run, or the provider and how it is asked."""
    if not reader.remote.is_remote:
        kernels = session.kernels(reader)
        return {"sha256": session.readers.sha256(reader.model), **({"kernels": kernels} if kernels else {})}
    return labeler_identity(reader)


def describe_corpus(corpus: Corpus) -> dict[str, Any]:
    """The corpus, and which of its questions were asked."""
    return {
        "name": corpus.name,
        "documents": len(corpus.documents),
        "questions": len(corpus.questions),
        "split": " and ".join(sorted(corpus.questions["split"].unique())),
        "labels": list(corpus.labels),
        **({"choices": said} if (said := describe_choices(corpus.questions, corpus.choices_made)) else {}),
        **({"not_stated": corpus.not_stated} if corpus.not_stated else {}),
        "left_out": {
            kind: {"left_out": n, "read": corpus.left_out.n_read.get(kind, n)}
            for kind, n in corpus.left_out.counts.items()
        },
        "inputs": dict(corpus.inputs),
    }


def describe_session(
    started: datetime, runner: Runner, labeled: Labeled, swept: Swept | None, compared: Compared | None
) -> dict[str, Any]:
    """When and on which machine this start of the run worked, for how long, and what it had to ask."""
    asked = {"label": labeled.asked, "calibrate": labeled.calibrated, "read": swept.asked if swept else {}}
    for name, there in compared.others.items() if compared else ():
        asked |= {f"label {name}": there.asked, f"calibrate {name}": there.calibrated}
    return {
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "asked": {stage: [_asked(name, shards) for name, shards in of.items()] for stage, of in asked.items()},
        "speeds": compared.speeds if compared else [],
        **({"rankings": list(swept.timings)} if swept and swept.timings else {}),
        "seconds": {name: round(seconds, 2) for name, seconds in runner.seconds.items()},
        "machine": machine(),
    }


def _asked(reader: str, shards: list[Asked]) -> dict[str, Any]:
    return {
        "reader": reader,
        "prompts": sum(one.n_prompts for one in shards),
        "new": sum(one.n_new for one in shards),
        "tokens": sum(one.n_tokens for one in shards),
        "evaluated": sum(one.n_evaluated for one in shards),
        "seconds": round(sum(one.seconds for one in shards), 2),
        "written": sum(one.n_written for one in shards),
        "broken_off": sum(one.n_broken_off for one in shards),
        "read_from_text": sum(one.n_overruled for one in shards),
        "usd": round(sum(one.usd for one in shards), 6),
    }


def headline(experiment: Experiment, labeled: Labeled, swept: Swept | None, compared: Compared | None) -> Advice:
    """The advice that a user wants to see at the end."""
    if swept and swept.recommendations:
        return swept.recommendations[0]
    if swept and swept.choices and not labeled.readers:
        return swept.choices[0]
    if compared:
        return best_reader(labeled.tables["labelers"], compared.tables["pairs"], experiment.scoring.confidence)
    return kept_gold(labeled.tables["labelers"], labeled.golds)
