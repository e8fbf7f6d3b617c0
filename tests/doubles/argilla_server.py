"""As much of an Argilla server as its own client needs to make a dataset, answer its records, and read it again."""

import json
import re
import uuid

import httpx

TIMES = {"inserted_at": "2026-11-30T01:02:03", "updated_at": "2026-11-30T01:02:03"}
PAGE = 7  # records at a time: fewer than there are
USER = {"username": "ann", "role": "owner", "first_name": "Ann", "last_name": None}


class ArgillaServer:
    """Keeps one workspace in memory; `transport` takes the place of the network.

    Attributes:
        records: those of the dataset, as the server has them.
        refused: addresses that were asked for and are not known here.
    """

    def __init__(self) -> None:
        self.user, self.workspace = str(uuid.uuid4()), str(uuid.uuid4())
        self.dataset: dict = {}
        self.settings: dict[str, list[dict]] = {}
        self.records: list[dict] = []
        self.refused: list[str] = []
        self.transport = httpx.MockTransport(self._answer)

    def respond(self, record_id: str, user: str, status: str = "submitted", **values: str) -> None:
        """Answer a record as a user would in the browser."""
        record = next(one for one in self.records if one["external_id"] == record_id)
        given = {name: {"value": value} for name, value in values.items()}
        record["responses"].append({"id": str(uuid.uuid4()), "user_id": user, "status": status, "values": given})
        if status == "submitted":
            record["status"] = "completed"

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1/")
        body = json.loads(request.content) if request.content else {}
        found = self._look_up(request.method, path, body, int(request.url.params.get("offset", 0)))
        if found is None:
            self.refused.append(f"{request.method} {path}")
            return httpx.Response(404, json={"detail": "not here"})
        return httpx.Response(200, json=found)

    def _look_up(self, method: str, path: str, body: dict, offset: int) -> dict | None:
        part = re.sub(r"^(me/)?datasets/[0-9a-f-]{36}", "DATASET", path)
        if path == "me":
            return {"id": self.user, **USER, **TIMES}
        if path.startswith(("me/workspaces", "workspaces/")):
            mine = {"id": self.workspace, "name": "argilla", **TIMES}
            return {"items": [mine]} if path == "me/workspaces" else mine
        if path == "me/datasets":
            return {"items": [self.dataset] if self.dataset else []}
        if (method, path) == ("POST", "datasets"):
            self.dataset = {"id": str(uuid.uuid4()), "status": "draft", **TIMES, **body}
            return self.dataset
        if part in ("DATASET", "DATASET/publish"):
            self.dataset |= {**body, **({"status": "ready"} if part.endswith("publish") else {})}
            return self.dataset
        kind = part.removeprefix("DATASET/")
        if kind in ("fields", "questions", "metadata-properties", "vectors-settings"):
            return self._setting(method, kind, body)
        if kind == "records/bulk":
            return self._store(body["items"])
        if kind in ("records", "records/search"):
            return self._page(method, offset)
        return None

    def _setting(self, method: str, kind: str, body: dict) -> dict:
        mine = self.settings.setdefault(kind, [])
        if method == "GET":
            return {"items": mine}
        mine.append({**body, "id": str(uuid.uuid4()), "dataset_id": self.dataset["id"], **TIMES})
        return mine[-1]

    def _store(self, items: list[dict]) -> dict:
        questions = {one["id"]: one["name"] for one in self.settings["questions"]}
        stored = []
        for item in items:
            suggestions = [one | {"question_name": questions.get(one["question_id"])} for one in item["suggestions"]]
            made = {"id": str(uuid.uuid4()), "status": "pending", "responses": [], "suggestions": suggestions, **TIMES}
            stored.append({**item, **made})
        self.records += stored
        return {"items": stored, "updated": []}

    def _page(self, method: str, offset: int) -> dict:
        items, total = self.records[offset : offset + PAGE], len(self.records)
        if method == "POST":  # a search
            return {"items": [{"record": one, "query_score": 1.0} for one in items], "total": total}
        return {"items": items, "total": total}
