import json
import socket
import sys
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import InputError
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.client import Provider, ProviderError
from labeling.remote.requests import ENDPOINT
from labeling.remote.wire.provider_error import YEAR, parse_seconds
from tests.doubles.provider import Fault, ProviderDouble, Refusal, Reply

KEY = "key-of-nobody-4711"
KINDS = ("groq", "openai", "server")
MODEL = "openai/gpt-oss-20b"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Question: is it so?"}], "seed": 3}
VARIABLES = (
    *("GROQ_API_KEY", "GROQ_BASE_URL", "GROQ_CUSTOM_HEADERS"),
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_CUSTOM_HEADERS", "OPENAI_ADMIN_KEY"),
    *("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"),
)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """No keys and addresses but those of the test."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("GROQ_API_KEY", "OPENAI_API_KEY", "MY_KEY"):
        monkeypatch.setenv(name, KEY)
    return monkeypatch


@pytest.fixture
def double():
    with ProviderDouble() as served:
        yield served


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=["groq", "openai"])
def sdk(request):
    return request.param


def open_at(double, kind="groq", **settings):
    """The provider at the double; Groq's SDK adds the path itself."""
    url = double.url if kind == "groq" else f"{double.url}/v1"
    return Provider(RemoteConfig(**{"provider": kind, "base_url": url, "key_variable": "MY_KEY"} | settings))


def refused(status, message="No.", code=None, *, kind="invalid_request_error", headers=None):
    """A double that answers every chat with this error."""

    def answer(_):
        raise Refusal(status, message, code, kind=kind, headers=headers)

    return ProviderDouble(answer=answer)


class Saying(ProviderDouble):
    """Says the same to every call, and keeps the headers of the last one."""

    said = Reply(200, b"{}")

    def serve(self, call):
        self.heard = call.headers
        return self.said


def saying(status, body):
    double = Saying()
    double.said = Reply(status, body if isinstance(body, bytes) else json.dumps(body).encode(), {"Content-Type": "x"})
    return double


def error_of(call):
    with pytest.raises(ProviderError) as caught:
        call()
    return caught.value


def chat_error(double, kind="groq", **settings):
    with double:
        return error_of(lambda: open_at(double, kind, **settings).chat(BODY, "vote-1"))


# Chats


def test_a_chat_is_sent_as_it_is_and_answered_as_json(kind):
    sent = []
    body = BODY | {"top_k": 5, "min_p": 0.1, "temperature": 0.5, "logprobs": True, "top_logprobs": 20, "max_tokens": 16}
    with ProviderDouble(answer=lambda asked: sent.append(asked) or "maybe", logprobs=True) as double:
        reply = open_at(double, kind).chat(body, "vote-1")
    assert sent == [body]
    choice = reply.body["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "maybe"}
    assert choice["logprobs"]["content"][0]["token"] == "maybe"
    assert reply.body["usage"] == {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}


def test_headers_come_in_lower_case(kind):
    with ProviderDouble(rate_headers={"X-RateLimit-Remaining-Requests": "41"}) as double:
        assert open_at(double, kind).chat(BODY, "vote-1").headers["x-ratelimit-remaining-requests"] == "41"


def test_a_request_that_is_made_again_says_so(kind, double):
    provider = open_at(double, kind)
    one, again = provider.chat(BODY, "vote-1"), provider.chat(BODY, "vote-1")
    other = provider.chat(BODY, "vote-2")
    assert one.body["id"] == again.body["id"] != other.body["id"]
    assert sum(double.billed_chat.values()) == 2


def test_nothing_is_made_again_behind_our_back(kind, double):
    double.force("POST", "/chat/completions", Fault.SERVER_ERROR)
    assert error_of(lambda: open_at(double, kind).chat(BODY, "vote-1")).status == 500
    assert double.requests["POST", "/chat/completions"] == 1


# Errors

PERMANENT, TRANSIENT = False, True


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (400, "context_length_exceeded", PERMANENT),
        (401, "invalid_api_key", PERMANENT),
        (402, "insufficient_quota", PERMANENT),
        (403, "permission_denied", PERMANENT),
        (404, "not_found", PERMANENT),
        (408, "timeout", TRANSIENT),
        (409, "conflict", TRANSIENT),
        (413, "request_too_large", PERMANENT),
        (418, "teapot", PERMANENT),
        (422, "unprocessable", PERMANENT),
        (424, "failed_dependency", PERMANENT),
        (425, "too_early", TRANSIENT),
        (429, "rate_limit_exceeded", TRANSIENT),
        (500, "internal_error", TRANSIENT),
        (501, "not_implemented", PERMANENT),
        (502, "bad_gateway", TRANSIENT),
        (503, "over_capacity", TRANSIENT),
        (504, "gateway_timeout", TRANSIENT),
        (520, "unknown", TRANSIENT),
        (524, "timeout", TRANSIENT),
        (529, "overloaded", TRANSIENT),
    ],
)
def test_an_error_has_its_status_its_code_and_its_words(sdk, status, code, transient):
    error = chat_error(refused(status, "This is  why\nit failed.", code), sdk)
    assert (error.status, error.code, error.message) == (status, code, "This is why it failed.")
    # A gateway that gave up waiting does not know whether the work was done.
    assert (error.is_transient, error.sent, error.retry_after) == (
        transient,
        status in (408, 502, 504, 520, 522, 524),
        None,
    )
    assert not error.is_plan_gate
    assert not error.is_missing_model
    assert str(error) == f"HTTP {status} {code}: This is why it failed."


def test_an_error_without_a_code_has_its_type(sdk):
    assert chat_error(refused(400, kind="invalid_request_error"), sdk).code == "invalid_request_error"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7.66", 7.66), ("0", 0.0), ("30", 30.0), ("soon", None), ("-1", None), ("nan", None)]
)
def test_how_long_to_wait_is_told_in_seconds_where_it_is_told(sdk, header, seconds):
    assert chat_error(refused(429, headers={"retry-after": header}), sdk).retry_after == seconds


def test_a_limit_with_and_without_a_time(sdk, double):
    double.force("POST", "/chat/completions", Fault.RATE_LIMIT)
    double.force("POST", "/chat/completions", Fault.RATE_LIMIT_AFTER)
    provider = open_at(double, sdk)
    errors = [error_of(lambda: provider.chat(BODY, "vote-1")) for _ in range(2)]
    assert [(error.status, error.code, error.retry_after) for error in errors] == [
        (429, "rate_limit_exceeded", None),
        (429, "rate_limit_exceeded", 0.05),
    ]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            {"error": {"message": "Too long.", "type": "t", "code": "c", "param": None}},
            "c",
            "Too long.",
        ),  # OpenAI, Groq
        ({"error": {"message": "Too long.", "type": "t"}}, "t", "Too long."),
        ({"error": {"message": "Too long.", "type": "t", "code": 400}}, "400", "Too long."),  # llama-server
        ({"object": "error", "message": "Too long.", "type": "t", "code": 400}, "400", "Too long."),  # older vLLM
    ],
    ids=["both", "no code", "number", "bare"],
)
def test_errors_are_read_in_every_shape_that_servers_give_them(kind, body, code, message):
    error = chat_error(saying(400, body), kind)
    assert (error.status, error.code, error.message) == (400, code, message)


@pytest.mark.parametrize(
    "body",
    [{"error": "Too long."}, {"detail": "Too long."}, ["Too long."], b"<html>\n<h1>Too long.</h1></html>", "Too long."],
    ids=str,
)
def test_an_error_of_another_shape_is_told_on_one_line(kind, body):
    error = chat_error(saying(400, body), kind)
    assert (error.status, error.code, error.is_transient) == (400, "", False)
    assert "Too long." in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize("body", [b"", {}, {"error": None}, {"error": {}}], ids=str)
def test_an_error_without_words_still_has_its_status(kind, body):
    error = chat_error(saying(502, body), kind)
    assert (error.status, error.is_transient, error.code) == (502, True, "")
    assert "502" in str(error)


def test_long_words_are_cut(kind):
    assert len(chat_error(refused(400, "word " * 999), kind).message) == 400


# The plan and the model


@pytest.mark.parametrize(
    ("status", "code", "message", "gate"),
    [
        (403, "not_available_for_plan", "No batches.", True),
        (403, None, "Upgrade your plan to use batches.", True),
        (403, None, "Batches are part of other Plans.", True),
        (403, "permission_denied", "Your input was flagged; see the explanation.", False),
        (403, None, "Flagged: transplant.", False),
        (400, "not_available_for_plan", "No batches.", False),
        (429, None, "Rate limit of your plan reached.", False),
    ],
)
def test_a_plan_without_what_was_asked_is_told_apart(sdk, status, code, message, gate):
    assert chat_error(refused(status, message, code), sdk).is_plan_gate == gate


def test_whether_the_plan_has_batches_is_asked_of_their_list(sdk):
    with ProviderDouble(flavor=sdk) as double:
        assert open_at(double, sdk).has_batches()
        double.plan_gate = True
        assert not open_at(double, sdk).has_batches()
        assert double.requests == {("GET", "/batches"): 2}
        double.key = "another"
        assert error_of(open_at(double, sdk).has_batches).status == 401


@pytest.mark.parametrize(
    ("status", "code", "message", "missing"),
    [
        (404, "model_not_found", "It does not exist.", True),
        (400, "model_decommissioned", "It was retired.", True),
        (404, None, "The model `m` does not exist.", True),
        (404, None, "No such File object: file-1", False),
        (400, None, "The model takes no temperature.", False),
    ],
)
def test_a_model_that_is_not_served_is_told_apart(sdk, status, code, message, missing):
    assert chat_error(refused(status, message, code), sdk).is_missing_model == missing


def test_an_unknown_and_a_retired_model_are_missing(sdk):
    with ProviderDouble(models=("new",), retired={"old": "`old` was retired."}) as double:
        provider = open_at(double, sdk)
        for model, status in (("nobody", 404), ("old", 400)):
            error = error_of(lambda model=model: provider.chat(BODY | {"model": model}, "vote-1"))
            assert (error.status, error.is_missing_model) == (status, True)
        assert error_of(lambda: provider.model("nobody")).is_missing_model
        assert provider.model("new")["owned_by"] == "double"
        assert provider.models() == ["new"]


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached", "spend_limit_reached"])
def test_an_account_without_money_does_not_pass_by_waiting_whatever_its_status(sdk, code):
    error = chat_error(refused(429, "You exceeded your current quota.", code), sdk)
    assert (error.status, error.is_out_of_money, error.is_transient) == (429, True, False)
    limited = chat_error(refused(429, "Rate limit reached.", "rate_limit_exceeded"), sdk)
    assert (limited.status, limited.is_out_of_money, limited.is_transient) == (429, False, True)


# Connections


def test_where_nobody_listens_nothing_was_sent(kind):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    provider = Provider(RemoteConfig(provider=kind, base_url=f"http://127.0.0.1:{port}", key_variable="MY_KEY"))
    error = error_of(lambda: provider.chat(BODY, "vote-1"))
    assert (error.status, error.sent, error.is_transient, error.retry_after) == (None, False, True, None)
    assert str(error).startswith("no answer")


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_BODY])
def test_a_call_that_broke_off_may_have_been_worked_on(kind, double, fault):
    double.force("POST", "/chat/completions", fault)
    error = error_of(lambda: open_at(double, kind).chat(BODY, "vote-1"))
    assert (error.status, error.sent, error.is_transient, error.is_plan_gate) == (None, True, True, False)


def test_a_call_that_takes_too_long_may_have_been_worked_on(kind):
    error = chat_error(ProviderDouble(chat_latency=0.5), kind, timeout=0.1)
    assert (error.status, error.sent, error.is_transient) == (None, True, True)
    assert "Timeout" in error.message


def test_a_slow_body_is_waited_for(kind, double):
    double.force("POST", "/chat/completions", Fault.SLOW_BODY)
    assert open_at(double, kind).chat(BODY, "vote-1").body["object"] == "chat.completion"


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"choices": [', b"\xff\xfe", b"[]", b'"yes"', b"null"], ids=repr)
def test_an_answer_that_is_no_json_object_may_have_been_worked_on(kind, body):
    error = chat_error(saying(200, body), kind)
    assert (error.status, error.sent, error.is_transient) == (None, True, True)


def calls_of(provider, file):
    return {
        ("POST", "/chat/completions"): lambda: provider.chat(BODY, "vote-1"),
        ("GET", "/models"): provider.models,
        ("GET", "/models/{id}"): lambda: provider.model(MODEL),
        ("POST", "/files"): lambda: provider.upload(file, "again.jsonl"),
        ("GET", "/files"): provider.files,
        ("GET", "/batches"): lambda: list(provider.batches()),
        ("GET", "/batches/{id}"): lambda: provider.batch("batch_000001"),
        ("POST", "/batches"): lambda: provider.create_batch("file-000001", ENDPOINT, {}),
    }


@pytest.mark.parametrize(
    ("fault", "status", "sent"),
    [(Fault.CUT_BEFORE, None, True), (Fault.CUT_BODY, None, True), (Fault.SERVER_ERROR, 500, False)],
)
def test_every_call_fails_with_the_same_kind_of_error(sdk, fault, status, sent, tmp_path):
    file = requests_file(tmp_path)
    with ProviderDouble(flavor=sdk) as double:
        provider = open_at(double, sdk)
        provider.create_batch(provider.upload(file, "votes.jsonl"), ENDPOINT, {})
        for (method, template), call in calls_of(provider, file).items():
            double.force(method, template, fault)
            error = error_of(call)
            assert (error.status, error.sent, error.is_transient) == (status, sent, True)
            assert call() is not None  # the next one goes well


# Keys


def everything_said(error):
    return " ".join([str(error), repr(error), *traceback.format_exception(error)])


def test_a_key_that_is_refused_is_not_repeated(kind):
    with ProviderDouble(key="another") as double:
        provider = open_at(double, kind)
        error = error_of(lambda: provider.chat(BODY, "vote-1"))
    assert double.seen_keys == {KEY}
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert error.message == "Incorrect API key provided: ***."
    assert KEY not in everything_said(error) + everything_said(provider.explain(error, MODEL))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": f"Header Bearer {KEY}", "code": f"bad_{KEY}"}}),
        (400, {"error": f"Header Bearer {KEY}"}),
        (500, f"<html>Authorization: Bearer {KEY}</html>".encode()),
        (400, {"error": {"message": "x" * 390 + KEY}}),  # not even its first half, where words are cut
        (200, [f"Bearer {KEY}"]),
        (200, f"not JSON: {KEY}".encode()),
    ],
    ids=str,
)
def test_whatever_echoes_a_key_it_is_not_repeated(kind, status, body):
    error = chat_error(saying(status, body), kind)
    assert KEY not in everything_said(error)
    assert KEY[:10] not in error.message


def test_a_missing_key_is_said_by_the_name_of_its_variable(environment):
    for provider, name in (("groq", "GROQ_API_KEY"), ("openai", "OPENAI_API_KEY")):
        for nothing in ("", "  \n"):
            environment.setenv(name, nothing)
            with pytest.raises(InputError, match=f"no key for {provider} in the environment variable {name}"):
                Provider(RemoteConfig(provider=provider))
        environment.delenv(name)
        with pytest.raises(InputError, match=name):
            Provider(RemoteConfig(provider=provider))
    with pytest.raises(InputError, match="no key for server in the environment variable OTHER_KEY"):
        Provider(RemoteConfig(provider="server", base_url="http://127.0.0.1/v1", key_variable="OTHER_KEY"))


def test_the_key_of_the_variable_that_was_named_is_sent_without_blanks_around_it(kind, double, environment):
    environment.setenv("MY_KEY", "  mine-0815\n")
    open_at(double, kind).models()
    assert double.seen_keys == {"mine-0815"}


@pytest.mark.parametrize("provider", ["groq", "openai"])
def test_a_provider_is_sent_the_key_of_its_usual_variable(provider, double, environment):
    environment.setenv("GROQ_API_KEY", "of-groq")
    environment.setenv("OPENAI_API_KEY", "of-openai")
    open_at(double, provider, key_variable=None).models()
    assert double.seen_keys == {f"of-{provider}"}


def test_a_server_without_a_key_is_told_nothing_of_who_the_user_is_to_openai(environment):
    environment.setenv("OPENAI_API_KEY", "secret-of-openai")
    environment.setenv("OPENAI_ADMIN_KEY", "secret-of-admin")
    environment.setenv("OPENAI_ORG_ID", "secret-org")
    environment.setenv("OPENAI_PROJECT_ID", "secret-project")
    environment.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer secret\nX-Team: secret-team")
    with saying(200, {"data": []}) as double:
        open_at(double, "server", key_variable=None).models()
    assert double.heard["Authorization"] == "Bearer none"
    assert "secret" not in str(double.heard.items())


def test_openai_is_told_for_which_organization_it_works(environment):
    environment.setenv("OPENAI_ORG_ID", "mine")
    with saying(200, {"data": []}) as double:
        open_at(double, "openai").models()
    assert double.heard["OpenAI-Organization"] == "mine"


def test_without_a_key_no_word_of_a_message_is_taken_for_one():
    with refused(400, "There is none of that; nonexistent.") as double:
        provider = open_at(double, "server", key_variable=None)
        assert error_of(lambda: provider.chat(BODY, "vote-1")).message == "There is none of that; nonexistent."


# Addresses and packages


@pytest.mark.parametrize("url", ["https://api.groq.example/openai/v1", "https://u:hunter2@api.groq.example/openai/v1/"])
def test_an_address_of_groq_with_the_path_that_its_sdk_adds_is_refused(environment, url):
    environment.setenv("GROQ_BASE_URL", url)
    with pytest.raises(InputError, match="GROQ_BASE_URL") as caught:
        Provider(RemoteConfig(provider="groq"))
    assert "hunter2" not in str(caught.value)
    with pytest.raises(InputError, match="/openai/v1"):
        Provider(RemoteConfig(provider="groq", base_url="https://api.groq.example/openai/v1"))


def test_an_address_of_groq_comes_from_the_environment_unless_it_is_set(environment, double):
    environment.setenv("GROQ_BASE_URL", double.url)
    assert MODEL in Provider(RemoteConfig(provider="groq")).models()
    environment.setenv("GROQ_BASE_URL", "http://127.0.0.1:9/openai/v1")
    assert MODEL in open_at(double).models()


def test_a_package_that_is_not_installed_is_named_with_what_to_install(kind, environment):
    package = "groq" if kind == "groq" else "openai"
    environment.setitem(sys.modules, package, None)  # what makes an import fail
    with pytest.raises(InputError, match=rf"the package {package} is not installed.*pip install 'tercet\[{package}\]'"):
        Provider(RemoteConfig(provider=kind, base_url="http://127.0.0.1/v1", key_variable="MY_KEY"))


def test_a_provider_is_called_by_its_name_and_a_server_by_its_address(double):
    assert [open_at(double, kind).name for kind in KINDS] == ["groq", "openai", f"{double.url}/v1"]


# What a user is told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ProviderError("Bad key.", status=401), "groq refuses the key in MY_KEY: expected a valid key; set MY_KEY"),
        (ProviderError("Gone.", status=404, code="model_not_found"), "groq does not serve 'm' (Gone.)"),
        (
            ProviderError("No quota.", status=429, code="insufficient_quota"),
            "the account at groq has nothing left to spend (No quota.): expected an account with credit; top it up",
        ),
        (ProviderError("Busy.", status=503), "groq does not answer (HTTP 503 : Busy.)"),
        (ProviderError("ReadTimeout", status=None, sent=True), "groq does not answer (no answer : ReadTimeout)"),
        (ProviderError("Bad top_p.", status=400, code="c"), "groq refuses the request (HTTP 400 c: Bad top_p.)"),
        (ProviderError("Flagged.", status=403), "groq refuses the request (HTTP 403 : Flagged.)"),
    ],
    ids=str,
)
def test_an_error_that_ends_a_run_says_what_to_do(double, error, told):
    explained = str(open_at(double).explain(error, "m"))
    assert explained.startswith(told)
    assert explained.count("; ") >= 1


def test_a_server_that_wants_a_key_says_how_to_name_it(double):
    explained = open_at(double, "server", key_variable=None).explain(ProviderError("No key.", status=401), "m")
    assert "a request without a key" in str(explained)
    assert "remote.key_variable" in str(explained)


# Files


def requests_file(folder, n=4):
    rows = [
        {"custom_id": f"vote-{number}", "method": "POST", "url": ENDPOINT, "body": BODY | {"seed": number}}
        for number in range(n)
    ]
    file = folder / "requests.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_a_file_is_uploaded_byte_for_byte_under_its_name(sdk, double, tmp_path):
    file = requests_file(tmp_path)
    file_id = open_at(double, sdk).upload(file, "tercet-1.jsonl")
    assert double.uploaded == {file_id: ("tercet-1.jsonl", file.read_bytes())}


def test_files_are_known_by_name_with_their_size(sdk, double, tmp_path):
    provider, file = open_at(double, sdk), requests_file(tmp_path)
    assert provider.files() == {}
    ids = [provider.upload(file, f"tercet-{number}.jsonl") for number in range(2)]
    size = file.stat().st_size
    assert provider.files() == {f"tercet-{number}.jsonl": (file_id, size) for number, file_id in enumerate(ids)}
    provider.create_batch(ids[0], ENDPOINT, {})
    double.settle()
    assert len(provider.files()) == 2  # its output is none that was uploaded


def test_a_file_is_described_with_its_size(sdk, double, tmp_path):
    provider, file = open_at(double, sdk), requests_file(tmp_path)
    assert provider.file(provider.upload(file, "a.jsonl"))["bytes"] == file.stat().st_size
    assert error_of(lambda: provider.file("file-999")).status == 404


def finished_batch(provider, folder):
    """The id of a result file, and its content."""
    batch = provider.create_batch(provider.upload(requests_file(folder), "votes.jsonl"), ENDPOINT, {})
    return provider.batch(batch["id"])["output_file_id"]


def test_a_file_is_downloaded_whole(sdk, double, tmp_path):
    provider, target = open_at(double, sdk), tmp_path / "output.jsonl"
    provider.download(finished_batch(provider, tmp_path), target)
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert sorted(line["custom_id"] for line in lines) == [f"vote-{number}" for number in range(4)]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["output.jsonl", "requests.jsonl"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.CUT_BODY, None), (Fault.CUT_BEFORE, None), (Fault.SERVER_ERROR, 500), (Fault.RATE_LIMIT, 429)],
)
def test_a_download_that_breaks_off_leaves_no_file_and_not_a_part_of_one(sdk, double, tmp_path, fault, status):
    provider, target = open_at(double, sdk), tmp_path / "output.jsonl"
    file_id = finished_batch(provider, tmp_path)
    double.force("GET", "/files/{id}/content", fault)
    error = error_of(lambda: provider.download(file_id, target))
    assert (error.status, error.is_transient) == (status, True)
    assert [file.name for file in tmp_path.iterdir()] == ["requests.jsonl"]
    provider.download(file_id, target)
    assert target.read_bytes().count(b"\n") == 4


def test_a_download_that_breaks_off_leaves_an_earlier_one_as_it_was(sdk, double, tmp_path):
    provider, target = open_at(double, sdk), tmp_path / "output.jsonl"
    file_id = finished_batch(provider, tmp_path)
    target.write_text("earlier\n")
    double.force("GET", "/files/{id}/content", Fault.CUT_BODY)
    error_of(lambda: provider.download(file_id, target))
    assert target.read_text() == "earlier\n"


def test_a_file_that_is_not_there_is_an_error_and_leaves_none(sdk, double, tmp_path):
    error = error_of(lambda: open_at(double, sdk).download("file-999", tmp_path / "output.jsonl"))
    assert (error.status, error.is_transient, error.is_missing_model) == (404, False, False)
    assert "No such File object: file-999" in error.message
    assert list(tmp_path.iterdir()) == []


def test_a_download_onto_a_full_disk_is_said_in_one_line_and_leaves_nothing(sdk, double, tmp_path):
    provider, target = open_at(double, sdk), tmp_path / "output.jsonl"
    file_id = finished_batch(provider, tmp_path)
    (tmp_path / "output.jsonl.partial").symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left on device") as caught:
        provider.download(file_id, target)
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["requests.jsonl"]


# Batches


@pytest.mark.parametrize(
    ("provider", "window", "sent"),
    [("groq", "24h", "24h"), ("groq", "7d", "7d"), ("openai", "24h", "24h"), ("openai", "1d", "24h")],
)
def test_a_batch_is_made_with_its_window_and_its_tags(provider, window, sent, tmp_path):
    with ProviderDouble(flavor=provider) as double:
        opened = open_at(double, provider, completion_window=window)
        made = opened.create_batch(opened.upload(requests_file(tmp_path), "v.jsonl"), ENDPOINT, {"tercet_part": "a.1"})
        assert (made["status"], made["completion_window"]) == ("validating", sent)
        assert double.tags == {"a.1": 1}
        seen = opened.batch(made["id"])
        assert (seen["status"], seen["metadata"]) == ("completed", {"tercet_part": "a.1"})


def make_batches(provider, folder, n):
    file_id = provider.upload(requests_file(folder, 1), "v.jsonl")
    return [provider.create_batch(file_id, ENDPOINT, {"tercet_part": str(number)})["id"] for number in range(n)]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5])
def test_all_batches_are_listed_once_newest_first_page_by_page(n, tmp_path):
    with ProviderDouble(flavor="openai", page=2) as double:
        provider = open_at(double, "openai")
        made = make_batches(provider, tmp_path, n)
        assert [batch["id"] for batch in provider.batches()] == made[::-1]
        assert double.requests["GET", "/batches"] == max(1, -(-n // 2))


def test_groqs_list_of_batches_comes_at_once(tmp_path):
    with ProviderDouble(flavor="groq", page=2) as double:
        provider = open_at(double, "groq")
        made = make_batches(provider, tmp_path, 5)
        assert [batch["id"] for batch in provider.batches()] == made[::-1]
        assert double.requests["GET", "/batches"] == 1


class WithCursor(ProviderDouble):
    """Groq's list in pages of two, each with a cursor for the next one."""

    def _list_batches(self, call):
        views = super()._list_batches(call)["data"]
        start = int(call.query.get("cursor", 0))
        following = start + 2
        paging = {"next_cursor": str(following)} if following < len(views) else None
        return {"object": "list", "data": views[start:following], "paging": paging}


def test_where_groq_gives_a_cursor_it_leads_to_the_next_page(tmp_path):
    with WithCursor() as double:
        provider = open_at(double, "groq")
        made = make_batches(provider, tmp_path, 5)
        assert [batch["id"] for batch in provider.batches()] == made[::-1]
        assert double.requests["GET", "/batches"] == 3


@pytest.mark.parametrize("more", [{"has_more": True}, {"paging": {"next_cursor": "again"}}], ids=str)
def test_a_list_that_never_ends_is_read_once(sdk, more):
    with saying(200, {"data": [{"id": "batch_1"}, {"id": "batch_2"}]} | more) as double:
        assert [batch["id"] for batch in open_at(double, sdk).batches()] == ["batch_1", "batch_2"]


def test_a_batch_is_cancelled_and_an_ended_one_cannot_be(sdk, tmp_path):
    with ProviderDouble(flavor=sdk, latency=1000) as double:
        provider = open_at(double, sdk)
        made, other = make_batches(provider, tmp_path, 2)
        assert provider.cancel(made)["status"] == "cancelling"
        assert double.canceled == [made]
        double.latency = 0
        assert provider.batch(other)["status"] == "completed"
        error = error_of(lambda: provider.cancel(other))
        assert (error.status, error.is_transient) == (400, False)


def test_an_unknown_batch_is_an_error(sdk, double):
    error = error_of(lambda: open_at(double, sdk).batch("batch_999"))
    assert (error.status, error.is_transient, error.is_missing_model) == (404, False, False)


# The header that says how long to wait


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("2", 2),
        ("0.5", 0.5),
        ("0", 0),
        ("-1", None),
        ("inf", YEAR),  # a wait without end ends the run, too
        ("nan", None),
        ("1e400", YEAR),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_seconds_are_a_number_that_is_not_negative_or_none(value, seconds):
    assert parse_seconds(value) == seconds


@given(st.text(max_size=8) | st.floats().map(str))
def test_no_header_makes_a_wait_negative_or_endless(value):
    seconds = parse_seconds(value)
    assert seconds is None or 0 <= seconds <= YEAR
