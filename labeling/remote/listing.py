"""Reads the pages of a provider's lists, whose shape is as the provider likes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def read_page(page: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, str] | None]:
    """The batches on a page, and the query for the next page; None for the last one.

    Raises:
        ValueError: it is not a page of a list, so nothing can be said about what is not on it.
    """
    listed, paging, has_more = page.get("data"), page.get("paging") or {}, page.get("has_more") or False
    if not isinstance(listed, list):
        raise ValueError("no list of batches")
    if not isinstance(paging, dict) or not isinstance(has_more, bool):
        raise ValueError("no way to the next page")
    batches = [one for one in listed if isinstance(one, dict) and isinstance(one.get("id"), str)]
    if len(batches) < len(listed):  # one of them may be ours
        raise ValueError("a batch without an id")
    cursor = paging.get("next_cursor")
    if cursor is not None and not isinstance(cursor, str | int):
        raise ValueError("no way to the next page")
    if cursor:
        return batches, {"cursor": str(cursor)}
    if has_more and not batches:
        raise ValueError("no way to the next page")
    return batches, {"after": batches[-1]["id"]} if has_more else None


def read_files(page: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """The batch files on a page: id and size in bytes by name.

    A file that is not fully described is left out: it is then uploaded again, which costs nothing.
    """
    listed = page.get("data")
    files = (one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict))
    return {
        one["filename"]: (one["id"], one["bytes"])
        for one in files
        if one.get("purpose") == "batch"
        and isinstance(one.get("filename"), str)
        and isinstance(one.get("id"), str)
        and isinstance(one.get("bytes"), int)
    }
