from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sweeper.spec.document import parse, read
from sweeper.spec.load import schema
from sweeper.spec.overrides import KEYS, PARAMETER_KEYS
from sweeper.spec.schema import SweepKeys
from sweeper.spec.sections import ParameterKeys
from tests.spec.sweep_texts import CONTRACT
from tests.spec.test_wandb import ORDINARY

FOLDER = Path(__file__).parents[2] / "search_spaces"
FILES = sorted(FOLDER.glob("*.yaml"))


def properties(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield from node.get("properties", {}).items()
        for value in node.values():
            yield from properties(value)


def test_the_schema_is_of_draft_2020_12() -> None:
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_key_has_a_description_and_an_example_that_is_valid() -> None:
    keys = list(properties(schema()))
    assert len(keys) > 80
    for name, node in keys:
        assert node.get("description"), name
        assert node.get("examples"), name
        for example in node["examples"]:
            jsonschema.Draft202012Validator({**node, "$defs": schema()["$defs"]}).validate(example)


@pytest.mark.parametrize("text", [CONTRACT, ORDINARY], ids=["contract", "wandb"])
def test_what_the_reader_takes_the_schema_takes(text: str) -> None:
    jsonschema.validate(parse(text, "f").tree, schema())


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_published_files_name_the_schema_and_follow_it(file: Path) -> None:
    assert file.read_text().splitlines()[0] == "# yaml-language-server: $schema=./sweeper.schema.json"
    jsonschema.validate(read(file).tree, schema())


def test_the_published_schema_is_the_present_one() -> None:
    """`sweeper schema > search_spaces/sweeper.schema.json` after a change of the models."""
    assert json.loads((FOLDER / "sweeper.schema.json").read_text()) == schema()


@pytest.mark.parametrize(
    "tree",
    [{"seed": 3}, {"seeds": 0}, {"method": "gird"}, {"parameters": {"a": {"valus": [1]}}},
     {"budget": {"wall": "soon"}}, {"metric": {"goal": "minimize"}}, {"resources": {"gpu": "all"}},
     {"parameters": {"a": {"distribution": "log_uniform"}}}],
)  # fmt: skip
def test_what_the_reader_refuses_an_editor_underlines(tree: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, schema())


def test_every_key_can_be_overridden() -> None:
    ours = {
        name for name in SweepKeys.model_fields if name not in ("program", "project", "entity", "command", "run_cap")
    }
    assert set(PARAMETER_KEYS) == ParameterKeys.model_fields.keys() - {"parameters"}
    assert set(KEYS) == ours - {"extends"}
