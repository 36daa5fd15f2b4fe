"""What MLflow accepts as names, values and batches, and its errors in one line; without importing MLflow."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from sweeper.redaction import without_login
from sweeper.tracking.database import another_version, first_line
from sweeper.trial import Value, canonical
from sweeper.value_text import exact

# MLflow's own limits, cut to here rather than refused there (older servers take tags up to 5000 only).
LONGEST_TAG, LONGEST_PARAM, LONGEST_NAME = 5000, 6000, 250
SHOWN_NAME = 20  # characters of a run's name in lists and charts
CREDENTIALS = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
# MLflow's messages for a database with another schema than its own: older, newer, or so new that tables differ.
_SCHEMA = re.compile(r"database schema \(found version (\w+)|Can't locate revision identified by '(\w+)'")
# Its messages for a server that answered, but not as it should; its own retries lose the answer's text.
_ANSWER = re.compile(
    r"API request to (?P<url>\S+) failed with exception .*too many (?P<many>\d+) error responses"
    r"|failed with error code (?P<code>\d+) != \d+(?:\. Response body: '(?P<body>[^\n']*))?"
    r"|not in a valid JSON format\. Response body: '(?P<odd>[^\n']*)"
)
# What another attempt a moment later will not change.
_LASTING = re.compile(
    r"refused|not known|name resolution|no address|log-in|disk is full|no space left|no module named|installed here",
    re.IGNORECASE,
)


def batches(metrics: list[Any], params: list[Any], tags: list[Any]) -> Iterator[tuple[list[Any], list[Any], list[Any]]]:
    """As few calls of `log_batch` as MLflow allows: 100 params, 100 tags, 1000 of all together."""
    while metrics or params or tags:
        rest = 1000 - len(params[:100]) - len(tags[:100])
        yield metrics[:rest], params[:100], tags[:100]
        metrics, params, tags = metrics[rest:], params[100:], tags[100:]


def legal(name: str) -> str:
    """The name as MLflow accepts it: letters, digits and `/_.- :`, and no path that leads elsewhere (`../a`)."""
    cleaned = re.sub(r"[^/\w.\- :]", "_", name)
    return posixpath.normpath(cleaned).lstrip("/.")[:LONGEST_NAME] or "_"


def text(value: Value) -> str:
    """A value as text that reads back: 3000000, 0.1, true, null, adam, "1" in quotes for the string."""
    return exact(canonical(value))[:LONGEST_PARAM]


def ms(seconds: float) -> int:
    """Seconds as MLflow counts time: whole milliseconds."""
    return round(seconds * 1000)


def one_line(error: Exception, address: str) -> str:
    """What went wrong, in one line, without passwords, and with the cure where there is one."""
    message = " ".join(str(error).split()) or type(error).__name__
    if schema := _SCHEMA.search(message):
        return another_version(address, schema[1] or schema[2])
    if "error code 401" in message or "error code 403" in message:
        return f"{address} refuses this log-in: {CREDENTIALS}"
    if answer := _ANSWER.search(str(error)):
        status = answer["many"] or answer["code"] or "200"
        said = answer["body"] or answer["odd"] or (first_line(answer["url"], int(status)) if answer["url"] else "")
        said = without_password(said.strip())[:150]
        is_markup = said.startswith("<")  # the first line of a page of HTML is no use
        return f"{address} answers with HTTP {status}" + (f": {said}" if said and not is_markup else "")
    if "Max retries exceeded" in message or "timeout exception" in message:
        why = re.search(r"Connection refused|Name or service not known|Temporary failure in name resolution", message)
        return f"{address} does not answer" + (f": {why[0].lower()}" if why else "")
    return without_password(message)[:300]


def will_last(error: str) -> bool:
    """Whether an error, in the words of `one_line`, is one that waiting some seconds more will not cure."""
    return bool(_LASTING.search(error)) and " answers with HTTP 5" not in error


def without_password(text: str) -> str:
    """Text whose addresses carry no user and no password."""
    return without_login(text, mask="")


def run_name(name: str, key: str) -> str:
    """The name of a run, unlike others where only its first characters are shown: its key is then the first of them."""
    return (name if len(name) <= SHOWN_NAME else f"{key[:6]} {name}")[:LONGEST_NAME]
