"""What the other readers leave out where something may be: Chroma's format, Evidence Inference, distractors."""

import json

import pytest

from corpora.errors import RowError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from corpora.schema import iter_questions
from tests.unit.corpora.loading.test_corpora_sources import write_tables
from tests.unit.corpora.sources.formats import test_corpora_chroma as chroma
from tests.unit.corpora.sources.formats import test_corpora_evidence_inference as evidence


def noted(corpus):
    return [(one.kind, one.row, one.id) for one in corpus.left_out.defects]


def test_chroma_leaves_out_questions_whose_passages_are_not_there(tmp_path):
    off = [chroma.quote(start=18, end=25)]
    rows = [chroma.row(), chroma.row(off), chroma.row(corpus_id="nowhere"), chroma.row(), chroma.row("[")]
    folder = chroma.write(tmp_path, *rows, *[chroma.row()] * 3)
    corpus = load_corpus(CorpusConfig(source="chroma", path=folder, split="all"))
    assert corpus.questions["question_id"].to_list() == ["ferry-1", "ferry-4", "ferry-6", "ferry-7", "ferry-8"]
    assert noted(corpus) == [("question", "2", "row 2"), ("question", "3", "row 3"), ("question", "5", "row 5")]
    with pytest.raises(RowError, match="row 2"):
        load_corpus(CorpusConfig(source="chroma", path=folder, split="all", on_defect="refuse"))


def test_evidence_inference_leaves_out_annotations_and_evidence_but_not_their_prompt(tmp_path):
    bad = [
        evidence.annotation("4", "1", "went up", evidence.ROSE),
        evidence.annotation("5", "1", "significantly increased", evidence.ROSE, start=2),
    ]
    folder = evidence.write(tmp_path, [*evidence.GOOD, *bad])
    corpus = load_corpus(CorpusConfig(source="evidence_inference", path=folder, split="all"))
    first, second = iter_questions(corpus.questions)
    assert (first.id, len(first.evidence), second.id, len(second.evidence)) == ("1", 2, "2", 1)
    assert first.annotators.keys() == {"user 0", "user 3", "user 5"}
    assert [(kind, identifier) for kind, _, identifier in noted(corpus)] == [
        ("annotation", "1"),
        ("evidence span", "1"),
    ]


def test_a_prompt_without_its_article_is_left_out(tmp_path):
    prompts = [["1", "7", "weight", "cheese", "bread"], ["2", "8", "sleep", "cheese", "bread"]]
    folder = evidence.write(tmp_path, evidence.GOOD, prompts)
    corpus = load_corpus(CorpusConfig(source="evidence_inference", path=folder, split="all"))
    assert corpus.questions["question_id"].to_list() == ["1"]
    assert [(kind, identifier) for kind, _, identifier in noted(corpus)] == [("question", "2")]


ITEM = {"QUESTION": "Is it?", "CONTEXTS": ["It is."], "LABELS": ["RESULTS"]}


def test_distractors_of_a_published_format_are_left_out_one_by_one(tmp_path):
    items = {"1": ITEM, "2": ITEM | {"CONTEXTS": []}, "3": ITEM | {"CONTEXTS": ["Other."]}, "4": ITEM}
    (tmp_path / "ori_pqau.json").write_text(json.dumps(items), encoding="utf-8")
    config = CorpusConfig(source="tables", path=write_tables(tmp_path / "mine"), split="all")
    corpus = load_corpus(config.model_copy(update={"distractors": tmp_path / "ori_pqau.json"}))
    assert list(corpus.texts)[20:] == ["distractor:1", "distractor:3"]
    assert noted(corpus)[0] == ("document", "2", "2")
    assert len(corpus.questions) == 20


def test_distractors_in_a_table_are_refused_unless_they_may_be_skipped(tmp_path):
    rows = [{"id": "a", "text": "One."}, {"id": "b", "text": " "}, {"id": "c", "text": "Two."}]
    (tmp_path / "more.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    config = CorpusConfig(source="tables", path=write_tables(tmp_path / "mine"), split="all")
    config = config.model_copy(update={"distractors": tmp_path / "more.jsonl"})
    with pytest.raises(RowError, match=r"more\.jsonl, row 2, field 'text'"):
        load_corpus(config)
    corpus = load_corpus(config.model_copy(update={"on_defect": "skip"}))
    assert list(corpus.texts)[20:] == ["distractor:a", "distractor:c"]
    assert corpus.left_out.line() == "1 of 23 documents"
