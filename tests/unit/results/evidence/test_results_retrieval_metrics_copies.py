"""Passages that stand in several places: what a copy counts for."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from results.evidence.retrieval_metrics import SPAN_SCORES, SpanScorer
from results.evidence.span_metrics import MIN_COPY_TOKENS

PASSAGE = "alpha beta gamma delta epsilon zeta eta theta"  # 8 tokens
BEFORE, BEHIND = "one two ", " three four"
TEXTS = {
    "gold": BEFORE + PASSAGE + BEHIND,
    "copy": f"five {PASSAGE}. six seven",
    "none": "eight nine ten",
}
GOLD = Span("gold", 8, 8 + len(PASSAGE))
COPY = ("copy", 5, 5 + len(PASSAGE))


def scores(tokenizer, shown, evidence=(GOLD,), texts=TEXTS, **options):
    documents = documents_frame(Document(name, text) for name, text in texts.items())
    question = Question("q", "?", ("gold",), "yes", tuple(evidence))
    scorer = SpanScorer(Corpus("c", documents, questions_frame([question]), LabelSet()), tokenizer, **options)
    schema = {"question_id": pl.String, "document_id": pl.String, "start": pl.Int64, "end": pl.Int64}
    hits = pl.DataFrame([("q", *one) for one in shown], schema=schema, orient="row")
    return scorer.scores(hits).drop("question_id").row(0, named=True)


def expected(found, n_evidence, wrong):
    return pytest.approx(
        {
            "span_recall": found / n_evidence,
            "span_precision": found / (found + wrong),
            "span_f1": 2 * found / (n_evidence + found + wrong),
            "span_iou": found / (n_evidence + wrong),
        }
    )


NOTHING = {name: 0.0 for name in SPAN_SCORES}


def test_a_copy_counts_as_the_original_does(tiny):
    assert scores(tiny, [COPY]) == scores(tiny, [tuple(GOLD)]) == {name: 1.0 for name in SPAN_SCORES}


def test_what_stands_around_a_copy_is_wrong(tiny):
    # five, the passage, the full stop, six: three tokens too many.
    assert scores(tiny, [("copy", 0, len("five . six") + len(PASSAGE))]) == expected(8, 8, 3)


def test_a_copy_and_the_original_count_once(tiny):
    assert scores(tiny, [COPY, tuple(GOLD)]) == {name: 1.0 for name in SPAN_SCORES}
    # one two, and six seven: four tokens too many.
    whole = [(name, 0, len(TEXTS[name])) for name in ("gold", "copy")]
    assert scores(tiny, whole) == expected(8, 8, len(["one", "two", "three", "four", "five", ".", "six", "seven"]))


def test_a_part_of_a_copy_finds_that_part_of_the_evidence(tiny):
    start = 5 + PASSAGE.index("delta")
    first_two = ("gold", 8, 8 + len("alpha beta"))
    assert scores(tiny, [("copy", start, start + len("delta epsilon"))]) == expected(2, 8, 0)
    assert scores(tiny, [("copy", start, start + len("delta epsilon")), first_two]) == expected(4, 8, 0)
    # The same part of both: found once.
    there = (8 + PASSAGE.index("delta"), 8 + PASSAGE.index("delta") + len("delta epsilon"))
    assert scores(tiny, [("copy", start, start + len("delta epsilon")), ("gold", *there)]) == expected(2, 8, 0)


def test_a_copy_in_the_same_document_counts(tiny):
    text = f"{PASSAGE}, again: {PASSAGE}."
    second = text.rindex("alpha")
    got = scores(tiny, [("gold", second, len(text))], [Span("gold", 0, len(PASSAGE))], {"gold": text})
    assert got == expected(8, 8, 1)


def test_without_credit_only_the_place_of_the_evidence_counts(tiny):
    assert scores(tiny, [COPY], credit_copies=False) == NOTHING
    both = [COPY, tuple(GOLD)]
    assert scores(tiny, both, credit_copies=False) == expected(8, 8, 8)
    same = {"gold": TEXTS["gold"], "copy": TEXTS["gold"]}
    assert scores(tiny, [("copy", *GOLD[1:])], texts=same, credit_copies=False) == NOTHING


def test_text_that_differs_in_one_character_is_no_copy(tiny):
    changed = TEXTS | {"copy": TEXTS["copy"].replace("gamma", "Gamma")}
    assert scores(tiny, [COPY], texts=changed) == NOTHING


def words(n):
    return " ".join(PASSAGE.split()[:n])


def test_text_shorter_than_the_least_is_no_copy(tiny):
    for n, found in ((MIN_COPY_TOKENS - 1, False), (MIN_COPY_TOKENS, True)):
        evidence = [Span("gold", 8, 8 + len(words(n)))]
        got = scores(tiny, [("copy", 5, 5 + len(words(n)))], evidence)
        assert got == {name: float(found) for name in SPAN_SCORES}


def test_documents_of_identical_text_are_one_however_short_the_evidence(tiny):
    texts = {"gold": "aye, no, nay", "copy": "aye, no, nay", "other": "no, nay"}
    evidence = [Span("gold", 5, 7)]
    assert scores(tiny, [("copy", 5, 7)], evidence, texts) == {name: 1.0 for name in SPAN_SCORES}
    assert scores(tiny, [("other", 0, 2)], evidence, texts) == NOTHING
    # The comma beside it is read twice and counts once.
    assert scores(tiny, [("copy", 5, 8), ("gold", 5, 8)], evidence, texts) == expected(1, 1, 1)
    # Evidence in the second of them is evidence in the first.
    assert scores(tiny, [("gold", 5, 7)], [Span("copy", 5, 7)], texts) == {name: 1.0 for name in SPAN_SCORES}


def test_evidence_that_names_a_passage_twice_holds_it_once(tiny):
    evidence = [GOLD, Span(*COPY)]
    for shown in ([COPY], [tuple(GOLD)], [COPY, tuple(GOLD)]):
        assert scores(tiny, shown, evidence) == {name: 1.0 for name in SPAN_SCORES}


def test_evidence_that_is_part_of_other_evidence_is_a_copy_of_that_part(tiny):
    start = 5 + PASSAGE.index("beta")
    part = Span("copy", start, start + len("beta gamma delta epsilon zeta eta"))  # six of the eight tokens
    assert scores(tiny, [tuple(part)], [part, GOLD]) == expected(6, 8, 0)
    assert scores(tiny, [tuple(GOLD)], [part, GOLD]) == expected(8, 8, 0)


def test_copies_that_overlap_each_other_find_as_much_as_each_shows(tiny):
    # Evidence of six equal tokens among eight: it also stands one and two tokens further on.
    text = "so so so so so so so so"
    evidence = [Span("gold", 0, len("so so so so so so"))]
    # Of the last two tokens the first stands for the sixth, and at the other place for the fifth; the second for the
    # sixth: two tokens of evidence in all.
    assert scores(tiny, [("gold", len(text) - 5, len(text))], evidence, {"gold": text}) == expected(2, 6, 0)


def test_edges_that_the_tokenizer_divides_otherwise_are_matched_by_character(tiny):
    # Here the copy's last token is "thetas" and its first "xalpha": each stands for the token of its characters.
    texts = TEXTS | {"copy": f"x{PASSAGE}s and more"}
    assert scores(tiny, [("copy", 0, len(PASSAGE) + 2)], texts=texts) == expected(8, 8, 0)
    # Characters outside the passage stand for nothing, not even for evidence that happens to stand beside it.
    texts = TEXTS | {"copy": f"xxx{PASSAGE}zzz and more"}
    beside = [Span("gold", 4, 7), GOLD, Span("gold", GOLD.end + 1, GOLD.end + 6)]
    assert scores(tiny, [("copy", 0, len(PASSAGE) + 6)], beside, texts) == expected(8, 10, 0)
    # The original's edges cut tokens, of which the evidence has the whole: "beta" and "eta" stand for them.
    cut = Span("gold", 8 + 2, 8 + len(PASSAGE) - 2)
    texts = TEXTS | {"copy": PASSAGE[2:-2]}
    assert scores(tiny, [("copy", 0, len(PASSAGE) - 4)], [cut], texts) == expected(8, 8, 0)


def test_copies_found_for_an_earlier_cut_do_not_leak_into_a_later_one(tiny):
    documents = documents_frame(Document(name, text) for name, text in TEXTS.items())
    questions = [Question(one, "?", ("gold",), "yes", (GOLD,)) for one in ("a", "b")]
    scorer = SpanScorer(Corpus("c", documents, questions_frame(questions), LabelSet()), tiny)
    schema = {"question_id": pl.String, "document_id": pl.String, "start": pl.Int64, "end": pl.Int64}

    def recall(*hits):
        return scorer.scores(pl.DataFrame(list(hits), schema=schema, orient="row"))["span_recall"].to_list()

    assert recall(("a", *COPY)) == [1.0, 0.0]
    assert recall(("b", *COPY), ("a", "none", 0, 5)) == [0.0, 1.0]
    assert recall(("a", *COPY), ("b", *COPY)) == [1.0, 1.0]
    assert recall() == [0.0, 0.0]


# By the definition, one token and one character at a time.


def overlapping(tokens, start, end):
    return [number for number, (a, b) in enumerate(tokens) if a < end and start < b]


def counted(tokenizer, texts, span, shown):
    tokens = {d: list(zip(*tokenizer.spans(text)[:2], strict=True)) for d, text in texts.items()}
    passage = texts[span.document_id][span.start : span.end]
    wanted = {(span.document_id, n) for n in overlapping(tokens[span.document_id], span.start, span.end)}
    found, wrong = set(), set()
    for document_id, number in {(d, n) for d, start, end in shown for n in overlapping(tokens[d], start, end)}:
        first, behind = tokens[document_id][number]
        stands_for = {(document_id, number)} & wanted
        for at in range(len(texts[document_id])):
            if texts[document_id].startswith(passage, at) and len(wanted) >= MIN_COPY_TOKENS:
                for character in range(max(first, at), min(behind, at + len(passage))):
                    home = span.start + character - at
                    stands_for |= {(span.document_id, n) for n in overlapping(tokens[span.document_id], home, home + 1)}
        found |= stands_for
        wrong |= set() if stands_for else {(document_id, number)}
    ratios = (len(found), len(wanted)), (len(found), len(found | wrong)), (len(found), len(wanted | wrong))
    recall, precision, iou = (part / whole if whole else 0.0 for part, whole in ratios)
    return recall, precision, 2 * precision * recall / (precision + recall) if found else 0.0, iou


repeating = st.lists(st.sampled_from(["a", "a", "b", "aa"]), min_size=8, max_size=16).map(" ".join)
places = st.tuples(st.sampled_from(["gold", "copy"]), st.integers(0, 12), st.integers(1, 12))


@settings(max_examples=150, deadline=None)
@given(
    texts=st.fixed_dictionaries({"gold": repeating, "copy": repeating}).filter(
        lambda both: both["gold"] != both["copy"]
    ),
    start=st.integers(0, 4),
    length=st.integers(8, 16),
    shown=st.lists(places, max_size=3),
)
def test_scores_with_copies_equal_counting_one_by_one(tiny, texts, start, length, shown):
    span = Span("gold", start, min(start + length, len(texts["gold"])))
    shown = [(d, at, min(at + n, len(texts[d]))) for d, at, n in shown]
    got = scores(tiny, shown, [span], texts)
    assert tuple(got[name] for name in SPAN_SCORES) == pytest.approx(counted(tiny, texts, span, shown))
