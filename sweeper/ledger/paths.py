"""Names that become folders: they can neither leave the results folder nor hide in it."""

from __future__ import annotations

import re

ALLOWED = "letters, digits, '.', '_', '-' and inner spaces; first a letter, digit or _; at most 100"
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._ -]{0,98}[A-Za-z0-9_-])?")
_RESERVED = ("mlflow.db", "mlartifacts")  # what else lies in the results folder


def is_folder_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name.lower() not in _RESERVED


def similar_folder_name(name: str) -> str:
    """The nearest name that can be a folder; empty where nothing is left of it."""
    better = re.sub(r"[^A-Za-z0-9._-]+", "-", name[:80])
    better = re.sub(r"-{2,}", "-", better).strip("-. ")
    return better if is_folder_name(better) else ""
