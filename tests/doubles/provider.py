"""A provider of batch and chat requests on this machine that behaves like Groq or OpenAI, and misbehaves on demand.

The real SDKs talk to it over HTTP: `Groq(base_url=double.url)`, `OpenAI(base_url=double.url + "/v1")`. From top to
bottom: the faults and how they are drawn, the chat answers, the batch input and its result lines, the provider with
its endpoints, and the HTTP server. Whatever is drawn comes from a hash of the seed and of what it is drawn for, so that
neither the order of threads nor the clock changes which request is hit.
"""

import json
import math
import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.parser import BytesHeaderParser
from enum import StrEnum
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

LABELS = ("yes", "no", "maybe")
FAVOURED = 0.8  # probability of the label that the simulated labeler leans to
MAX_LINES = 50_000
DAY = 86_400
VALIDATED, GENERATED = 0.1, 0.8  # shares of a batch's latency at which validating and in_progress end
ENDS = frozenset({"failed", "completed", "expired", "cancelled"})
CHAT = "/chat/completions"
MODELS = (
    "openai/gpt-oss-120b",
    "openai/gpt-oss-20b",
    "llama-3.1-8b-instant",
    "llama-3.3-70b-versatile",
    "qwen/qwen3-32b",
    "gpt-4.1-nano",
    "gpt-4.1-mini",
    "gpt-5-nano",
    "gpt-5-mini",
)


# ---- Faults


class Fault(StrEnum):
    """The ways to misbehave."""

    # one request over HTTP
    RATE_LIMIT = "429"  # not processed
    RATE_LIMIT_AFTER = "429-retry-after"  # not processed
    SERVER_ERROR = "500"  # not processed
    CUT_BEFORE = "cut-before"  # not processed, connection closed without an answer
    CUT_BODY = "cut-body"  # processed; half of the announced body, then the connection is closed
    SLOW_BODY = "slow-body"  # processed; the body comes in pieces
    # one line of a batch
    DUPLICATE_LINE = "duplicate-line"  # the result stands twice, billed once
    # In neither file, not billed; an error line where the batch would have no answer at all, as such a batch gives no
    # final word, so that its client rightly stops.
    MISSING_LINE = "missing-line"
    UNKNOWN_LINE = "unknown-line"  # one more result, for a custom_id that nobody sent
    ERROR_LINE = "error-line"  # in the error file, not billed
    OFF_LABEL = "off-label"  # billed
    EMPTY = "empty"  # billed
    # one download of a result file
    HALF_LINE = "half-line"  # the last line is cut, and the content-length agrees; the next download is whole
    # one batch
    BATCH_FAILED = "batch-failed"  # nothing processed
    BATCH_EXPIRED = "batch-expired"  # half of the lines processed, the others in the error file
    BATCH_NO_OUTPUT = "batch-no-output"  # completed, every line in the error file, nothing billed


HTTP_FAULTS = tuple(Fault)[:6]
LINE_FAULTS = tuple(Fault)[6:12]
BATCH_FAULTS = tuple(Fault)[13:]
EVERY_FAULT = frozenset(Fault)
CONTENT_OF_FAULT = {Fault.OFF_LABEL: "It depends on many things.", Fault.EMPTY: ""}


@dataclass(frozen=True)
class Faults:
    """Each kind is drawn by itself with probability `rate`; of those drawn for one thing, the first listed is given."""

    rate: float = 0.0
    kinds: frozenset[Fault] = EVERY_FAULT
    seed: int = 0


NO_FAULTS = Faults()


def _hex(*parts: object) -> str:
    text = "\x1f".join(map(str, parts))
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def uniform(*parts: object) -> float:
    """A number in [0, 1) that depends on `parts` alone."""
    return int(_hex(*parts), 16) / 2**64


class _Chooser:
    """Says which fault is due: a forced one, else one drawn."""

    def __init__(self) -> None:
        self.given: Counter[Fault] = Counter()
        self._lock = threading.Lock()
        self._forced_http: list[tuple[str, re.Pattern[str], Fault]] = []
        self._forced: dict[str, list[Fault]] = {"batch": [], "line": []}

    def force_http(self, method: str, path_regex: str, fault: Fault, times: int) -> None:
        _expect(fault, (*HTTP_FAULTS, Fault.HALF_LINE))
        with self._lock:
            self._forced_http += [(method, re.compile(path_regex), fault)] * times

    def force(self, what: Literal["batch", "line"], fault: Fault, times: int) -> None:
        _expect(fault, BATCH_FAULTS if what == "batch" else LINE_FAULTS)
        with self._lock:
            self._forced[what] += [fault] * times

    def http(self, faults: Faults, method: str, paths: tuple[str, str], key: str) -> Fault | None:
        """`paths` are the path with its id and its template; a forced pattern may match either in full."""
        with self._lock:
            for place, (wanted, pattern, fault) in enumerate(self._forced_http):
                if wanted == method and any(map(pattern.fullmatch, paths)):
                    del self._forced_http[place]
                    return self._give(fault)
        return self.draw(faults, HTTP_FAULTS, key)

    def of(self, faults: Faults, what: Literal["batch", "line"], key: str) -> Fault | None:
        with self._lock:
            if self._forced[what]:
                return self._give(self._forced[what].pop(0))
        return self.draw(faults, BATCH_FAULTS if what == "batch" else LINE_FAULTS, key)

    def draw(self, faults: Faults, kinds: Iterable[Fault], key: str) -> Fault | None:
        if not faults.rate:
            return None
        for kind in kinds:
            if kind in faults.kinds and uniform(faults.seed, kind, key) < faults.rate:
                with self._lock:
                    return self._give(kind)
        return None

    def _give(self, fault: Fault) -> Fault:
        self.given[fault] += 1
        return fault


def _expect(fault: Fault, known: tuple[Fault, ...]) -> None:
    if fault not in known:
        raise ValueError(f"cannot force {fault!r} here; expected one of {', '.join(known)}")


# ---- Chat


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the double
    """An answer with an error status and the body that both providers use."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body = {"error": {"message": message, "type": kind, "code": code, "param": param}}


def text_of(body: dict[str, Any]) -> str:
    """The text of all messages of a chat request."""
    contents = (message.get("content") or "" for message in body.get("messages") or [])
    return "\n".join(
        content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        for content in contents
    )


def digest_of(body: dict[str, Any]) -> str:
    """Digest of a chat request, whatever the order of its keys: the key of `billed_chat`."""
    return _hex(json.dumps(body, sort_keys=True))


def simulated_label(body: dict[str, Any]) -> str:
    """A labeler that leans to one label a question and errs by the seed.

    What leans is the line `Question: ...` where there is one: votes that order the options differently still agree.
    """
    text = text_of(body)
    question = re.search(r"Question: (.+)", text)
    lean = int(uniform("lean", question[1] if question else text) * len(LABELS))
    if uniform("vote", text, body.get("seed")) < FAVOURED:
        return LABELS[lean]
    others = LABELS[:lean] + LABELS[lean + 1 :]
    return others[int(uniform("other", text, body.get("seed")) * len(others))]


def _token(text: str, probability: float) -> dict[str, Any]:
    return {"token": text, "logprob": math.log(probability), "bytes": list(text.encode())}


def _logprobs(body: dict[str, Any], content: str) -> dict[str, Any] | None:
    """The whole content as one token of probability `FAVOURED`, the other labels sharing the rest."""
    if not body.get("logprobs"):
        return None
    others = [label for label in LABELS if label != content]
    top = [_token(content, FAVOURED), *(_token(label, (1 - FAVOURED) / len(others)) for label in others)]
    if not content:
        return {"content": [], "refusal": None}
    return {"content": [top[0] | {"top_logprobs": top[: body.get("top_logprobs") or 0]}], "refusal": None}


def completion(body: dict[str, Any], content: str, key: str, created: int) -> dict[str, Any]:
    """A chat completion; its usage depends on the text of the request alone."""
    prompt_tokens, completion_tokens = max(1, len(text_of(body)) // 4), 2
    return {
        "id": f"chatcmpl-{_hex('completion', key)}",
        "object": "chat.completion",
        "created": created,
        "model": f"{body['model']}-2026-10-01",
        "system_fingerprint": "fp_double",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "logprobs": _logprobs(body, content),
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


# ---- Batches


@dataclass
class _Batch:
    """A batch and what will become of it; `view` is what clients see, changed under `lock`."""

    view: dict[str, Any]
    rows: list[dict[str, Any]]
    fault: Fault | None
    failure: list[dict[str, Any]] | None  # the errors with which it will fail
    started: float
    canceled_at_share: float | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def id(self) -> str:
        return self.view["id"]

    def mark(self, status: str) -> None:
        if self.view["status"] != status:
            self.view["status"] = status
            self.view[f"{status}_at"] = int(time.time())

    def count(self, completed: int, failed: int) -> None:
        self.view["request_counts"] = {"total": len(self.rows), "completed": completed, "failed": failed}


def _new_view(batch_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    moments = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    return {
        "id": batch_id,
        "object": "batch",
        "endpoint": asked["endpoint"],
        "errors": None,
        "input_file_id": asked["input_file_id"],
        "completion_window": asked["completion_window"],
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": now,
        "expires_at": now + DAY,
        **{f"{moment}_at": None for moment in moments},
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": asked.get("metadata"),
    }


def _fits(metadata: Any) -> bool:
    return (
        isinstance(metadata, dict)
        and len(metadata) <= 16
        and all(len(key) <= 64 and isinstance(text, str) and len(text) <= 512 for key, text in metadata.items())
    )


def _input_error(code: str, message: str, line: int | None = None, param: str | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "line": line, "param": param}


def read_input(content: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of a batch input file, and the errors for which a provider fails the batch."""
    lines = content.splitlines()
    if not lines:
        return [], [_input_error("empty_file", "The input file is empty.")]
    if len(lines) > MAX_LINES:
        return [], [_input_error("too_many_tasks", f"The batch has {len(lines)} requests, at most {MAX_LINES} may be.")]
    rows: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            errors.append(_input_error("invalid_json_line", "This line is not parseable as valid JSON.", number))
            continue
        problem = _row_problem(row, seen, rows[0] if rows else row)
        if problem:
            errors.append(_input_error(*problem[:2], number, problem[2]))
        else:
            rows.append(row)
            seen.add(row["custom_id"])
    return rows, errors


def _row_problem(row: Any, seen: set[str], first: dict[str, Any]) -> tuple[str, str, str] | None:
    """Code, message and parameter of what is wrong with one input row."""
    if not isinstance(row, dict) or not isinstance(row.get("custom_id"), str) or not row["custom_id"]:
        return "missing_required_parameter", "Missing required parameter: 'custom_id'.", "custom_id"
    if row["custom_id"] in seen:
        return "duplicate_custom_id", f"The custom_id {row['custom_id']!r} was used before in this file.", "custom_id"
    if row.get("method") != "POST":
        return "invalid_method", "The method must be POST.", "method"
    if row.get("url") != "/v1/chat/completions":
        return "invalid_url", "The URL provided for this request does not match the batch endpoint.", "url"
    if not isinstance(row.get("body"), dict) or not isinstance(row["body"].get("model"), str):
        return "missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model"
    if row["body"]["model"] != first["body"]["model"]:
        return "mismatched_model", "All requests of a batch must name the same model.", "body.model"
    return None


def _result(key: str, custom_id: str, status: int, body: dict[str, Any]) -> dict[str, Any]:
    response = {"status_code": status, "request_id": f"req_{_hex('request', key)}", "body": body}
    return {"id": f"batch_req_{_hex(key)}", "custom_id": custom_id, "response": response, "error": None}


def _error(key: str, custom_id: str, code: str, message: str) -> dict[str, Any]:
    return {
        "id": f"batch_req_{_hex(key)}",
        "custom_id": custom_id,
        "response": None,
        "error": {"code": code, "message": message},
    }


def _failing_line(key: str, custom_id: str) -> dict[str, Any]:
    """A line that failed for no reason of its own, in one of the two shapes that providers use."""
    if uniform("shape", key) < 0.5:
        return _error(key, custom_id, "server_error", "The request failed.")
    return _result(key, custom_id, 500, Refusal(500, "Internal error.", kind="server_error").body)


# ---- Requests over HTTP


@dataclass(frozen=True)
class Call:
    """One request as the endpoints see it: `path` without the API's prefix, `id` what it names."""

    method: str
    path: str
    template: str
    endpoint: str
    id: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    fault: Fault | None = None

    def json(self) -> dict[str, Any]:
        try:
            parsed = json.loads(self.body)
        except ValueError as broken:
            raise Refusal(400, f"The body is not JSON: {broken}") from None
        if not isinstance(parsed, dict):
            raise Refusal(400, "The body is not a JSON object.")
        return parsed

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Reply:
    """What goes over the wire; `cut` sends half of the body, `slow` spreads it over so many seconds."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    slow: float = 0.0


ROUTES = tuple(
    (method, template, re.compile(template.replace("{id}", "(?P<id>.+)")), endpoint)
    for method, template, endpoint in (
        ("POST", "/files", "_upload"),
        ("GET", "/files", "_list_files"),
        ("GET", "/files/{id}/content", "_download"),
        ("GET", "/files/{id}", "_show_file"),
        ("DELETE", "/files/{id}", "_delete_file"),
        ("POST", "/batches", "_create_batch"),
        ("GET", "/batches", "_list_batches"),
        ("POST", "/batches/{id}/cancel", "_cancel_batch"),
        ("GET", "/batches/{id}", "_show_batch"),
        ("POST", CHAT, "_chat"),
        ("GET", "/models", "_list_models"),
        ("GET", "/models/{id}", "_show_model"),
    )
)
GATED = {("POST", "/files"), ("POST", "/batches"), ("GET", "/batches")}


def read_call(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Call:
    """The call that a request line and its body make."""
    url = urlsplit(target)
    path = re.sub(r"^(/openai)?/v1(?=/)", "", unquote(url.path))
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    for wanted, template, pattern, endpoint in ROUTES:
        found = pattern.fullmatch(path) if wanted == method else None
        if found:
            named = found.groupdict().get("id", "")
            return Call(method, path, template, endpoint, named, query, headers, body)
    return Call(method, path, path, "_unknown", "", query, headers, body)


def read_form(content_type: str, body: bytes) -> dict[str, tuple[str | None, bytes]]:
    """Fields of a multipart form: name -> (filename, content).

    Split by hand: the email parser would take the file apart line by line, which is slow for a large one.
    """
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if not boundary:
        raise Refusal(400, f"Expected a multipart form, found {content_type!r}.")
    form = {}
    for part in body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = BytesHeaderParser().parsebytes(head)
        name = headers.get_param("name", header="content-disposition")
        form[str(name)] = (headers.get_filename(), content.removesuffix(b"\r\n"))
    return form


@dataclass
class _File:
    filename: str
    content: bytes
    purpose: str
    created_at: int = field(default_factory=lambda: int(time.time()))
    downloads: int = 0
    was_halved: bool = False

    def view(self, file_id: str) -> dict[str, Any]:
        return {
            "id": file_id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


def _without_half_of_last_line(content: bytes) -> bytes:
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    return content[: last + (len(content) - last) // 2]


# ---- The provider


@dataclass(kw_only=True, eq=False)
class ProviderDouble:
    """The provider; `with ProviderDouble(...) as double` serves at `double.url` until the block ends.

    Batches advance by the clock, but only when they are looked at: a result is made, and billed, at the first look
    after its time (or by `settle`). Settings may be changed and records read at any moment.
    """

    flavor: Literal["groq", "openai"] = "groq"
    faults: Faults = NO_FAULTS
    answer: Callable[[dict[str, Any]], str] = simulated_label  # body of a chat request -> content
    latency: float = 0.0  # seconds from the creation of a batch to its end
    list_lag: float = 0.0  # seconds until a new batch is listed
    clock: Callable[[], float] = time.monotonic  # of the two above; a test may move it instead of sleeping
    chat_latency: float = 0.0  # seconds, really slept
    slow_seconds: float = 0.2  # for SLOW_BODY
    retry_after: float = 0.05  # for RATE_LIMIT_AFTER
    key: str | None = None  # the one that is accepted; None accepts all
    plan_gate: bool = False  # the plan has no batches
    models: tuple[str, ...] = MODELS
    retired: dict[str, str] = field(default_factory=dict)  # model -> message
    rate_headers: dict[str, str] | Callable[[], dict[str, str]] | None = None  # of answers to chats
    max_enqueued: int | None = None  # requests in unfinished batches
    errors_as_list: bool = False  # the errors of a batch without the list object around them
    page: int = 20  # batches on a page of the listing: the default and the most
    logprobs: bool = False  # else a request for them is refused
    fixed_sampling: bool = False  # refuses temperature and max_tokens
    too_long: str | None = None  # a message with this text in it does not fit into the model's context
    blocked: str | None = None  # every chat is refused with 400 and this code, as an account without money is
    shapeless_lists: int = 0  # so many answers to a look at the list of batches are 200 and no list
    # What an answer to a chat becomes before it is sent or put into a file.
    echo: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    late_files: int = 0  # looks at an ended batch for which its output file is not there yet, although counted
    # What a look at a batch is told instead of the truth, and what a download of a result file (its id, its content)
    # brings; both may raise a `Refusal`.
    tell: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    send: Callable[[str, bytes], bytes] | None = None
    # ("before" or "after" processing, method, template); a False before processing means that the request is lost, as
    # if the client had died before it sent it: to kill a client does not unsend what has arrived
    on_request: Callable[[str, str, str], bool | None] | None = None

    # records, by file id, batch id, custom_id, digest of the chat body, metadata["tercet_part"]
    requests: Counter[tuple[str, str]] = field(init=False, default_factory=Counter)
    batches: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    billed: Counter[str] = field(init=False, default_factory=Counter)
    billed_chat: Counter[str] = field(init=False, default_factory=Counter)
    tokens_billed: list[int] = field(init=False, default_factory=lambda: [0, 0])
    tags: Counter[str] = field(init=False, default_factory=Counter)
    uploaded: dict[str, tuple[str, bytes]] = field(init=False, default_factory=dict)
    deleted: list[str] = field(init=False, default_factory=list)
    canceled: list[str] = field(init=False, default_factory=list)
    seen_keys: set[str] = field(init=False, default_factory=set)
    crashes: list[BaseException] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._chooser = _Chooser()
        self._lock = threading.Lock()  # taken after a batch's lock, never before it
        self._files: dict[str, _File] = {}
        self._batches: dict[str, _Batch] = {}
        self._answered: dict[str, dict[str, Any]] = {}
        self._ordinals: Counter[str] = Counter()
        self._server: _Server | None = None

    # -- life

    def __enter__(self) -> "ProviderDouble":
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self.close()
        if self.crashes and kind is None:
            raise self.crashes[0]  # else a mistake in the double or in a hook would pass for a cut connection

    def close(self) -> None:
        """Stop serving and cut what is connected."""
        if self._server:
            self._server.close()

    @property
    def url(self) -> str:
        if not self._server:
            raise RuntimeError("the double is not served yet: use it in a `with` block")
        return f"http://127.0.0.1:{self._server.server_port}"

    # -- control and inspection

    @property
    def given(self) -> Counter[Fault]:
        """How often each fault was given, forced ones included."""
        return self._chooser.given

    def force(self, method: str, path_regex: str, fault: Fault, times: int = 1) -> None:
        """Give `fault` to the next `times` requests whose whole path, without the API's prefix, matches."""
        self._chooser.force_http(method, path_regex, fault, times)

    def force_batch(self, fault: Fault, times: int = 1) -> None:
        """Give `fault` to the next `times` batches created."""
        self._chooser.force("batch", fault, times)

    def force_line(self, fault: Fault, times: int = 1) -> None:
        """Give `fault` to the next `times` batch lines processed, in the order of the input file."""
        self._chooser.force("line", fault, times)

    def start_anew(self) -> None:
        """Forget which requests were answered, as a server does that is started again."""
        with self._lock:
            self._answered.clear()

    def settle(self) -> None:
        """Bring every batch to where the clock says it is, as if someone had looked at it."""
        with self._lock:
            batches = list(self._batches.values())
        for batch in batches:
            self._advance(batch)

    # -- one request

    def serve(self, call: Call) -> Reply | None:
        """The reply to a call; None closes the connection without one."""
        with self._lock:
            self.requests[call.method, call.template] += 1
            if call.token:
                self.seen_keys.add(call.token)
        if self._tell("before", call) is False:
            return None
        fault = self._chooser.http(self.faults, call.method, (call.path, call.template), self._fault_key(call))
        if fault is Fault.CUT_BEFORE:
            return None
        if fault in (Fault.RATE_LIMIT, Fault.RATE_LIMIT_AFTER, Fault.SERVER_ERROR):
            return self._not_processed(fault)
        reply = self._processed(call, fault)
        self._tell("after", call)
        return reply

    def _tell(self, when: str, call: Call) -> bool | None:
        return self.on_request(when, call.method, call.template) if self.on_request else None

    def _fault_key(self, call: Call) -> str:
        """What the fault is drawn for; chats arrive in any order, so that their body takes the place of the ordinal."""
        thing = f"{call.method} {call.path}" + (_hex(call.body) if call.template == CHAT else "")
        with self._lock:
            self._ordinals[thing] += 1
            return f"{thing} {self._ordinals[thing]}"

    def _not_processed(self, fault: Fault) -> Reply:
        if fault is Fault.SERVER_ERROR:
            return self._reply(500, Refusal(500, "Internal server error.", kind="server_error").body)
        body = Refusal(429, "Rate limit reached.", "rate_limit_exceeded", kind="requests").body
        headers = {"retry-after": str(self.retry_after)} if fault is Fault.RATE_LIMIT_AFTER else {}
        return self._reply(429, body, headers)

    def _processed(self, call: Call, fault: Fault | None) -> Reply:
        headers = self._rate_headers() if call.template == CHAT else {}
        ends = {"cut": fault is Fault.CUT_BODY, "slow": self.slow_seconds if fault is Fault.SLOW_BODY else 0.0}
        try:
            self._admit(call)
            payload = getattr(self, call.endpoint)(replace(call, fault=fault))
        except Refusal as refusal:
            return self._reply(refusal.status, refusal.body, headers | refusal.headers, **ends)
        return self._reply(200, payload, headers, **ends)

    def _reply(
        self,
        status: int,
        payload: dict[str, Any] | bytes,
        headers: Mapping[str, str] | None = None,
        cut: bool = False,
        slow: float = 0.0,
    ) -> Reply:
        binary = isinstance(payload, bytes)
        body = payload if binary else json.dumps(payload).encode()
        kind = "application/octet-stream" if binary else "application/json"
        named = {"Content-Type": kind, "x-request-id": f"req_{self._next('request'):06}", **(headers or {})}
        return Reply(status, body, named, cut, slow)

    def _rate_headers(self) -> dict[str, str]:
        given = self.rate_headers() if callable(self.rate_headers) else self.rate_headers
        return dict(given or {})

    def _admit(self, call: Call) -> None:
        if self.key is not None and call.token != self.key:
            raise Refusal(401, f"Incorrect API key provided: {call.token}.", "invalid_api_key")
        if self.plan_gate and (call.method, call.template) in GATED:
            message = "The batch API is not available for your plan."
            raise Refusal(403, message, "not_available_for_plan", kind="permissions_error")

    def _next(self, what: str) -> int:
        with self._lock:
            self._ordinals[what] += 1
            return self._ordinals[what]

    def _unknown(self, call: Call) -> dict[str, Any]:
        raise Refusal(404, f"Unknown request URL: {call.method} {call.path}.", "unknown_url")

    # -- files

    def _upload(self, call: Call) -> dict[str, Any]:
        form = read_form(call.headers.get("Content-Type", ""), call.body)
        purpose = form.get("purpose", (None, b""))[1].decode()
        if purpose != "batch":
            raise Refusal(400, f"'{purpose}' is not one of ['batch'] - 'purpose'", param="purpose")
        if "file" not in form:
            raise Refusal(400, "'file' is a required property", param="file")
        filename, content = form["file"]
        file_id, file = self._keep(_File(filename or "upload", content, "batch"))
        with self._lock:
            self.uploaded[file_id] = (file.filename, content)
        return file.view(file_id)

    def _keep(self, file: _File) -> tuple[str, _File]:
        file_id = f"file-{self._next('file'):06}"
        with self._lock:
            self._files[file_id] = file
        return file_id, file

    def _file(self, file_id: str) -> _File:
        with self._lock:
            if file_id not in self._files:
                raise Refusal(404, f"No such File object: {file_id}", param="id")
            return self._files[file_id]

    def _list_files(self, call: Call) -> dict[str, Any]:
        with self._lock:
            data = [file.view(file_id) for file_id, file in reversed(self._files.items())]
        return {"object": "list", "data": data, "has_more": False}

    def _show_file(self, call: Call) -> dict[str, Any]:
        return self._file(call.id).view(call.id)

    def _delete_file(self, call: Call) -> dict[str, Any]:
        self._file(call.id)
        with self._lock:
            self._files.pop(call.id, None)
            self.deleted.append(call.id)
        return {"id": call.id, "object": "file", "deleted": True}

    def _download(self, call: Call) -> bytes:
        file = self._file(call.id)
        if file.purpose != "batch_output":
            return file.content
        with self._lock:
            file.downloads += 1
            key, again = f"{call.id} {file.downloads}", file.was_halved
        # a drawn one never comes twice in a row: a client that downloads again gets the whole
        file.was_halved = call.fault is Fault.HALF_LINE or (
            not again and self._chooser.draw(self.faults, (Fault.HALF_LINE,), key) is not None
        )
        content = _without_half_of_last_line(file.content) if file.was_halved else file.content
        return self.send(call.id, content) if self.send else content

    # -- batches

    def _create_batch(self, call: Call) -> dict[str, Any]:
        asked = call.json()
        self._check_batch(asked)
        rows, errors = read_input(self._file(asked["input_file_id"]).content)
        batch_id = f"batch_{self._next('batch'):06}"
        fault = self._chooser.of(self.faults, "batch", batch_id)
        if fault is Fault.BATCH_FAILED:
            errors = [_input_error("internal_error", "The batch could not be processed.")]
        batch = _Batch(_new_view(batch_id, asked), rows, fault, errors or None, self.clock())
        self.settle()
        with self._lock:
            batch.failure = batch.failure or self._too_much(len(rows))
            self._batches[batch_id] = batch
            self.batches[batch_id] = batch.view
            if "tercet_part" in (asked.get("metadata") or {}):
                self.tags[asked["metadata"]["tercet_part"]] += 1
            return dict(batch.view)

    def _check_batch(self, asked: dict[str, Any]) -> None:
        self._file(str(asked.get("input_file_id")))
        if asked.get("endpoint") != "/v1/chat/completions":
            raise Refusal(400, f"Invalid value: {asked.get('endpoint')!r}.", "invalid_value", "endpoint")
        window = asked.get("completion_window")
        if not isinstance(window, str) or (self.flavor == "openai" and window != "24h"):
            raise Refusal(400, f"Invalid value: {window!r}. Value must be '24h'.", "invalid_value", "completion_window")
        if not _fits(asked.get("metadata") or {}):
            raise Refusal(400, "Metadata has at most 16 keys of 64 and texts of 512 characters.", param="metadata")

    def _too_much(self, n_new: int) -> list[dict[str, Any]] | None:
        """The error of a batch that exceeds `max_enqueued`; called under the lock."""
        waiting = [batch for batch in self._batches.values() if batch.view["status"] not in ENDS and not batch.failure]
        enqueued = sum(len(batch.rows) for batch in waiting)
        if self.max_enqueued is None or enqueued + n_new <= self.max_enqueued:
            return None
        message = f"Enqueued limit reached: {enqueued} enqueued, {n_new} more asked, limit {self.max_enqueued}."
        return [_input_error("token_limit_exceeded", message)]

    def _batch(self, batch_id: str) -> _Batch:
        with self._lock:
            if batch_id not in self._batches:
                raise Refusal(404, f"No batch found with id '{batch_id}'.")
            return self._batches[batch_id]

    def _show_batch(self, call: Call) -> dict[str, Any]:
        batch = self._batch(call.id)
        with batch.lock:
            self._advance(batch)
            view = dict(batch.view)
            if view["output_file_id"] and self.late_files > 0:
                self.late_files -= 1
                view["output_file_id"] = None
        return self.tell(view) if self.tell else view

    def forget_batch(self, batch_id: str) -> None:
        """As a provider does after some weeks."""
        with self._lock:
            del self._batches[batch_id]

    def _list_batches(self, call: Call) -> dict[str, Any]:
        if self.shapeless_lists > 0:
            self.shapeless_lists -= 1
            return {"error": "upstream"}
        self.settle()
        newest = self.clock() - self.list_lag
        with self._lock:
            shown = [batch for batch in reversed(self._batches.values()) if batch.started <= newest]
        views = [dict(batch.view) for batch in shown]
        if self.flavor == "groq":
            return {"object": "list", "data": views}
        return self._page_of(views, call.query)

    def _page_of(self, views: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        """`page` is the default size and the largest, so that a client's own limit cannot undo a test's small pages."""
        start = 0
        if "after" in query:
            places = [place for place, view in enumerate(views) if view["id"] == query["after"]]
            if not places:
                raise Refusal(400, f"No batch found with id '{query['after']}'.", param="after")
            start = places[0] + 1
        size = min(int(query.get("limit", self.page)), self.page)
        data = views[start : start + size]
        return {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": start + size < len(views),
        }

    def _cancel_batch(self, call: Call) -> dict[str, Any]:
        batch = self._batch(call.id)
        with batch.lock:
            self._advance(batch)
            if batch.view["status"] in (*ENDS, "cancelling"):
                raise Refusal(400, f"Cannot cancel a batch with status '{batch.view['status']}'.")
            batch.canceled_at_share = self._done_share(batch)
            batch.mark("cancelling")
            with self._lock:
                self.canceled.append(batch.id)
            return dict(batch.view)

    # -- the life of a batch

    def _time_share(self, batch: _Batch) -> float:
        return min(1.0, (self.clock() - batch.started) / self.latency) if self.latency else 1.0

    def _done_share(self, batch: _Batch) -> float:
        share = (self._time_share(batch) - VALIDATED) / (GENERATED - VALIDATED)
        # rounded, so that half of the time is half of the lines and not one less
        return 0.0 if batch.failure else round(min(1.0, max(0.0, share)), 9)

    def _advance(self, batch: _Batch) -> None:
        """Bring a batch to where the clock says it is; its files are made here, once."""
        with batch.lock:
            if batch.view["status"] in ENDS:
                return
            share = self._time_share(batch)
            if batch.canceled_at_share is not None:
                self._end(batch, "cancelled", int(batch.canceled_at_share * len(batch.rows)))
            elif batch.failure and share >= VALIDATED:
                self._fail(batch, batch.failure)
            elif share >= 1:
                self._finish(batch)
            elif share >= VALIDATED:
                batch.mark("in_progress")
                batch.count(int(self._done_share(batch) * len(batch.rows)), 0)
                if share >= GENERATED:
                    batch.mark("finalizing")

    def _fail(self, batch: _Batch, errors: list[dict[str, Any]]) -> None:
        batch.view["errors"] = errors if self.errors_as_list else {"object": "list", "data": errors}
        batch.mark("failed")

    def _finish(self, batch: _Batch) -> None:
        batch.mark("in_progress")
        batch.mark("finalizing")
        if batch.fault is Fault.BATCH_EXPIRED:
            message = "This request could not be executed before the completion window expired."
            self._end(batch, "expired", len(batch.rows) // 2, ("batch_expired", message))
        elif batch.fault is Fault.BATCH_NO_OUTPUT:
            self._end(batch, "completed", 0, ("server_error", "The request failed."))
        else:
            self._end(batch, "completed", len(batch.rows))

    def _end(self, batch: _Batch, status: str, n_done: int, rest: tuple[str, str] | None = None) -> None:
        """Process `n_done` of the rows; the others get the error `rest`, or appear nowhere."""
        order = sorted(batch.rows, key=lambda row: _hex("done", batch.id, row["custom_id"]))
        done = {row["custom_id"] for row in order[:n_done]}
        output, errors = self._process(batch, [row for row in batch.rows if row["custom_id"] in done])
        if rest:
            errors += [_error(f"{batch.id} {row['custom_id']}", row["custom_id"], *rest) for row in order[n_done:]]
        names = {row["custom_id"] for row in batch.rows}
        n_failed = len({line["custom_id"] for line in errors})
        batch.count(len({line["custom_id"] for line in output} & names), n_failed)
        batch.view["output_file_id"] = self._write(f"{batch.id}_output.jsonl", output)
        batch.view["error_file_id"] = self._write(f"{batch.id}_error.jsonl", errors)
        batch.mark(status)

    def _write(self, filename: str, lines: list[dict[str, Any]]) -> str | None:
        if not lines:
            return None
        # the place in the list tells the two copies of a duplicate apart, else they would stay side by side
        order = sorted(range(len(lines)), key=lambda place: _hex("order", filename, place, lines[place]["id"]))
        content = "".join(json.dumps(lines[place]) + "\n" for place in order)
        return self._keep(_File(filename, content.encode(), "batch_output"))[0]

    def _process(self, batch: _Batch, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Lines of the output and of the error file for `rows`; what was answered is billed."""
        output: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        billed: list[dict[str, Any]] = []
        missing: list[dict[str, Any]] = []
        for row in rows:
            fault = self._chooser.of(
                self.faults, "line", f"{row['custom_id']} {self._next('line ' + row['custom_id'])}"
            )
            if fault is Fault.MISSING_LINE:
                missing.append(row)
                continue
            line = self._line(batch, row, fault)
            answered = bool(line["response"]) and line["response"]["status_code"] == 200
            if answered:
                billed.append(line)
            copies = 2 if fault is Fault.DUPLICATE_LINE else 1
            (output if answered else errors).extend([line] * copies)
            if fault is Fault.UNKNOWN_LINE:
                key = f"unknown {batch.id} {row['custom_id']}"
                output.append(_result(key, f"nobody-{_hex(key)}", 200, completion(row["body"], "yes", key, 0)))
        self._bill_lines(billed)
        if not output:
            errors += [_failing_line(f"{batch.id} {row['custom_id']}", row["custom_id"]) for row in missing]
        return output, errors

    def _line(self, batch: _Batch, row: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        custom_id, body = row["custom_id"], row["body"]
        key = f"{batch.id} {custom_id}"
        if fault is Fault.ERROR_LINE:
            return _failing_line(key, custom_id)
        try:
            self._check_chat(body)
        except Refusal as refusal:
            return _result(key, custom_id, refusal.status, refusal.body)
        content = CONTENT_OF_FAULT[fault] if fault in CONTENT_OF_FAULT else self.answer(body)
        answered = completion(body, content, key, batch.view["created_at"])
        return _result(key, custom_id, 200, self.echo(answered) if self.echo else answered)

    def _bill_lines(self, lines: list[dict[str, Any]]) -> None:
        with self._lock:
            self.billed.update(line["custom_id"] for line in lines)
            for line in lines:
                self._bill_tokens(line["response"]["body"]["usage"])

    def _bill_tokens(self, usage: dict[str, int]) -> None:
        self.tokens_billed[0] += usage["prompt_tokens"]
        self.tokens_billed[1] += usage["completion_tokens"]

    # -- chat and models

    def _chat(self, call: Call) -> dict[str, Any]:
        body = call.json()
        self._check_chat(body)
        key, digest = call.headers.get("Idempotency-Key"), digest_of(body)
        answered = completion(body, self.answer(body), f"{self._next('chat')}", int(time.time()))
        answered = self.echo(answered) if self.echo else answered
        with self._lock:
            if key and key in self._answered:
                answered = self._answered[key]
            else:
                self.billed_chat[digest] += 1
                self._bill_tokens(answered["usage"])
            if key:
                self._answered[key] = answered
        time.sleep(self.chat_latency)
        return answered

    def _check_chat(self, body: dict[str, Any]) -> None:
        """Refuse what the model or this provider does not take."""
        self._check_model(body.get("model"), 400)
        if not body.get("messages"):
            raise Refusal(400, "Missing required parameter: 'messages'.", param="messages")
        if body.get("stream"):
            raise Refusal(400, "This double does not stream.", param="stream")
        if body.get("logprobs") and not self.logprobs:
            raise Refusal(400, "`logprobs` is not supported with this model.", "unsupported_parameter", "logprobs")
        if self.blocked is not None:
            raise Refusal(400, "This account may not do that now.", self.blocked)
        if self.too_long is not None and self.too_long in text_of(body):
            message = "This model's maximum context length is 4096 tokens. Please reduce the length of the messages."
            raise Refusal(400, message, "context_length_exceeded", "messages")
        if self.fixed_sampling:
            self._check_sampling(body)

    def _check_sampling(self, body: dict[str, Any]) -> None:
        temperature = body.get("temperature")
        if temperature not in (None, 1):
            message = f"Unsupported value: 'temperature' does not support {temperature} with this model. "
            message += "Only the default (1) value is supported."
            raise Refusal(400, message, "unsupported_value", "temperature")
        if "max_tokens" in body:
            message = "Unsupported parameter: 'max_tokens' is not supported with this model. "
            message += "Use 'max_completion_tokens' instead."
            raise Refusal(400, message, "unsupported_parameter", "max_tokens")

    def _check_model(self, model: Any, status_if_retired: int) -> None:
        if model in self.retired:
            raise Refusal(status_if_retired, self.retired[model], "model_decommissioned", "model")
        if model not in self.models:
            message = f"The model `{model}` does not exist or you do not have access to it."
            raise Refusal(404, message, "model_not_found", "model")

    def _list_models(self, call: Call) -> dict[str, Any]:
        served = [_model(model) for model in self.models if model not in self.retired]
        return {"object": "list", "data": served}

    def _show_model(self, call: Call) -> dict[str, Any]:
        self._check_model(call.id, 404)
        return _model(call.id)


def _model(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": 1_790_000_000, "owned_by": "double"}


# ---- The server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def do_GET(self) -> None:
        n_bytes = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(n_bytes)
        if len(body) < n_bytes:  # the client died while it sent
            self.close_connection = True
            return
        reply = self.server.double.serve(read_call(self.command, self.path, self.headers, body))
        with suppress(ConnectionError):  # the client may have been killed
            if reply is None:
                self._cut()
            else:
                self._send(reply)

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in (reply.headers | {"Content-Length": str(len(reply.body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        if reply.cut:
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self._cut()
        elif reply.slow:
            self._trickle(reply)
        else:
            self.wfile.write(reply.body)

    def _trickle(self, reply: Reply) -> None:
        n_pieces = 5
        size = len(reply.body) // n_pieces + 1
        for start in range(0, len(reply.body), size):
            time.sleep(reply.slow / n_pieces)
            self.wfile.write(reply.body[start : start + size])

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a test's output is its own."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, double: ProviderDouble) -> None:
        self.double = double
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own would look up the name of the host
        self.server_name, self.server_port = self.server_address

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        crash = sys.exc_info()[1]
        if crash is not None and not isinstance(crash, ConnectionError):
            self.double.crashes.append(crash)

    def close(self) -> None:
        """Stop, and close what clients keep alive: their threads would go on answering."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
