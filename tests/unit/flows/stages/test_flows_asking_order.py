"""Questions on one document are asked one after the other, so that the document is read once."""

from corpora.schema import Corpus, Document, LabelSet, Question, documents_frame, questions_frame
from flows.stages.asking import by_document, document_prompts
from labeling.prompting.labeler import LabelerConfig

ON = {"q1": ("a",), "q2": ("b",), "q3": ("a", "b"), "q4": ("b",), "q5": ("a",), "q6": ("a", "b")}
QUESTIONS = questions_frame([Question(name, f"Is it {name}?", on) for name, on in ON.items()])


def test_questions_on_the_same_documents_follow_the_first_of_them():
    assert by_document(QUESTIONS)["question_id"].to_list() == ["q1", "q5", "q2", "q4", "q3", "q6"]


def test_prompts_on_one_document_begin_alike_up_to_their_questions():
    corpus = Corpus("letters", documents_frame([Document("a", "A."), Document("b", "B.")]), QUESTIONS, LabelSet())
    starts = {}
    for group in document_prompts(corpus, LabelerConfig(diversity="permute")):
        (start,) = {prompt.message[: prompt.n_before] for prompt in group}
        starts[group[0].question_id] = start
        assert all(prompt.message.startswith(f"{start}Is it {prompt.question_id}?") for prompt in group)
    assert list(starts) == ["q1", "q5", "q2", "q4", "q3", "q6"]
    assert starts["q1"] == starts["q5"] == "Context:\nA.\n\nQuestion: "
    assert starts["q3"] == starts["q6"] == "Context:\nA.\n\nB.\n\nQuestion: "


def test_a_prompt_that_asks_before_it_shows_the_document_shares_nothing(tmp_path):
    path = tmp_path / "asks_first.txt"
    path.write_text("You answer.\n===\n{question} {options}\n{context}\n===\nAnswer:", encoding="utf-8")
    corpus = Corpus("letters", documents_frame([Document("a", "A."), Document("b", "B.")]), QUESTIONS, LabelSet())
    groups = list(document_prompts(corpus, LabelerConfig(prompts=(str(path),))))
    assert {prompt.n_before for group in groups for prompt in group} == {0}
