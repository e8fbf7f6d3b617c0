"""A client of the provider double without a network: what is above the SDK runs as it is, in a tenth of the time."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.client import Provider, ProviderError
from labeling.remote.listing import read_files
from tests.doubles.provider import ProviderDouble, read_call

FORM = "multipart/form-data; boundary=edge"
FIELD = '--edge\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'


@cache
def opened(remote: RemoteConfig) -> Provider:
    """A client that is opened once: to open the SDK takes longer than a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROQ_API_KEY", "sk-off-the-wire")
        return Provider(remote)


class OffTheWire(Provider):
    """Calls the double's endpoints directly; the double needs no `with` block."""

    def __init__(self, double: ProviderDouble, remote: RemoteConfig) -> None:
        self.__dict__ |= vars(opened(remote))
        self.double = double

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        headers = {"Content-Type": kind, "Authorization": "Bearer off-the-wire"}
        reply = self.double.serve(read_call(method, f"/v1{path}", headers, body))
        if reply is None or reply.cut:
            raise ProviderError("cut off", status=None, sent=True)
        if reply.status != 200:
            error = json.loads(reply.body)["error"]
            raise ProviderError(error["message"], status=reply.status, code=error["code"] or "")
        return reply.body

    def _told(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> dict[str, Any]:
        return json.loads(self._ask(method, path, body, kind))

    def upload(self, file: Path, name: str) -> str:
        head = FIELD.format("purpose", "") + "batch\r\n" + FIELD.format("file", f'; filename="{name}"')
        form = head.encode() + file.read_bytes() + b"\r\n--edge--\r\n"
        return self.id_of(self._told("POST", "/files", form, FORM))

    def download(self, file_id: str, target: Path) -> None:
        target.write_bytes(self._ask("GET", f"/files/{file_id}/content"))

    def files(self) -> dict[str, tuple[str, int]]:
        return read_files(self._told("GET", "/files"))

    def file(self, file_id: str) -> dict[str, Any]:
        return self._told("GET", f"/files/{file_id}")

    def create_batch(self, file_id: str, endpoint: str, metadata: Any) -> dict[str, Any]:
        asked = {"input_file_id": file_id, "endpoint": endpoint, "completion_window": "24h", "metadata": metadata}
        return self._told("POST", "/batches", json.dumps(asked).encode())

    def batch(self, batch_id: str) -> dict[str, Any]:
        return self._told("GET", f"/batches/{batch_id}")

    def cancel(self, batch_id: str) -> dict[str, Any]:
        return self._told("POST", f"/batches/{batch_id}/cancel")

    def _page(self, query: Any) -> dict[str, Any]:
        return self._told("GET", "/batches?" + "&".join(f"{name}={value}" for name, value in query.items()))
