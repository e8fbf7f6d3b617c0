"""Says in one line what a user can do about a provider's error that will not pass."""

from __future__ import annotations

from corpora.errors import InputError
from labeling.remote.wire.policy import Policy
from labeling.remote.wire.provider_error import ProviderError

KEPT = "everything so far is kept"


def explain(error: ProviderError, provider: str, model: str, key_name: str | None, policy: Policy) -> InputError:
    """The line for an error.

    Args:
        error: what the provider answered, or did not.
        provider: its name in messages.
        model: the model that was asked for.
        key_name: the variable that holds the key; None if the server needs none.
        policy: how long a provider may ask to wait.
    """
    if error.status == 401:
        return _refused_key(provider, key_name)
    if error.is_missing_model:
        return InputError(
            f"{provider} does not serve {model!r} ({error.message})",
            "a model that it serves",
            "change `model` (`tercet models check EXPERIMENT` lists the models that it serves)",
        )
    if error.is_out_of_money:
        return InputError(
            f"the account at {provider} has nothing left to spend ({error.message})",
            "an account with credit",
            f"top it up and run again: {KEPT}",
        )
    if error.is_redirect:
        return InputError(
            f"{provider} sends the request on to another address ({error.message})",
            "an answer from the address itself, since documents and keys go nowhere else",
            "set remote.base_url to the address that answers, if you trust it",
        )
    if error.expected:
        return InputError(f"{provider} sent {error.message}", error.expected, f"check the server and run again: {KEPT}")
    return _will_not_pass(error, provider, policy)


def _refused_key(provider: str, key_name: str | None) -> InputError:
    return InputError(
        f"{provider} refuses {f'the key in {key_name}' if key_name else 'a request without a key'}",
        "a valid key",
        f"set {key_name or 'remote.key_variable to the name of the variable that holds it'}",
    )


def _will_not_pass(error: ProviderError, provider: str, policy: Policy) -> InputError:
    if error.is_transient and is_too_long(error, policy):
        return InputError(
            f"{provider} asks to wait {show_wait(error.retry_after or 0.0)} ({error})",
            f"a wait of at most {show_wait(policy.wait_seconds)}",
            f"run again after that: {KEPT}",
        )
    if error.is_transient:
        return InputError(f"{provider} does not answer ({error})", "an answer", f"run again later: {KEPT}")
    return InputError(
        f"{provider} refuses the request ({error})", "a request that it accepts", "correct the reader's settings"
    )


def is_too_long(error: ProviderError, policy: Policy) -> bool:
    """Whether an error asks for a longer wait than the policy allows."""
    return error.retry_after is not None and error.retry_after > policy.wait_seconds


def show_wait(seconds: float) -> str:
    """A wait in words: 45 seconds, 15 minutes, 27.8 hours."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
