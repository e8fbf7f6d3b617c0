"""From a corpus section, or from a bare path, to a checked corpus with its selection of questions."""

import json
from typing import get_args

import pytest
from pydantic import ValidationError

from corpora.errors import InputError
from corpora.loading.config import CorpusConfig, Format
from corpora.loading.load import _FORMATS, load_corpus, read_source
from corpora.loading.recognised import guess_config
from corpora.shaping.selection import hashed_split
from corpora.sources.generator import GeneratorConfig

ITEM = {"QUESTION": "Is it?", "CONTEXTS": ["It is."], "LABELS": ["RESULTS"], "final_decision": "yes"}
GENERATED = CorpusConfig(source="generated", generator=GeneratorConfig(n_documents=40, words=60))


def write_pubmedqa(folder, name="ori_pqal.json"):
    (folder / name).write_text(json.dumps({str(number): ITEM for number in range(20)}), encoding="utf-8")
    (folder / "test_ground_truth.json").write_text(json.dumps({"3": "yes", "4": "yes"}), encoding="utf-8")
    return folder


def write_tables(folder, n=20, labels=("yes", "no"), first=0):
    numbers = range(first, first + n)
    documents = [{"id": f"d{number}", "text": f"Text {number}."} for number in numbers]
    questions = [
        {"id": f"q{number}", "text": "Is it?", "document_ids": f"d{number}", "reference": labels[number % len(labels)]}
        for number in numbers
    ]
    folder.mkdir(exist_ok=True)
    for stem, rows in (("documents", documents), ("questions", questions)):
        (folder / f"{stem}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


def ids_of(corpus):
    return corpus.questions["question_id"].to_list()


# Guessing from a path


@pytest.mark.parametrize("name", ["ori_pqal.json", "ori_pqaa.json", "ori_pqau.json"])
def test_a_folder_with_a_pubmedqa_part_is_pubmedqa(tmp_path, name):
    config = guess_config(write_pubmedqa(tmp_path, name))
    assert (config.source, config.path, config.split) == ("pubmedqa", tmp_path, "all")
    assert load_corpus(config).questions.height == 20


def test_a_json_file_is_pubmedqa(tmp_path):
    file = write_pubmedqa(tmp_path) / "ori_pqal.json"
    assert guess_config(file) == CorpusConfig(source="pubmedqa", path=file, split="all")
    assert load_corpus(guess_config(file)).questions.height == 20


def test_a_folder_with_documents_and_questions_is_tables(tmp_path):
    config = guess_config(write_tables(tmp_path))
    assert config == CorpusConfig(source="tables", path=tmp_path, split="all")
    assert load_corpus(config).questions.height == 20


def test_documents_and_questions_may_have_different_formats(tmp_path):
    write_tables(tmp_path, n=1)
    (tmp_path / "documents.jsonl").unlink()
    (tmp_path / "documents.csv").write_text("id,text\nd0,Other.\n", encoding="utf-8")
    assert load_corpus(guess_config(tmp_path)).texts == {"d0": "Other."}


def test_a_path_that_is_not_there_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"path .*nowhere does not exist") as error:
        guess_config(tmp_path / "nowhere")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("left_out", ["documents", "questions"])
def test_a_folder_with_half_of_the_tables_is_refused_with_what_would_be_known(tmp_path, left_out):
    (write_tables(tmp_path) / f"{left_out}.jsonl").unlink()
    with pytest.raises(
        InputError, match=r"no corpus that Tercet recognises.*ori_pqal\.json.*documents\.\* and questions"
    ):
        guess_config(tmp_path)


def test_one_of_the_two_tables_stands_for_both(tmp_path):
    folder = write_tables(tmp_path)
    assert guess_config(folder / "documents.jsonl") == guess_config(folder / "questions.jsonl") == guess_config(folder)


def test_a_table_of_another_name_is_refused(tmp_path):
    file = (write_tables(tmp_path) / "documents.jsonl").rename(tmp_path / "mine.jsonl")
    with pytest.raises(InputError, match="is one table, and a corpus has two"):
        guess_config(file)


# The config


def test_an_unknown_key_is_refused_by_its_name():
    with pytest.raises(ValidationError, match=r"spilt\n.*not permitted"):
        CorpusConfig(spilt="tune")


@pytest.mark.parametrize(
    "nested",
    [{"generator": {"wrods": 100}}, {"document_columns": {"ttext": "a"}}, {"question_columns": {"ttext": "a"}}],
    ids=lambda nested: next(iter(nested)),
)
def test_an_unknown_key_of_a_nested_section_is_refused_too(nested):
    with pytest.raises(ValidationError, match="not permitted"):
        CorpusConfig.model_validate(nested)


@pytest.mark.parametrize(
    "wrong",
    [{"source": "nobody's"}, {"split": "test"}, {"sample": 0}, {"held_out_fraction": 0}, {"held_out_fraction": 1}],
    ids=str,
)
def test_a_value_out_of_range_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        CorpusConfig.model_validate(wrong)


def test_a_config_cannot_be_changed_after_it_was_checked():
    with pytest.raises(ValidationError, match="frozen"):
        CorpusConfig().split = "all"


def test_relative_paths_start_from_the_base_and_absolute_and_missing_ones_stay(tmp_path):
    absolute = tmp_path / "questions.csv"
    config = CorpusConfig(source="tables", documents="documents.csv", questions=absolute).resolved(tmp_path / "base")
    assert (config.path, config.documents, config.questions) == (None, tmp_path / "base" / "documents.csv", absolute)


@pytest.mark.parametrize("name", ["", "-x", ".hidden", "a/b", "two words", "../up", "a\n"])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(ValidationError, match=r"name\n"):
        CorpusConfig(name=name)


# Loading


def test_a_corpus_is_called_as_the_config_says_or_as_its_source_is():
    assert load_corpus(CorpusConfig(name="handbook.v2")).name == "handbook.v2"
    assert load_corpus(CorpusConfig()).name == "orrin-handbook"


def test_another_name_draws_the_same_questions_and_shares_the_pin(tmp_path):
    pins, folder = tmp_path / "pins", tmp_path / "mine"
    config = CorpusConfig(source="tables", path=folder, split="all", sample=8)
    write_tables(folder, n=20)
    drawn = ids_of(load_corpus(config, pins))
    write_tables(folder, n=200)
    assert ids_of(load_corpus(config.model_copy(update={"name": "other"}), pins)) == drawn
    assert len(list(pins.iterdir())) == 1


def test_the_pin_of_a_sample_is_the_one_of_the_first_release(tmp_path):
    # Written down once: under another name, every pinned sample would be drawn again.
    load_corpus(CorpusConfig(sample=3), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["orrin-handbook-3-528b61a05ac7.json"]


def test_where_a_source_has_no_split_all_questions_are_asked():
    corpus = load_corpus(CorpusConfig())
    assert corpus.name == "orrin-handbook"
    assert set(corpus.questions["split"]) == {"tune", "held_out"}
    assert len(corpus.questions) == len(read_source(CorpusConfig()).questions)
    assert corpus.documents.equals(read_source(CorpusConfig()).documents)


def test_the_two_splits_part_all_questions_and_keep_all_documents():
    parts = {split: load_corpus(GENERATED.model_copy(update={"split": split})) for split in ("tune", "held_out", "all")}
    tune, held_out, everything = (set(ids_of(parts[split])) for split in ("tune", "held_out", "all"))
    assert tune
    assert held_out
    assert not tune & held_out
    assert tune | held_out == everything
    assert {corpus.documents.height for corpus in parts.values()} == {40}


def test_a_split_of_the_source_is_used_as_it_is(tmp_path):
    corpus = load_corpus(CorpusConfig(source="pubmedqa", path=write_pubmedqa(tmp_path)))
    assert ids_of(corpus) == ["3", "4"]


def test_the_split_of_tables_is_hashed_from_the_document_with_the_configured_fraction_and_seed(tmp_path):
    config = CorpusConfig(source="tables", path=write_tables(tmp_path), split="held_out", held_out_fraction=0.3, seed=5)
    expected = [f"q{number}" for number in range(20) if hashed_split(f"d{number}", 0.3, 5) == "held_out"]
    assert ids_of(load_corpus(config)) == expected


def test_a_sample_is_drawn_from_the_split_by_seed():
    def drawn(**changes):
        return load_corpus(GENERATED.model_copy(update={"sample": 10, "split": "tune"} | changes))

    assert drawn().questions.height == 10
    assert set(drawn().questions["split"]) == {"tune"}
    assert drawn().documents.height == 40
    assert ids_of(drawn()) == ids_of(drawn())
    # With the split out of play, only the draw can make the difference.
    assert ids_of(drawn(split="all", seed=1)) != ids_of(drawn(split="all", seed=2))


def test_a_sample_stays_the_same_when_its_source_grows(tmp_path):
    pins, folder = tmp_path / "pins", tmp_path / "mine"
    config = CorpusConfig(source="tables", path=folder, split="all", sample=8)
    write_tables(folder, n=20)
    first = ids_of(load_corpus(config, pins))
    write_tables(folder, n=200)
    assert ids_of(load_corpus(config)) != first  # else the pin would prove nothing
    assert ids_of(load_corpus(config, pins)) == first


def test_a_pin_is_not_shared_by_two_corpora_whose_folders_have_one_name(tmp_path):
    for parent, first in (("one", 0), ("other", 1000)):
        (tmp_path / parent).mkdir()
        folder = write_tables(tmp_path / parent / "data", first=first)
        config = CorpusConfig(source="tables", path=folder, split="all", sample=5)
        assert ids_of(load_corpus(config, tmp_path / "pins")) == ids_of(load_corpus(config))


def test_a_pin_is_not_shared_by_two_held_out_fractions(tmp_path):
    config = CorpusConfig(source="tables", path=write_tables(tmp_path / "mine", n=200), sample=20)
    for fraction in (0.9, 0.3):
        changed = config.model_copy(update={"held_out_fraction": fraction})
        assert ids_of(load_corpus(changed, tmp_path / "pins")) == ids_of(load_corpus(changed))


def test_the_labels_of_tables_are_the_configured_ones(tmp_path):
    folder = write_tables(tmp_path, labels=("entailed", "neutral"))
    config = CorpusConfig(source="tables", path=folder, labels=("entailed", "neutral", "contradicted"), split="all")
    assert load_corpus(config).labels.labels == ("entailed", "neutral", "contradicted")
    with pytest.raises(InputError, match="label 'entailed': expected one of yes, no, maybe"):
        load_corpus(CorpusConfig(source="tables", path=folder, split="all"))


def test_a_corpus_is_checked_before_anything_is_selected(tmp_path):
    folder = write_tables(tmp_path)
    (folder / "documents.jsonl").write_text('{"id": "d0", "text": "Text 0."}', encoding="utf-8")
    with pytest.raises(InputError, match=r"document 'd1' is not in the corpus.*18 more problems"):
        load_corpus(CorpusConfig(source="tables", path=folder, sample=1))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CorpusConfig(source="pubmedqa"), "source 'pubmedqa' without `path`"),
        (CorpusConfig(source="tables"), r"source 'tables' without documents \(path None\)"),
        (CorpusConfig(source="pubmedqa", path="/nowhere/at/all"), "no PubMedQA file at /nowhere/at/all"),
        (CorpusConfig(source="tables", path="/nowhere/at/all"), r"without documents \(path /nowhere/at/all\)"),
        (
            CorpusConfig(source="tables", documents="/nowhere/d.csv", questions="/nowhere/q.csv"),
            "no file /nowhere/[dq].csv",
        ),
    ],
    ids=["pubmedqa without path", "tables without path", "no pubmedqa folder", "no tables folder", "no table file"],
)
def test_a_missing_path_is_refused_in_one_line(config, message):
    with pytest.raises(InputError, match=message) as error:
        load_corpus(config)
    assert len(str(error.value).splitlines()) == 1


def test_a_split_without_questions_is_refused(tmp_path):
    (write_pubmedqa(tmp_path) / "test_ground_truth.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="no questions in split 'held_out'"):
        load_corpus(CorpusConfig(source="pubmedqa", path=tmp_path))


def test_where_a_source_has_a_split_its_held_out_questions_are_asked(tmp_path):
    folder = write_pubmedqa(tmp_path)
    held_out = next(iter(json.loads((folder / "ori_pqal.json").read_text(encoding="utf-8"))))
    (folder / "test_ground_truth.json").write_text(json.dumps({held_out: "yes"}), encoding="utf-8")
    assert ids_of(load_corpus(CorpusConfig(source="pubmedqa", path=folder))) == [held_out]


def write_splits(folder, splits):
    """Tables whose questions name their split."""
    write_tables(folder, n=len(splits))
    rows = [
        {"id": f"q{number}", "text": "Is it?", "document_ids": f"d{number}", "reference": "yes", "split": split}
        for number, split in enumerate(splits)
    ]
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return CorpusConfig(source="tables", path=folder)


def test_the_split_of_tables_is_used_as_it_is(tmp_path):
    config = write_splits(tmp_path, ["tune", "held_out", "held_out", "tune"])
    assert config.split == "auto"
    assert ids_of(load_corpus(config)) == ["q1", "q2"]
    assert ids_of(load_corpus(config.model_copy(update={"split": "tune"}))) == ["q0", "q3"]
    assert ids_of(load_corpus(config.model_copy(update={"split": "all"}))) == ["q0", "q1", "q2", "q3"]


def test_tables_without_a_split_are_asked_in_full(tmp_path):
    assert load_corpus(CorpusConfig(source="tables", path=write_tables(tmp_path))).questions.height == 20


def test_what_is_only_there_to_tune_is_not_asked_by_default(tmp_path):
    with pytest.raises(InputError, match="no questions in split 'held_out'"):
        load_corpus(write_splits(tmp_path, ["tune", "tune"]))


def test_questions_beside_a_split_that_have_none_are_split_by_their_document(tmp_path):
    asked = ids_of(load_corpus(write_splits(tmp_path, ["held_out", "tune", *[None] * 18])))
    hashed = [f"q{number}" for number in range(2, 20) if hashed_split(f"d{number}", 0.5, 0) == "held_out"]
    assert asked == ["q0", *hashed]


@pytest.mark.parametrize("source", ["sample", "pubmedqa", "generated"])
def test_labels_of_a_source_that_has_its_own_are_refused(tmp_path, source):
    with pytest.raises(InputError, match=f"`labels` is set for source '{source}'") as error:
        load_corpus(CorpusConfig(source=source, path=write_pubmedqa(tmp_path), labels=("yes", "no")))
    assert len(str(error.value).splitlines()) == 1


def test_a_config_that_went_through_a_form_is_the_same_config():
    # A form, such as that of the served flows, may send every field, also those that the user left alone.
    filled_in = CorpusConfig.model_validate(CorpusConfig().model_dump(mode="json"))
    assert load_corpus(filled_in).questions.equals(load_corpus(CorpusConfig()).questions)


def test_tables_whose_config_went_through_a_form_may_still_lack_optional_columns(tmp_path):
    config = CorpusConfig(source="tables", path=write_tables(tmp_path))
    filled_in = CorpusConfig.model_validate(config.model_dump(mode="json"))
    assert load_corpus(filled_in).questions.equals(load_corpus(config).questions)


# Tune questions, to be asked beside the held-out ones


def tune_ids(config):
    corpus = load_corpus(config)
    return None if corpus.tune is None else corpus.tune["question_id"].to_list()


@pytest.mark.parametrize("split", ["auto", "held_out"])
def test_beside_held_out_questions_all_tune_questions_are_there(tmp_path, split):
    config = write_splits(tmp_path, ["tune", "held_out", "held_out", "tune", "tune"])
    corpus = load_corpus(config.model_copy(update={"split": split}))
    assert ids_of(corpus) == ["q1", "q2"]
    assert corpus.tune["question_id"].to_list() == ["q0", "q3", "q4"]
    assert corpus.tune.schema == corpus.questions.schema


@pytest.mark.parametrize("split", ["tune", "all"])
def test_where_tune_questions_are_asked_there_are_none_to_spare(tmp_path, split):
    config = write_splits(tmp_path, ["tune", "held_out", "tune"])
    assert tune_ids(config.model_copy(update={"split": split})) is None


def test_where_a_source_has_no_split_there_are_none_to_spare_unless_one_is_asked_for():
    assert tune_ids(CorpusConfig()) is None
    held_out = load_corpus(CorpusConfig(split="held_out"))
    assert held_out.tune is not None
    everything = ids_of(load_corpus(CorpusConfig(split="all")))
    assert sorted([*ids_of(held_out), *held_out.tune["question_id"]]) == sorted(everything)


def test_a_source_all_of_whose_questions_are_held_out_has_an_empty_tune_split(tmp_path):
    assert tune_ids(write_splits(tmp_path, ["held_out", "held_out"])) == []


def test_a_sample_of_the_questions_leaves_the_tune_questions_whole():
    config = GENERATED.model_copy(update={"split": "held_out"})
    sampled = load_corpus(config.model_copy(update={"sample": 2}))
    assert sampled.questions.height == 2
    assert sampled.tune.equals(load_corpus(config).tune)
    assert not set(sampled.tune["question_id"]) & set(ids_of(sampled))


def test_no_document_has_both_tune_and_held_out_questions_where_tercet_splits():
    corpus = load_corpus(GENERATED.model_copy(update={"split": "held_out"}))
    of = [{document for ids in frame["document_ids"] for document in ids} for frame in (corpus.tune, corpus.questions)]
    assert not of[0] & of[1]


def test_another_selection_of_questions_keeps_the_rest_of_the_corpus(tmp_path):
    corpus = load_corpus(write_splits(tmp_path, ["tune", "held_out", "held_out"]).model_copy(update={"name": "mine"}))
    one = corpus.with_questions(corpus.questions.head(1))
    assert ids_of(one) == ["q1"]
    assert (one.name, one.labels, one.inputs) == ("mine", corpus.labels, corpus.inputs)
    assert one.documents.equals(corpus.documents)
    assert one.tune.equals(corpus.tune)
    assert ids_of(corpus) == ["q1", "q2"]


def test_every_published_format_has_what_reads_it():
    assert set(_FORMATS) == set(get_args(Format))


# What is said of the split


@pytest.mark.parametrize(
    ("given", "split", "said"),
    [
        ("", "auto", ""),
        ("", "held_out", "for 20 questions, so a hash of their documents' ids put {} into tune and {} into held-out, "
         "and only held-out ones are asked; to choose, add a column `split` with tune or held_out to the questions, "
         "or set `split` and"),
        ("some", "auto", "for 19 questions of 20, so"),
        ("some", "all", ""),
        ("all", "auto", ""),
    ],
)  # fmt: skip
def test_a_hash_that_chooses_the_questions_is_told_in_one_sentence(tmp_path, given, split, said):
    folder = write_tables(tmp_path)
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in {"": [], "some": rows[:1], "all": rows}[given]:
        row["split"] = "held_out"
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    config = CorpusConfig(source="tables", path=folder, name="mine", split=split, stitch=2)
    line = load_corpus(config).split_line
    sides = [hashed_split(f"d{number}", 0.5, 0) for number in range(20)]
    counts = sides.count("tune"), sides.count("held_out")
    assert line.startswith(f"mine: the source gives no split {said.format(*counts)}" if said else "")
    assert bool(line) == bool(said)
    assert line.count(".") == (1 if line else 0)
