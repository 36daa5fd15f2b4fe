"""W&B sweep files: their words that mean the same here, and a warning for each that has no meaning here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sweeper.errors import Problem, SpecError, excerpt
from sweeper.ledger.paths import is_folder_name, similar_folder_name
from sweeper.spec.document import Document, Place
from sweeper.trainer import program

IGNORED = (
    "program", "project", "entity", "command", "job", "image_uri", "controller", "scheduler", "apiVersion", "kind",
)  # fmt: skip
_IMPUTES = {"valid": "ignore", "best": "ignore", "latest": "worst"}


def translate(document: Document) -> tuple[Document, list[Problem]]:
    """The document with sweeper's keys, and warnings for unsupported ones. Raises SpecError for duplicates."""
    document = Document(dict(document.tree), dict(document.places))
    name = _name(document)
    _command(document)
    warnings = [*name, *_ignored(document), *_metric(document), *_seed(document)]
    if document.tree.get("method") == "bayes":
        document.tree["method"] = "gp"
    _run_cap(document)
    return document, warnings


def _name(document: Document) -> list[Problem]:
    """W&B shows a name and makes no folder of it, so that any text is in use there."""
    name = document.tree.get("name")
    if not isinstance(name, str) or not any(key in document.tree for key in IGNORED):
        return []
    better = similar_folder_name(name)
    if not better or is_folder_name(name):
        return []
    document.tree["name"] = better
    return [_warning(document, "name", f"{excerpt(name)} cannot be a folder and is read as {better}")]


def _command(document: Document) -> None:
    """`program` and `command` are the trainer of a file without one, where the program is there."""
    tree = document.tree
    path, command = tree.get("program"), tree.get("command", list(program.USUAL))
    if "trainer" in tree or not isinstance(command, list) or not all(isinstance(part, str) for part in command):
        return
    if isinstance(path, str):
        folders = [Path(), Path(str(document.place("program").file)).parent]
        if not any((folder / path).is_file() for folder in folders):
            return
        command = [part.replace("${program}", path) for part in command]
    elif "program" in tree or "command" not in tree or "${program}" in " ".join(command):
        return
    tree["trainer"] = {"command": command}
    for key in ("program", "command"):
        if tree.pop(key, None) is not None:
            document.places["trainer"] = document.places["trainer.command"] = document.place(key)


def _ignored(document: Document) -> list[Problem]:
    keys = [key for key in IGNORED if key in document.tree]
    has_trainer = "trainer" in document.tree
    hint = "" if has_trainer else "name the function to run with trainer:"
    if not has_trainer and isinstance(path := document.tree.get("program"), str):
        hint += f", or put {excerpt(path)} in this folder or next to the file"
    for key in keys:
        del document.tree[key]
    if not keys:
        return []
    message = f"{', '.join(keys)} (W&B): ignored"
    return [Problem(message, str(document.place(keys[0])), hint=hint)]


def _metric(document: Document) -> list[Problem]:
    """`metrics` is our list of them; of each, what optimizes is kept."""
    if "metrics" in document.tree and "metric" not in document.tree:
        document.tree["metric"] = document.tree.pop("metrics")
        moved = {key: place for key, place in document.places.items() if key.startswith("metrics")}
        document.places.update({f"metric{key[len('metrics') :]}": place for key, place in moved.items()})
    metric, warnings = document.tree.get("metric"), list[Problem]()
    if isinstance(metric, dict):
        document.tree["metric"] = _one_metric(document, "metric", metric, warnings)
    elif isinstance(metric, list):
        document.tree["metric"] = [
            _one_metric(document, f"metric[{index}]", item, warnings) if isinstance(item, dict) else item
            for index, item in enumerate(metric)
        ]
    return warnings


def _one_metric(document: Document, key: str, metric: dict[str, Any], warnings: list[Problem]) -> dict[str, Any]:
    kept = {name: value for name, value in metric.items() if name not in ("target", "impute_while_running")}
    for name in (name for name in metric if name not in kept):
        warnings.append(_warning(document, f"{key}.{name}", "this key of W&B has no effect here"))
    impute = kept.get("impute")
    if isinstance(impute, str) and impute in _IMPUTES:
        kept["impute"] = _IMPUTES[impute]
        warnings.append(_warning(document, f"{key}.impute", f"{impute} of W&B is read as {kept['impute']}"))
    return kept


def _seed(document: Document) -> list[Problem]:
    """A parameter named seed: here a configuration is its seeds, so its values become those of `seeds`."""
    parameters = document.tree.get("parameters")
    if not isinstance(parameters, dict) or "seed" not in parameters:
        return []
    keys = parameters["seed"]
    values = keys.get("values", [keys["value"]] if "value" in keys else None) if isinstance(keys, dict) else None
    message = "read as seeds: each configuration is trained with all of them"
    if isinstance(keys, dict) and values is None and type(keys.get("min")) is int and "max" in keys:
        values = [keys["min"]]
        message = f"a seed drawn from a range is read as seeds: {values}; for more: seeds: 3"
    if "seeds" in document.tree or not _are_seeds(values):
        found = excerpt(keys)
        refusal = "a parameter cannot be named seed"
        problem = Problem(refusal, str(document.place("parameters.seed")), "parameters.seed", found, hint="seeds: 3")
        raise SpecError(problem)
    document.tree["parameters"] = {name: keys for name, keys in parameters.items() if name != "seed"}
    document.tree["seeds"] = values
    document.places["seeds"] = document.place("parameters.seed")
    return [_warning(document, "parameters.seed", message)]


def _are_seeds(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(type(value) is int for value in values)


def _run_cap(document: Document) -> None:
    if "run_cap" not in document.tree:
        return
    place = document.place("run_cap")
    budget = document.tree.get("budget") or {}
    if not isinstance(budget, dict) or "trials" in budget:
        raise SpecError(Problem("run_cap is budget.trials", str(place), "run_cap", allowed="one of them"))
    document.tree["budget"] = {**budget, "trials": document.tree.pop("run_cap")}
    document.places["budget.trials"] = document.places["budget"] = Place(place.file, place.line, place.column)


def _warning(document: Document, key: str, message: str) -> Problem:
    return Problem(message, str(document.place(key)), key)
