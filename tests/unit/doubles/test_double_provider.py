import json
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import groq
import httpx
import openai
import pytest

from tests.doubles.provider import (
    HTTP_FAULTS,
    LABELS,
    LINE_FAULTS,
    Fault,
    Faults,
    ProviderDouble,
    digest_of,
    read_input,
    simulated_label,
)

MODEL = "openai/gpt-oss-20b"
NOT_PROCESSED = {
    Fault.RATE_LIMIT: groq.RateLimitError,
    Fault.RATE_LIMIT_AFTER: groq.RateLimitError,
    Fault.SERVER_ERROR: groq.InternalServerError,
    Fault.CUT_BEFORE: groq.APIConnectionError,
}


def groq_of(double, **settings):
    return groq.Groq(**{"api_key": "k", "base_url": double.url, "max_retries": 0, "timeout": 5} | settings)


def openai_of(double, **settings):
    return openai.OpenAI(**{"api_key": "k", "base_url": double.url + "/v1", "max_retries": 0, "timeout": 5} | settings)


def chat_body(question="Is it so?", seed=1, **settings):
    return {"model": MODEL, "messages": [{"role": "user", "content": question}], "seed": seed} | settings


def rows_of(n, **settings):
    return [
        {
            "custom_id": f"q{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": chat_body(f"Is {number} so?", **settings),
        }
        for number in range(n)
    ]


def submit(client, rows, **metadata):
    content = "\n".join(json.dumps(row) for row in rows).encode()
    file = client.files.create(file=("votes.jsonl", content), purpose="batch")
    endpoint = "/v1/chat/completions"
    return client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", metadata=metadata or None
    )


def lines_of(client, file_id):
    if file_id is None:
        return []
    return [json.loads(line) for line in client.files.content(file_id).read().splitlines()]


def outcome(client, rows):
    """The batch at its end, the lines of its output and those of its error file."""
    batch = client.batches.retrieve(submit(client, rows).id)
    return batch, lines_of(client, batch.output_file_id), lines_of(client, batch.error_file_id)


@pytest.fixture
def double():
    with ProviderDouble() as served:
        yield served


@pytest.fixture
def client(double):
    with groq_of(double) as made:
        yield made


class Clock:
    """Stands still until a test moves it."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


# ---- What works


@pytest.mark.parametrize(("flavor", "client_of"), [("groq", groq_of), ("openai", openai_of)])
def test_a_batch_makes_the_round_trip(flavor, client_of):
    rows = rows_of(6)
    with ProviderDouble(flavor=flavor) as double, client_of(double) as client:
        created = submit(client, rows, tercet_part="a/1")
        assert created.status == "validating"
        batch = client.batches.retrieve(created.id)
        lines = lines_of(client, batch.output_file_id)
        assert (batch.status, batch.error_file_id, batch.errors) == ("completed", None, None)
        assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (6, 6, 0)
        answers = {line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"] for line in lines}
        assert answers == {row["custom_id"]: simulated_label(row["body"]) for row in rows}
        assert [line["custom_id"] for line in lines] != sorted(answers)
        assert lines[0]["response"]["body"]["model"] == "openai/gpt-oss-20b-2026-10-01"
        assert double.billed == Counter(answers.keys())
        assert double.tokens_billed == [6 * (len("Is 0 so?") // 4), 12]
        assert double.tags == {"a/1": 1}
        assert [listed.id for listed in client.batches.list().data] == [batch.id]
        assert client.batches.list().data[0].metadata == {"tercet_part": "a/1"}
        client.files.delete(batch.output_file_id)
        assert {file.id for file in client.files.list().data} == {created.input_file_id} == set(double.uploaded)
        assert double.requests["GET", "/files/{id}/content"] == 1


def test_an_upload_comes_back_byte_for_byte(client, double):
    content = b'{"a": "\xc3\xa9\\u2028"}\r\n\r\n--not-a-boundary\n\x00\xff\n\n'
    file = client.files.create(file=("odd name.jsonl", content), purpose="batch")
    assert client.files.content(file.id).read() == content
    assert double.uploaded == {file.id: ("odd name.jsonl", content)}
    with pytest.raises(groq.BadRequestError, match="purpose"):
        client.files.create(file=("x.jsonl", content), purpose="fine-tune")


def test_statuses_follow_the_clock_and_the_result_is_made_once(clock):
    with ProviderDouble(latency=100, clock=clock) as double, groq_of(double) as client:
        created = submit(client, rows_of(5))
        seen = []
        for clock.now in (9, 45, 90, 101, 200):
            batch = client.batches.retrieve(created.id)
            seen.append((batch.status, batch.request_counts.completed, double.billed.total()))
        assert seen == [
            ("validating", 0, 0),
            ("in_progress", 2, 0),
            ("finalizing", 5, 0),
            ("completed", 5, 5),
            ("completed", 5, 5),
        ]
        assert double.batches[created.id]["output_file_id"] == batch.output_file_id


def test_many_looks_at_once_make_one_result(client, double):
    batch_id = submit(client, rows_of(200)).id
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: client.batches.retrieve(batch_id), range(8)))
    assert len({(batch.status, batch.output_file_id) for batch in seen}) == 1
    assert set(double.billed.values()) == {1}


def test_a_batch_nobody_looks_at_is_processed_by_settle(client, double):
    submit(client, rows_of(3))
    assert double.billed.total() == 0
    double.settle()
    assert double.billed.total() == 3


def test_a_canceled_batch_keeps_what_was_done(clock):
    with ProviderDouble(latency=100, clock=clock) as double, groq_of(double) as client:
        batch_id = submit(client, rows_of(20)).id
        clock.now = 45  # in the middle of the time that is for processing
        assert client.batches.cancel(batch_id).status == "cancelling"
        batch = client.batches.retrieve(batch_id)
        assert (batch.status, batch.error_file_id) == ("cancelled", None)
        assert len(lines_of(client, batch.output_file_id)) == 10
        assert double.billed.total() == batch.request_counts.completed == 10
        assert double.canceled == [batch_id]
        with pytest.raises(groq.BadRequestError, match="cancelled"):
            client.batches.cancel(batch_id)


def test_pages_of_the_listing_and_batches_that_show_late(clock):
    with ProviderDouble(flavor="openai", page=2, list_lag=5, clock=clock) as double, openai_of(double) as client:
        made = [submit(client, rows_of(1)).id for _ in range(5)]
        assert list(client.batches.list()) == []
        clock.now = 5
        assert [batch.id for batch in client.batches.list(limit=100)] == made[::-1]
        assert double.requests["GET", "/batches"] == 4


@pytest.mark.parametrize(
    ("change", "code", "line"),
    [
        (lambda rows: rows[2].update(custom_id="q0"), "duplicate_custom_id", 3),
        (lambda rows: rows[1].update(url="/v1/embeddings"), "invalid_url", 2),
        (lambda rows: rows[1].update(method="GET"), "invalid_method", 2),
        (lambda rows: rows[2]["body"].update(model="gpt-5-mini"), "mismatched_model", 3),
        (lambda rows: rows[0].pop("custom_id"), "missing_required_parameter", 1),
    ],
)
def test_a_bad_input_file_fails_the_batch(client, double, change, code, line):
    rows = rows_of(3)
    change(rows)
    batch, output, errors = outcome(client, rows)
    assert (batch.status, output, errors, double.billed.total()) == ("failed", [], [], 0)
    assert [(error.code, error.line) for error in batch.errors.data] == [(code, line)]


def test_what_is_no_json_and_what_is_too_much_fails_too():
    assert read_input(b"{}\n{")[1][1]["code"] == "invalid_json_line"
    assert read_input(b"")[1][0]["code"] == "empty_file"
    assert read_input(b"{}\n" * 50_001)[1][0]["code"] == "too_many_tasks"


def test_a_batch_needs_its_file_its_endpoint_and_its_window():
    with ProviderDouble(flavor="openai") as double, openai_of(double) as client:
        asked = {"input_file_id": "file-9", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        with pytest.raises(openai.NotFoundError, match="file-9"):
            client.batches.create(**asked)
        asked["input_file_id"] = client.files.create(file=("a.jsonl", b"{}"), purpose="batch").id
        for wrong in ({"endpoint": "/v1/embeddings"}, {"completion_window": "7d"}, {"metadata": {"a": "x" * 513}}):
            with pytest.raises(openai.BadRequestError):
                client.batches.create(**asked | wrong)


def test_errors_may_come_as_a_bare_list():
    with ProviderDouble(errors_as_list=True) as double, groq_of(double) as client:
        double.force_batch(Fault.BATCH_FAILED)
        batch, *_ = outcome(client, rows_of(1))
        assert isinstance(batch.errors, list)


def test_chats_are_answered_alike_and_billed_by_their_body(client, double):
    body = chat_body()
    answers = [client.chat.completions.create(**body) for _ in range(2)]
    assert {answer.choices[0].message.content for answer in answers} == {simulated_label(body)}
    assert answers[0].choices[0].logprobs is None
    assert double.billed_chat == {digest_of(body): 2}


def test_an_idempotency_key_is_billed_once(client, double):
    body = chat_body()
    answers = [client.chat.completions.create(**body, extra_headers={"Idempotency-Key": "i"}) for _ in range(3)]
    assert len({answer.id for answer in answers}) == 1
    assert double.billed_chat == {digest_of(body): 1}


def test_logprobs_come_where_they_are_served(client):
    with pytest.raises(groq.BadRequestError, match="logprobs"):
        client.chat.completions.create(**chat_body(logprobs=True, top_logprobs=3))
    with ProviderDouble(logprobs=True) as double, openai_of(double) as other:
        answer = other.chat.completions.create(**chat_body(logprobs=True, top_logprobs=3))
        (token,) = answer.choices[0].logprobs.content
        assert token.token == answer.choices[0].message.content
        assert {top.token for top in token.top_logprobs} == set(LABELS)


def test_the_simulated_labeler_mostly_agrees_with_itself():
    questions = [[simulated_label(chat_body(f"Is {n} so?", seed)) for seed in (1, 2, 3)] for n in range(400)]
    # all three alike: 0.8^3 + 2 * 0.1^3 = 0.514, give or take 4 standard errors
    assert abs(sum(len(set(votes)) == 1 for votes in questions) / 400 - 0.514) < 0.1
    assert set(Counter(vote for votes in questions for vote in votes)) == set(LABELS)


def test_the_simulated_labeler_leans_alike_whatever_the_order_of_options():
    def votes(options):
        return [simulated_label(chat_body(f"Question: Is {n} so?\nOne of {options}.")) for n in range(400)]

    pairs = list(zip(votes("yes or no"), votes("no or yes"), strict=True))
    # both alike: 0.8^2 + 2 * 0.1^2 = 0.66; a lean that depended on the order would give a third
    assert abs(sum(one == other for one, other in pairs) / 400 - 0.66) < 0.1


# ---- What providers refuse


def test_a_plan_without_batches():
    with ProviderDouble(plan_gate=True) as double, groq_of(double) as client:
        for call in (lambda: submit(client, rows_of(1)), client.batches.list):
            with pytest.raises(groq.PermissionDeniedError) as refused:
                call()
            assert refused.value.body["error"]["code"] == "not_available_for_plan"
        assert client.chat.completions.create(**chat_body()).choices[0].message.content in LABELS


def test_a_wrong_key_is_echoed():
    with ProviderDouble(key="right") as double:
        with groq_of(double, api_key="sk-wrong") as client, pytest.raises(groq.AuthenticationError, match="sk-wrong"):
            client.models.list()
        with openai_of(double, api_key="right") as client:
            client.models.list()
        assert double.seen_keys == {"sk-wrong", "right"}


def test_a_retired_model_names_its_replacement():
    message = "The model `old/a` has been decommissioned; use `openai/gpt-oss-20b`."
    with ProviderDouble(retired={"old/a": message}) as double, groq_of(double) as client:
        for call in (
            lambda: client.models.retrieve("old/a"),
            lambda: client.chat.completions.create(**chat_body(model="old/a")),
        ):
            with pytest.raises(groq.APIStatusError, match=r"decommissioned; use") as refused:
                call()
            assert refused.value.body["error"]["code"] == "model_decommissioned"
        assert client.models.retrieve(MODEL).id == MODEL
        batch, output, errors = outcome(client, rows_of(2, model="old/a"))
        assert (batch.status, output, double.billed.total()) == ("completed", [], 0)
        assert {line["response"]["body"]["error"]["message"] for line in errors} == {message}


def test_fixed_sampling_refuses_what_it_cannot_set():
    with ProviderDouble(fixed_sampling=True) as double, openai_of(double) as client:
        for settings, code in (
            ({"temperature": 0.5}, "unsupported_value"),
            ({"max_tokens": 3}, "unsupported_parameter"),
        ):
            with pytest.raises(openai.BadRequestError) as refused:
                client.chat.completions.create(**chat_body(**settings))
            assert refused.value.code == code
        client.chat.completions.create(**chat_body(temperature=1, max_completion_tokens=3))


def test_too_much_enqueued_fails_the_batch(clock):
    with ProviderDouble(max_enqueued=5, latency=100, clock=clock) as double, groq_of(double) as client:
        kept, refused = submit(client, rows_of(4)), submit(client, rows_of(2))
        clock.now = 10
        assert client.batches.retrieve(refused.id).errors.data[0].code == "token_limit_exceeded"
        clock.now = 100
        assert client.batches.retrieve(kept.id).status == "completed"
        assert client.batches.retrieve(submit(client, rows_of(5)).id).status == "validating"


def test_rate_headers_come_with_chats():
    left = iter(range(9, 0, -1))
    headers = lambda: {"x-ratelimit-remaining-requests": str(next(left))}  # noqa: E731
    with ProviderDouble(rate_headers=headers) as double, groq_of(double) as client:
        client.models.list()
        seen = [client.chat.completions.with_raw_response.create(**chat_body()).headers for _ in range(2)]
        assert [answer["x-ratelimit-remaining-requests"] for answer in seen] == ["9", "8"]


# ---- Faults


@pytest.mark.parametrize("fault", NOT_PROCESSED)
def test_some_faults_process_nothing(client, double, fault):
    double.force("POST", "/chat/completions", fault)
    with pytest.raises(NOT_PROCESSED[fault]) as failed:
        client.chat.completions.create(**chat_body())
    if isinstance(failed.value, groq.RateLimitError):
        expected = "0.05" if fault is Fault.RATE_LIMIT_AFTER else None
        assert failed.value.response.headers.get("retry-after") == expected
    assert double.billed_chat.total() == 0
    client.chat.completions.create(**chat_body())
    assert double.billed_chat.total() == 1
    assert double.given == {fault: 1}


@pytest.mark.parametrize(("sdk", "client_of"), [(groq, groq_of), (openai, openai_of)])
def test_a_cut_body_was_processed(double, sdk, client_of):
    with client_of(double) as client:
        double.force("POST", "/chat/completions", Fault.CUT_BODY)
        with pytest.raises(sdk.APIConnectionError) as failed:
            client.chat.completions.create(**chat_body())
        assert "incomplete" in str(failed.value.__cause__) or "complete message body" in str(failed.value.__cause__)
        assert double.billed_chat.total() == 1


def test_a_cut_batch_creation_leaves_a_batch_that_the_listing_shows(client, double):
    double.force("POST", "/batches", Fault.CUT_BODY)
    with pytest.raises(groq.APIConnectionError):
        submit(client, rows_of(2), tercet_part="a")
    assert [batch.metadata for batch in client.batches.list().data] == [{"tercet_part": "a"}]


def test_a_slow_body_arrives_whole(double):
    with ProviderDouble(slow_seconds=0.2) as double, groq_of(double) as client:
        double.force("GET", "/models", Fault.SLOW_BODY)
        start = time.monotonic()
        assert client.models.list().data
        assert time.monotonic() - start > 0.15


def test_the_sdk_tries_again_after_faults(double):
    double.force("GET", "/models", Fault.RATE_LIMIT_AFTER, times=2)
    with groq_of(double, max_retries=2) as client:
        assert client.models.list().data
    assert double.requests["GET", "/models"] == 3


def content_of(line):
    return line["response"]["body"]["choices"][0]["message"]["content"]


@pytest.mark.parametrize("fault", LINE_FAULTS)
def test_each_line_fault(client, double, fault):
    double.force_line(fault)
    _, output, errors = outcome(client, rows_of(4))
    times = Counter(line["custom_id"] for line in output)
    unknown = [custom_id for custom_id in times if custom_id not in {"q0", "q1", "q2", "q3"}]
    n_hit = {Fault.DUPLICATE_LINE: 2, Fault.MISSING_LINE: 0, Fault.ERROR_LINE: 0}.get(fault, 1)
    assert [times[f"q{number}"] for number in range(4)] == [n_hit, 1, 1, 1]
    assert len(unknown) == (fault is Fault.UNKNOWN_LINE)
    assert [line["custom_id"] for line in errors] == ["q0"] * (fault is Fault.ERROR_LINE)
    assert double.billed["q0"] == (n_hit > 0)
    contents = {content_of(line) for line in output if line["custom_id"] == "q0"}
    if fault in (Fault.OFF_LABEL, Fault.EMPTY):
        assert contents == {"" if fault is Fault.EMPTY else "It depends on many things."}


def test_error_lines_come_in_both_shapes(client, double):
    double.force_line(Fault.ERROR_LINE, times=20)
    _, output, errors = outcome(client, rows_of(20))
    assert output == []
    assert {line["response"]["status_code"] if line["response"] else line["error"]["code"] for line in errors} == {
        500,
        "server_error",
    }


def test_half_a_line_is_whole_the_next_time(client, double):
    batch = client.batches.retrieve(submit(client, rows_of(3)).id)
    double.force("GET", "/files/.*/content", Fault.HALF_LINE)
    half, whole = (client.files.content(batch.output_file_id).read() for _ in range(2))
    assert whole.startswith(half)
    assert whole.splitlines()[:2] == half.splitlines()[:2]
    assert 0 < len(half.splitlines()[2]) < len(whole.splitlines()[2])
    double.faults = Faults(rate=1, kinds=frozenset({Fault.HALF_LINE}))
    drawn = [client.files.content(batch.output_file_id).read() == whole for _ in range(4)]
    assert drawn == [False, True, False, True]


def test_batches_that_end_badly(client, double):
    double.force_batch(Fault.BATCH_FAILED)
    batch, output, errors = outcome(client, rows_of(10))
    assert (batch.status, output, errors, double.billed.total()) == ("failed", [], [], 0)
    assert batch.errors.data[0].message

    double.force_batch(Fault.BATCH_NO_OUTPUT)
    batch, output, errors = outcome(client, rows_of(10))
    assert (batch.status, batch.output_file_id, len(errors), double.billed.total()) == ("completed", None, 10, 0)

    double.force_batch(Fault.BATCH_EXPIRED)
    batch, output, errors = outcome(client, rows_of(10))
    assert (batch.status, len(output), len(errors), double.billed.total()) == ("expired", 5, 5, 5)
    assert {line["error"]["code"] for line in errors} == {"batch_expired"}
    assert not {line["custom_id"] for line in output} & {line["custom_id"] for line in errors}


def test_a_fault_is_forced_only_where_it_can_happen(double):
    with pytest.raises(ValueError, match="cannot force"):
        double.force("GET", "/models", Fault.EMPTY)
    with pytest.raises(ValueError, match="cannot force"):
        double.force_line(Fault.BATCH_FAILED)


def storm(seed, n_threads):
    """Which of 40 chats were hit by what, and which lines of a batch."""
    double = ProviderDouble(faults=Faults(0.1, frozenset({*HTTP_FAULTS, *LINE_FAULTS}), seed), slow_seconds=0)
    with double, httpx.Client(base_url=double.url + "/v1") as client:

        def post(number):
            try:
                return client.post("/chat/completions", json=chat_body(f"Is {number} so?")).status_code
            except httpx.TransportError as failed:
                return type(failed).__name__

        with ThreadPoolExecutor(n_threads) as pool:
            statuses = list(pool.map(post, range(40)))
        double.faults = Faults(0.1, frozenset(LINE_FAULTS), seed)
        with groq_of(double) as sdk:
            _, output, errors = outcome(sdk, rows_of(100))
    return statuses, Counter(line["custom_id"] for line in output), {line["custom_id"] for line in errors}


def test_drawn_faults_depend_on_the_seed_and_not_on_threads():
    one = storm(0, n_threads=1)
    assert storm(0, n_threads=8) == one
    assert storm(1, n_threads=8) != one
    assert set(one[0]) > {200, 429, 500}


def test_a_line_sent_again_is_drawn_anew():
    with ProviderDouble(faults=Faults(0.5, frozenset({Fault.MISSING_LINE}))) as double, groq_of(double) as client:
        first, second = ({line["custom_id"] for line in outcome(client, rows_of(40))[1]} for _ in range(2))
        assert first != second
        assert 5 < len(first) < 35
        assert double.billed == Counter([*first, *second])


# ---- The hook, the speed, the end


@pytest.mark.parametrize(("when", "n_billed"), [("before", 0), ("after", 1)])
def test_the_hook_can_kill_the_client_at_an_exact_point(when, n_billed):
    started, killed = threading.Event(), threading.Event()
    children = []

    def kill(at, method, path):
        if (at, method, path) == (when, "POST", "/chat/completions"):
            started.wait(10)
            children[0].kill()
            children[0].wait()
            killed.set()
        return not killed.is_set()

    with ProviderDouble(on_request=kill) as double:
        code = "import sys, urllib.request as u; u.urlopen(sys.argv[1], data=sys.argv[2].encode()); print('answered')"
        command = [sys.executable, "-S", "-c", code, double.url + "/v1/chat/completions", json.dumps(chat_body())]
        children.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        started.set()
        assert killed.wait(10)
        assert children[0].stdout.read() == b""
        assert double.billed_chat.total() == n_billed


def test_a_mistake_in_a_hook_is_not_taken_for_a_cut_connection():
    def mistaken(*_):
        raise KeyError("mistake")

    with (
        pytest.raises(KeyError, match="mistake"),
        ProviderDouble(on_request=mistaken) as double,
        pytest.raises(httpx.TransportError),
    ):
        httpx.get(double.url + "/v1/models")


def test_a_thousand_lines_are_made_quickly(client):
    taken = []
    for _ in range(5):  # each makes its lines anew; the least is that of a machine without other work
        batch = submit(client, rows_of(1000))
        start = time.process_time()
        client.batches.retrieve(batch.id)
        taken.append(time.process_time() - start)
    assert min(taken) < 0.3


def test_after_the_end_nothing_answers():
    with ProviderDouble() as double, httpx.Client() as client:
        assert client.get(double.url + "/v1/models").status_code == 200
        double.close()
        with pytest.raises(httpx.TransportError):
            client.get(double.url + "/v1/models")
