"""The remote providers that a process asks: their clients, their limits, and whether their plans have batches."""

from __future__ import annotations

import time
from collections.abc import Callable

from corpora.errors import InputError
from labeling.prompting.remote_config import Api, RemoteConfig
from labeling.remote.client import Provider, ProviderError
from labeling.remote.pacing import Pacer, insist


class Providers:
    """Clients by config, each opened once; all who ask one model in this process keep its limits together.

    Attributes:
        say: told of the waits that providers ask for; it changes from stage to stage.
    """

    def __init__(self) -> None:
        self.say: Callable[[str], None] = lambda _: None
        self._clients: dict[RemoteConfig, Provider] = {}
        self._pacers: dict[tuple[RemoteConfig, str], Pacer] = {}
        self._apis: dict[RemoteConfig, Api] = {}  # how each reader is asked, as far as that was found out

    def client(self, remote: RemoteConfig) -> Provider:
        """A provider's client."""
        if remote not in self._clients:
            self._clients[remote] = Provider(remote)
        return self._clients[remote]

    def pacer(self, remote: RemoteConfig, model: str) -> Pacer:
        """The limits of a provider's model."""
        if (remote, model) not in self._pacers:
            self._pacers[remote, model] = Pacer(self.client(remote).name, say=self.tell)
        return self._pacers[remote, model]

    def tell(self, line: str) -> None:
        """Show a line wherever lines are shown now."""
        self.say(line)

    def known_api(self, remote: RemoteConfig) -> Api | None:
        """How a remote reader was asked by this process; None where it was not."""
        return self._apis.get(remote)

    def find_api(self, remote: RemoteConfig) -> Api:
        """How a remote reader is asked; whether its plan has batches is found out once.

        Raises:
            InputError: only batches are wanted and the plan has none, or the provider cannot be asked.
        """
        if remote not in self._apis:
            self._apis[remote] = remote.api_first
            if remote.api_first == "batch" and not self._has_batches(remote):
                self.fall_back(remote)
        return self._apis[remote]

    def fall_back(self, remote: RemoteConfig) -> None:
        """Ask call by call from now on, as the plan has no batches.

        Raises:
            InputError: only batches are wanted.
        """
        if remote.api == "batch":
            provider = self.client(remote)
            raise InputError(
                f"the plan of {remote.key_name} has no batches at {provider.name}",
                "a plan that has, for remote.api = 'batch'",
                "use 'auto' or 'direct', which is dearer (`tercet plan` says how much)",
            )
        self._apis[remote] = "direct"

    def _has_batches(self, remote: RemoteConfig) -> bool:
        provider = self.client(remote)
        try:
            return insist(provider.has_batches, sleep=time.sleep, say=self.tell)
        except ProviderError as error:
            raise provider.explain(error, "") from error
