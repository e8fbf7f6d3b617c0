"""Putting a specialist into the store: a folder that is named by its digest, the manifest written last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from corpora.storage import require_folder, sha256_file, sha256_text, write_frame
from flows.run.gold.specialist.learning import Learnt, Order, Sight
from flows.run.gold.specialist.naming import check_digest
from flows.run.gold.specialist.source import Source
from labeling.specialist.examples import Example
from labeling.specialist.folder import (
    MANIFEST,
    MODEL,
    TRAINED_ON,
    Manifest,
    Specialist,
    Teaching,
    digest_of,
    files_of,
    folder_of,
    read_specialist,
)
from results.store.replacing import begin, give_up, take_place
from results.store.run_folder import package_versions, unwritable


def keep(
    store: Path, order: Order, source: Source, sight: Sight, embedder_digest: str, learnt: Learnt,
    examples: Sequence[Example], tables: Mapping[str, pl.DataFrame], found: Sequence[str], work: Path,
) -> Specialist:  # fmt: skip
    """Write a specialist.

    Args:
        store: the store.
        order: what was trained.
        source: what on.
        sight: how it looks.
        embedder_digest: of everything that changes the embedder's vectors.
        learnt: the trained model.
        examples: what it has learnt from.
        tables: its scores, by name.
        found: what they say.
        work: folder of this training, where the model is written first.

    Raises:
        InputError: the disk is full or not writable, or the name or the specialist is there already, with another
            specialist or name.
    """
    try:
        model = work / MODEL
        shutil.rmtree(model, ignore_errors=True)
        model.mkdir(parents=True)
        learnt.head.save(model)
        files = files_of(model)
        how = {**sight._asdict(), "embedder_digest": embedder_digest}
        digest = digest_of(order.kind, source.corpus.labels.labels, how, files)
        check_digest(store, order.name, digest)
        manifest = Manifest(
            name=order.name, digest=digest, kind=order.kind, labels=source.corpus.labels.labels, files=files, **how,
            teaching=_teaching(source, examples, order.recipe.seed), training=learnt.training, findings=tuple(found),
            tables={}, packages=package_versions(), created=datetime.now(UTC).isoformat(timespec="seconds"),
        )  # fmt: skip
        return _write(store, manifest, model, {**tables, Path(TRAINED_ON).stem: trained_on(source, examples)})
    except OSError as error:
        raise unwritable(folder_of(store, ""), error) from error


def _write(store: Path, manifest: Manifest, model: Path, tables: Mapping[str, pl.DataFrame]) -> Specialist:
    target = folder_of(store, manifest.digest)
    new = require_folder(begin(target, MANIFEST), "specialists")
    try:
        shutil.copytree(model, new / MODEL)
        for name, frame in tables.items():
            write_frame(new / f"{name}.parquet", frame)
        digests = {f"{name}.parquet": sha256_file(new / f"{name}.parquet") for name in tables}
        sealed = manifest.model_copy(update={"tables": digests}).model_dump(mode="json")
        (new / MANIFEST).write_text(json.dumps(sealed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        take_place(new, target, MANIFEST)
    except OSError:
        give_up(new)
        raise
    return read_specialist(target)


def _teaching(source: Source, examples: Sequence[Example], seed: int) -> Teaching:
    return Teaching(
        run=source.run, reader=source.reader.label, labeler=source.labeler, corpus=source.corpus.name,
        n_questions=len(examples), n_documents=len({one.document for one in examples}), seed=seed,
    )  # fmt: skip


def trained_on(source: Source, examples: Sequence[Example]) -> pl.DataFrame:
    """The questions that were learnt from: question_id, text, document_ids, text_digests of these, gold, target."""
    gold: dict[str, Any] = dict(source.gold.select("question_id", "label").iter_rows())
    documents: dict[str, Any] = dict(source.asked.select("question_id", "document_ids").iter_rows())
    rows = [
        {
            "question_id": one.question_id,
            "text": one.question,
            "document_ids": documents[one.question_id],
            "text_digests": [sha256_text(source.corpus.texts[each]) for each in documents[one.question_id]],
            "gold": gold[one.question_id],
            "target": one.target.tolist(),
        }
        for one in examples
    ]
    return pl.DataFrame(rows)
