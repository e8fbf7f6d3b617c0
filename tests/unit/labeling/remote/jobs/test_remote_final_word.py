import pytest

from labeling.remote.jobs.final_word import Counts, Found, Look, Verdict, Word, judge, read_look

N = 4
AT_WORK, WAITS, VOID, FINAL = Verdict
WHOLE = Found(n_named=2, n_done=2, n_answers=2, has_output=True)  # two answers, two requests without a line
LATE = Found(is_whole=False)


UNCOUNTED = Counts()


def look(status, output=None, error=None, counts=UNCOUNTED, has_errors=False):
    return Look(status, output, error, counts, has_errors)


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling", "paused", "unknown"])
def test_a_batch_that_has_not_ended_is_at_work_whatever_else_it_says(status):
    assert judge(look(status, "o", "e", Counts(N, N, 0)), N, WHOLE) == Word(AT_WORK)


@pytest.mark.parametrize("status", ["completed", "failed", "expired", "cancelled"])
@pytest.mark.parametrize("counts", [Counts(), Counts(N, 2, 2), Counts(N, 0, 0), Counts(0, 0, 0)], ids=str)
def test_a_line_for_every_request_is_final_even_without_counts(status, counts):
    assert judge(look(status, "o", "e", counts), N, Found(N, 2, 2, has_output=True)) == Word(FINAL)


@pytest.mark.parametrize("status", ["completed", "failed", "expired", "cancelled"])
@pytest.mark.parametrize("found", [Found(), LATE, WHOLE, Found(N, 2, 2, has_output=True)], ids=str)
def test_more_answers_counted_than_are_here_are_waited_for(status, found):
    assert judge(look(status, "o", "e", Counts(N, 3, 1)), N, found).verdict is WAITS


@pytest.mark.parametrize(
    ("counts", "has_errors", "word"),
    [
        (Counts(), True, Word(VOID, n_more=1)),
        (Counts(0, 0, 0), True, Word(VOID, n_more=1)),
        (Counts(0, 0, 0), False, Word(VOID, n_more=2)),
        (Counts(), False, Word(WAITS)),
    ],
)
def test_a_batch_that_failed_as_a_whole_is_void_if_it_says_so(counts, has_errors, word):
    assert judge(look("failed", counts=counts, has_errors=has_errors), N, Found()) == word


def test_an_answer_to_every_request_is_final_whatever_is_counted():
    assert judge(look("completed", "o", None, Counts(9, 9, 0)), N, Found(N, N, N, has_output=True)) == Word(FINAL)


@pytest.mark.parametrize("found", [WHOLE, Found(1, 1, 1)], ids=str)
def test_a_failed_batch_with_answers_is_not_void(found):
    assert judge(look("failed", "o", None, Counts(), has_errors=True), N, found).verdict is WAITS
    assert judge(look("failed", None, "e", Counts(), has_errors=True), N, Found(1, 1, 1)).verdict is WAITS


@pytest.mark.parametrize(
    ("counts", "found", "word"),
    [
        # all counted answers are here, whole: the others have none
        (Counts(N, 2, 0), WHOLE, Word(FINAL)),
        # the file is named and not here, or cut
        (Counts(N, 0, 0), LATE, Word(WAITS)),
        (Counts(N, 2, 0), WHOLE._replace(has_output=False, is_whole=False), Word(WAITS)),
        # the counts say nothing, or disagree
        (Counts(), WHOLE, Word(WAITS)),
        (Counts(None, 2, 2), WHOLE, Word(WAITS)),
        (Counts(N, 1, 0), WHOLE, Word(WAITS)),
        (Counts(N + 1, 2, 0), WHOLE, Word(WAITS)),
        # only reasons are missing
        (Counts(N, 2, 2), WHOLE, Word(WAITS, is_enough=True)),
    ],
)
def test_requests_without_a_line_have_no_answer_only_if_the_counts_agree_with_whole_files(counts, found, word):
    assert judge(look("completed", "o", None, counts), N, found) == word


@pytest.mark.parametrize("counts", [Counts(), Counts(N, 0, 0), Counts(0, 0, 0)], ids=str)
def test_completed_without_files_is_waited_for(counts):
    assert judge(look("completed", counts=counts), N, Found()) == Word(WAITS)


def test_completed_without_files_where_every_request_is_counted_as_failed_lacks_reasons_only():
    assert judge(look("completed", counts=Counts(N, 0, N)), N, Found()) == Word(WAITS, is_enough=True)


@pytest.mark.parametrize("status", ["expired", "cancelled"])
@pytest.mark.parametrize(
    ("counts", "word"),
    [
        (Counts(N, 0, 0), Word(FINAL, n_more=2)),
        (Counts(0, 0, 0), Word(FINAL, n_more=2)),
        (Counts(N, 0, 1), Word(WAITS, is_enough=True)),
        (Counts(), Word(WAITS)),
        (Counts(N, None, 0), Word(WAITS)),
        (Counts(1, 0, 0), Word(WAITS)),
    ],
)
def test_stopped_without_files_is_believed_only_after_more_looks(status, counts, word):
    assert judge(look(status, counts=counts), N, Found()) == word


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_stopped_half_way_the_other_half_has_no_answer(status):
    assert judge(look(status, "o", None, Counts(N, 2, 0)), N, WHOLE) == Word(FINAL)
    assert judge(look(status, None, "e", Counts(N, 0, 1)), N, Found(1)) == Word(FINAL, n_more=2)


@pytest.mark.parametrize("status", ["expired", "cancelled"])
@pytest.mark.parametrize(
    ("counts", "found"),
    [
        (Counts(N, 0, 0), LATE),
        (Counts(N, 2, 0), WHOLE._replace(has_output=False, is_whole=False)),
        (Counts(N, 0, 0), Found(1, is_whole=False)),
    ],
)
def test_stopped_with_an_output_that_is_not_here_whole_is_waited_for(status, counts, found):
    assert judge(look(status, "o", None, counts), N, found) == Word(WAITS)


# What a provider says, in any shape


def test_a_batch_is_read_as_it_is():
    counts = {"total": 4, "completed": 3, "failed": 1}
    batch = {"status": "completed", "output_file_id": "o", "error_file_id": "e", "request_counts": counts}
    assert read_look(batch) == look("completed", "o", "e", Counts(4, 3, 1))
    assert read_look({"errors": {"data": [{"message": "No."}]}}).has_errors
    assert read_look({"errors": [{"message": "No."}]}).has_errors


ODD = [None, 7, -1, 1.5, True, "", "abc", [], [1], {}, {"data": 5}, {"data": [None]}, 10**400]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_what_is_not_as_it_should_be_counts_as_not_given(odd):
    batch = dict.fromkeys(("output_file_id", "error_file_id", "request_counts", "errors"), odd)
    seen = read_look(batch | {"status": "completed"})
    name = odd if odd == "abc" else None
    assert seen == look("completed", name, name)
    number = odd if type(odd) is int and odd >= 0 else None
    counts = dict.fromkeys(("total", "completed", "failed"), odd)
    assert read_look({"request_counts": counts}).counts == Counts(number, number, number)


@pytest.mark.parametrize("status", [None, 7, [], "", "COMPLETED", "a word", "gsk_5ecret", "\x1b[31m", "x" * 31])
def test_a_status_that_is_no_word_is_unknown(status):
    assert read_look({"status": status}).status == "unknown"
