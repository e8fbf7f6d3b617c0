"""Drafting end to end on a scripted reader: every filter, resuming, balance, wrong input and the files."""

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from corpora.errors import InputError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from flows.cli.experiments import questions as command
from flows.run.questions.asking import TOGETHER
from flows.run.questions.documents import open_source
from flows.run.questions.drafting import Wish, check_reader, draft_questions
from flows.run.questions.files import places_beside, questions_text, report_text
from flows.run.questions.judging import DROPPED
from flows.run.questions.planning import plan_drafting
from flows.run.questions.readers import find_reader, reader_for
from flows.run.questions.summary import summary
from flows.session.experiment import ReaderConfig, parse_experiment
from flows.stages.runner import Runner
from labeling.drafting.writer import WriterConfig
from tests.doubles.drafting import HALLS, answers, documents, good, told, write_documents
from tests.doubles.scripted import scripted_session

READER = ReaderConfig(model="scripted", name="scripted")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_documents(tmp_path)


def drafted(folder: Path, writes=good, script=answers, reader=READER, **wish):
    session, readers = scripted_session(folder / "store", script, writes=writes)
    with session:
        made = draft_questions(
            open_source(folder), reader, Wish(**{"n": 12, "kinds": ("number",)} | wish), session, Runner()
        )
    return made, readers


def fates(made) -> Counter:
    return Counter(one.fate for one in made.judged)


def test_sound_drafts_are_kept_balanced_and_spread(folder):
    made, _ = drafted(folder)
    assert fates(made) == {"kept": 12}
    assert Counter(one.answer for one in made.kept) == {"yes": 6, "no": 6}
    assert Counter(one.attempt.document_id for one in made.kept) == {f"{hall}-hall": 2 for hall in HALLS}
    texts = documents()
    for one in made.kept:
        assert all(texts[span.document_id][span.start : span.end] == quote
                   for span, quote in zip(one.evidence, one.quotes, strict=True))  # fmt: skip


@pytest.mark.parametrize(("fate", "question"), [
    ("one question", "The {room} of {hall} Hall is shut until {minutes} past six."),
    ("no giveaway", "Is it so: The {room} of {hall} Hall is not open to guests before {minutes} minutes past six?"),
    ("stands alone", "According to the text, is the {room} of {hall} Hall shut until {minutes}?"),
    ("stands alone", "Is the {room} of the place shut until {minutes} past six for guests?"),
    ("its kind", "Is {hall} Hall a place where nobody but the members may ever be?"),
])  # fmt: skip
def test_each_rule_on_the_text_drops_what_it_is_for(folder, fate, question):
    def bad(prompt):
        room, hall, minutes = told(prompt.message).groups()
        return question.format(room=room, hall=hall, minutes=minutes), good(prompt)[1]

    def writes(prompt):  # every document but one is written about as it should be
        return bad(prompt) if "Birch Hall: rules" in prompt.message else good(prompt)

    made, _ = drafted(folder, writes, n=24, most=48)
    of_birch = [one for one in made.judged if one.draft.attempt.document_id == "birch-hall"]
    assert fate in {one.fate for one in of_birch}
    assert of_birch
    others = {one.fate for one in made.judged if one not in of_birch}
    assert others <= {"kept", "surplus", "no duplicate"}  # a hall has fewer rooms than drafts


def test_a_question_that_was_asked_is_dropped(folder):
    def writes(prompt):
        return f"Is {told(prompt.message)[2]} Hall a place where nobody but the members may ever be?", "yes"

    made, _ = drafted(folder, writes, kinds=("fact",), most=12)
    assert fates(made)["no duplicate"] == 11


def test_a_question_for_more_than_yes_or_no_is_dropped(folder):
    made, _ = drafted(folder, writes=lambda prompt: (good(prompt)[0].replace("Must", "Why must"), "yes"), most=6)
    assert fates(made) == {"one question": 6}


def test_short_documents_are_not_asked_about_the_same_passage_again(tmp_path):
    text = "The attic of {} Hall is not open to guests before 20 minutes past six."
    rows = [json.dumps({"id": hall, "text": text.format(hall)}) for hall in ("Alder", "Birch", "Cedar")]
    (tmp_path / "documents.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    made, _ = drafted(tmp_path, n=10, most=50, kinds=("fact", "number"))
    shown = [(one.draft.attempt.wanted, one.draft.kind, one.draft.attempt.passages) for one in made.judged]
    assert len(shown) == len(set(shown)) == 3 * 2 * 2  # documents, answers, kinds: neither 50, nor any left out


def test_what_is_no_question_with_an_answer_is_dropped(folder):
    made, _ = drafted(folder, lambda prompt: ("", "yes"), most=12)
    assert fates(made) == {"written": 12}
    assert made.kept == []


def test_what_the_reader_knows_closed_book_is_dropped(folder):
    def knows(model, prompt):
        return (0.97, 0.03) if prompt.arm == "closed_book" else answers(model, prompt)

    made, readers = drafted(folder, script=knows, most=12)
    assert {one.fate for one in made.judged if one.draft.answer == "yes"} == {"not closed book"}
    assert {one.fate for one in made.judged if one.draft.answer == "no"} == {"kept"}
    voted = [prompt for prompt in readers.asked if prompt.arm == "document" and prompt.start == "Answer:"]
    assert len(voted) == 3 * 6  # nobody votes on what is dropped
    assert drafted(folder, script=knows, most=12, closed_book=0.98)[0].kept[0].answer == "yes"


@pytest.mark.parametrize("why", ["wrong", "split"])
def test_what_three_votes_do_not_confirm_is_dropped(folder, why):
    def votes(model, prompt):
        if prompt.arm == "closed_book" or "of Elm Hall until" not in prompt.message:
            return answers(model, prompt)
        right = answers(model, prompt)
        return right[::-1] if why == "wrong" else ((1.0, 0.0), (0.0, 1.0), (1.0, 0.0))[prompt.vote]

    made, _ = drafted(folder, script=votes, n=12, most=12)
    dropped = {one.draft.attempt.document_id for one in made.judged if one.fate == "three votes"}
    assert dropped == {"elm-hall"}
    assert fates(made)["kept"] == 10
    assert {one.reason for one in made.judged if one.fate == "three votes"} == {
        "unanimous but wrong" if why == "wrong" else "votes differ"
    }


def test_the_answer_that_the_reader_gave_counts_and_more_is_drafted_of_what_lacks(folder):
    """A reader that writes true statements alone: whatever is wanted, the answer is yes."""

    def writes(prompt):
        room, hall, minutes = told(prompt.message).groups()
        return f"Must guests wait for the {room} of {hall} Hall until {minutes} past six?", "yes"

    made, _ = drafted(folder, writes, n=8, most=30, kinds=("negation",))
    assert Counter(one.answer for one in made.kept) == {"yes": 4}
    assert len(made.judged) == 30
    assert fates(made)["surplus"] > 0


def test_what_was_answered_is_not_asked_again(folder):
    first, readers = drafted(folder)
    again, repeated = drafted(folder)
    assert again.judged == first.judged
    assert readers.asked
    assert not repeated.asked
    more, added = drafted(folder, n=16)
    assert {one.id for one in first.kept} & {one.id for one in more.kept}
    assert len({prompt.key for prompt in added.asked} & {prompt.key for prompt in readers.asked}) == 0


def test_drafts_of_one_form_are_written_together_and_none_twice(folder):
    made, readers = drafted(folder, n=48, kinds=("number", "negation"), votes=False)
    sheets = [call for reader in readers.opened for call in reader.calls]
    assert sum(map(len, sheets)) == len(made.judged) == len({prompt.hash for sheet in sheets for prompt in sheet})
    assert max(map(len, sheets)) == TOGETHER
    for sheet in sheets:
        (name,) = {prompt.sheet for prompt in sheet}
        assert name
        assert len({"right answer is yes" in prompt.message for prompt in sheet}) == 1
    again, readers = drafted(folder, n=48, kinds=("number", "negation"), votes=False)
    assert [one.draft.text for one in again.judged] == [one.draft.text for one in made.judged]
    assert not readers.asked


def test_without_votes_the_text_decides_and_the_reader_only_writes(folder):
    made, readers = drafted(folder, script=lambda *_: (0.99, 0.01), votes=False)  # closed book it would know all
    assert fates(made) == {"kept": 12}
    assert {type(reader.config) for reader in readers.opened} == {WriterConfig}
    told = json.loads(report_text(made, {}))
    assert told["wish"]["votes"] is False
    names = [one["filter"] for one in told["filters"]]
    assert "no duplicate" in names
    assert not {"not closed book", "three votes"} & set(names)
    assert not [line for line in summary(made) if "three votes" in line]
    assert {row.get("confirmed_by") for row in map(json.loads, questions_text(made).splitlines())} == {None}
    told, _ = drafted(folder)
    assert {row.get("confirmed_by") for row in map(json.loads, questions_text(told).splitlines())} == {"scripted"}


def test_a_drafting_that_was_stopped_goes_on(folder):
    asked = 0

    def stops(prompt):
        nonlocal asked
        asked += 1
        if asked == 7:
            raise KeyboardInterrupt
        return good(prompt)

    with pytest.raises(KeyboardInterrupt):
        drafted(folder, stops)
    made, readers = drafted(folder)
    assert fates(made) == {"kept": 12}
    assert sum(prompt.start == "Question:" for prompt in readers.asked) == 12 - 6


def test_the_table_is_read_as_a_corpus_with_exact_evidence(folder):
    made, _ = drafted(folder)
    (folder / "questions.jsonl").write_text(questions_text(made), encoding="utf-8")
    corpus = load_corpus(CorpusConfig(source="tables", path=folder, labels=("yes", "no")))
    assert corpus.questions["question_id"].to_list() == [one.id for one in made.kept]
    spans = [(row["document_id"], row["start"], row["end"]) for rows in corpus.questions["evidence"] for row in rows]
    assert spans == [tuple(span) for one in made.kept for span in one.evidence]


def test_the_report_adds_up(folder):
    made, _ = drafted(folder, n=9, most=20)
    told_of = json.loads(report_text(made, {"name": "scripted"}))
    assert [one["filter"] for one in told_of["filters"]] == list(DROPPED)
    assert told_of["filters"][-1]["left"] == told_of["kept"] == len(made.kept) == 9
    assert sum(one["drafted"] for one in told_of["kinds"].values()) == told_of["drafted"] == len(made.judged)
    assert told_of["answers"]["yes"]["kept"] == 5
    assert told_of["documents"]["all"] == 6
    lines = list(summary(made))
    assert lines[0] == f"{len(made.judged)} drafts by scripted, 9 questions kept"
    assert "5 yes and 4 no" in lines[-1]


def test_a_plan_asks_nothing(folder):
    session, readers = scripted_session(folder / "store", answers, writes=good)
    with session:
        plan = plan_drafting(open_source(folder), READER, Wish(12), session)
    assert "12 drafts to begin with, at most 60, from 6 documents" in plan.text
    assert not readers.asked


def test_documents_come_from_tables_folders_and_experiments(folder, tmp_path):
    table = open_source(folder / "documents.jsonl")
    assert table.documents.equals(open_source(folder).documents)
    assert table.own is not None
    (folder / "some.toml").write_text('[corpus]\nname = "halls"\nsource = "tables"\ndocuments = "documents.jsonl"\n')
    assert open_source(folder / "some.toml").name == "halls"  # no table of questions is needed
    texts = tmp_path / "texts"
    (texts / "deep").mkdir(parents=True)
    (texts / "a.txt").write_text("One text.")
    (texts / "deep" / "b.md").write_text("Another text.")
    assert open_source(texts).documents["document_id"].to_list() == ["a.txt", "deep/b.md"]
    assert len(open_source(Path("demo")).documents) == 36


def test_nothing_is_drafted_from_a_document_that_the_reader_cannot_read_whole(folder):
    rows = [json.loads(row) for row in (folder / "documents.jsonl").read_text().splitlines()]
    rows += [{"id": "atlas", "text": "Atlas Hall: rules\n\n" + "The attic of Atlas Hall opens at 9. " * 100}]
    (folder / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made, readers = drafted(folder, reader=READER.model_copy(update={"num_ctx": 700}))
    assert not any("Atlas" in prompt.message for prompt in readers.asked)
    line = next(one for one in summary(made) if "num_ctx" in one)
    assert line.startswith("1 document does not fit in the reader's num_ctx of 700 tokens")
    assert "(atlas)" in line
    told_of = json.loads(report_text(made, {"name": "scripted"}))["documents"]
    assert (told_of["all"], told_of["too_long"]) == (7, ["atlas"])
    session, _ = scripted_session(folder / "store", answers, writes=good)
    with session:
        small = READER.model_copy(update={"num_ctx": 256})
        assert "from 6 documents" in plan_drafting(
            open_source(folder), READER.model_copy(update={"num_ctx": 700}), Wish(12), session
        ).text  # fmt: skip
        with pytest.raises(InputError, match="no document fits in the num_ctx of reader 'scripted', 256 tok"):
            plan_drafting(open_source(folder), small, Wish(12), session)


def test_a_model_has_room_for_the_documents_and_a_reader_of_an_experiment_what_it_says(folder):
    source = open_source(folder)
    assert reader_for("smollm2-135m", source).num_ctx == 4096
    long = source.documents.with_columns(pl.concat_str([pl.col("text")] * 30))
    assert reader_for("smollm2-135m", source._replace(documents=long)).num_ctx == 16_384
    told = parse_experiment({"readers": [{"model": "smollm2-135m", "num_ctx": 300}]}, "the test")
    assert reader_for("smollm2-135m", source._replace(documents=long, experiment=told)).num_ctx == 300


def test_documents_in_a_language_without_prompts_are_said(folder):
    made, _ = drafted(folder)
    assert not any("The prompts were" in line for line in summary(made))
    attempt = made.judged[0].draft.attempt._replace(language="ja")
    other = [one._replace(draft=one.draft._replace(attempt=attempt)) for one in made.judged[:1]]
    told_of = next(line for line in summary(made._replace(judged=other)) if "The prompts were" in line)
    assert told_of.startswith("The prompts were English for 1 document in Japanese, as there are prompts in English, ")


def test_wrong_input_is_said_in_three_parts(folder, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_source(tmp_path / "nothing")
    with pytest.raises(InputError, match="ends in"):
        places_beside(tmp_path / "questions.csv")
    with pytest.raises(InputError, match="no folder"):
        places_beside(tmp_path / "none" / "questions.jsonl")
    with pytest.raises(InputError, match="reader on this machine"):
        check_reader(ReaderConfig(model="x", remote={"provider": "groq"}))
    with pytest.raises(InputError, match="not in the registry"):
        find_reader("qwen", None)
    with pytest.raises(InputError, match="embeds text"):
        find_reader("all-minilm-l6-v2", None)
    (tmp_path / "t.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n')
    with pytest.raises(InputError, match="'a'"):
        open_source(tmp_path / "t.jsonl")
    (tmp_path / "t.jsonl").write_text('{"id": "a", "text": "Heading"}\n')
    (folder / "documents.jsonl").write_text('{"id": "a", "text": "?"}\n')
    with pytest.raises(InputError, match="no sentence"):
        drafted(folder)


def test_kinds_of_the_command_are_those_of_the_drafting():
    from labeling.drafting.kinds import KINDS

    assert command.KINDS == KINDS
