"""The kinds of values in a sweep file, as pydantic types."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    WrapValidator,
)

from sweeper.errors import did_you_mean, excerpt
from sweeper.ledger.paths import ALLOWED, is_folder_name, similar_folder_name
from sweeper.redaction import without_login
from sweeper.spec.space.expressions import condition
from sweeper.spec.space.parameters import DISTRIBUTIONS, EXPONENTS, Complaint

MAX_SEEDS = 10_000
STORAGE_OPTIONS = ("endpoint_override", "scheme", "region")  # of an S3 server
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def _as_written(value: Any, check: Callable[[Any], float]) -> Any:
    check(value)
    return value


def _condition(text: str) -> str:
    condition(text)
    return text


def _one_word(text: str) -> str:
    if re.search(r"[\s=]", text):
        raise Complaint("a short name has no spaces and no =", allowed="one word")
    return text


def folder_name(name: Any) -> Any:
    """A sweep's name, which becomes a folder."""
    if isinstance(name, str) and not is_folder_name(name):
        better = similar_folder_name(name)
        hint = f"{better} would do" if better else ""
        raise Complaint("this name cannot be a folder in the results", allowed=ALLOWED, hint=hint)
    return name


def seconds(value: Any) -> Any:
    """A duration in seconds: 90, 30m, 1h30m, 2d."""
    if isinstance(value, str) and value and (match := _DURATION.fullmatch(value.replace(" ", ""))):
        parts = zip(match.groups(), (86400, 3600, 60, 1), strict=True)
        return float(sum(float(part) * unit for part, unit in parts if part))
    return value


def _auto(value: Any) -> Any:
    return None if value == "auto" else value


def one_or_more_metrics(value: Any) -> Any:
    items = value if isinstance(value, list) else [value]
    return [{"name": item} if isinstance(item, str) else item for item in items]


def seeds_in_full(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MAX_SEEDS:
            raise Complaint("no such number of seeds", allowed=f"1 to {MAX_SEEDS}, or a list")
        return list(range(value))
    return value


def _storage_url(text: str) -> str:
    """A bucket or an absolute folder; without a log-in, which would be written down."""
    parts = urlsplit(text)
    allowed = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, or an absolute path"
    if "@" in parts.netloc or {name for name, _ in parse_qsl(parts.query)} - set(STORAGE_OPTIONS):
        hint = "log-ins come from the environment, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        found = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
        raise Complaint("an address with more than a place in it", found=excerpt(found), allowed=allowed, hint=hint)
    is_bucket = parts.scheme in ("s3", "gs") and parts.netloc and not (parts.scheme == "gs" and parts.query)
    is_folder = parts.scheme in ("", "file") and not (parts.netloc or parts.query) and parts.path.startswith("/")
    if not (is_bucket or is_folder):
        raise Complaint("no storage", found=excerpt(text), allowed=allowed)
    return text


def _server_url(text: str) -> str:
    """An address whose log-in ends before its path: else what parses it names half of the password in an error."""
    authority, rest = [*re.split(r"[/?#]", text.partition("://")[2], maxsplit=1), ""][:2]
    _, has_port, port = authority.rpartition(":")
    if "@" in rest and "@" not in authority and has_port and not port.isdecimal():
        hint = "in a user or password write / as %2F, ? as %3F, # as %23; or use MLFLOW_TRACKING_USERNAME and _PASSWORD"
        found = without_login(text)
        raise Complaint("no address: its log-in has a /, ? or #", found=excerpt(found), hint=hint)
    return text


def _known_distribution(name: str) -> str:
    if name not in DISTRIBUTIONS and name not in EXPONENTS:  # those are refused with the fix spelled out
        hint = did_you_mean(name, list(DISTRIBUTIONS))
        raise Complaint("no such distribution", found=excerpt(name), allowed=", ".join(DISTRIBUTIONS), hint=hint)
    return name


Distribution = Annotated[
    str, AfterValidator(_known_distribution), WithJsonSchema({"type": "string", "enum": list(DISTRIBUTIONS)})
]
Condition = Annotated[str, AfterValidator(_condition)]
Label = Annotated[str, Field(min_length=1, max_length=60)]
ShortName = Annotated[str, Field(min_length=1, max_length=16), AfterValidator(_one_word)]
Count = Annotated[int, Field(ge=1, le=10**9)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Shape = Annotated[float, Field(ge=1e-3, le=1e6)]
Quantum = Annotated[float, Field(ge=1e-12), WrapValidator(_as_written)]
Number = Annotated[float, WrapValidator(_as_written)]  # 1 stays whole: the type of the bounds decides what is drawn
PositiveNumber = Annotated[float, Field(gt=0), WrapValidator(_as_written)]
Duration = Annotated[
    Positive,
    BeforeValidator(seconds, json_schema_input_type=Annotated[str, Field(pattern=r"^[0-9.dhms ]+$")] | Positive),
]
AutoCount = Annotated[Count | None, BeforeValidator(_auto, json_schema_input_type=Literal["auto"] | Count | None)]
AutoNumber = Annotated[
    NotNegative | None, BeforeValidator(_auto, json_schema_input_type=Literal["auto"] | NotNegative | None)
]


FolderName = Annotated[str, BeforeValidator(folder_name, json_schema_input_type=Annotated[str, Field(max_length=100)])]
StorageUrl = Annotated[str, AfterValidator(_storage_url)]
ServerUrl = Annotated[str, AfterValidator(_server_url)]


class Keys(BaseModel):
    """Keys that are all known, with values of exactly the right type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)
