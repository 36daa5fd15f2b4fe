"""What must not be written down: log-ins in addresses, secrets on a command line, files of a patch that may hold one.

Secrets in files are found by detect-secrets, by their patterns, names and entropy, and by a few rules that it lacks.
Nothing found is ever sent anywhere to be verified. A file that may hold a secret is left out even where that is
unlikely: a patch without it is a small loss, a published key cannot be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

MASK = "***@"
SHORTEST_TOKEN = 20  # characters; shorter random ones, such as the digests of this project, are no keys
LONGEST_LINE = 5_000  # characters; longer lines are data, and cost minutes of regular expressions
_NAMES = (
    r"(?:token(?=[_-]?\d*[\"'\]]*\s*[:=])|secret|passw(?:or)?d|passphrase|pwd|credential|webhook"
    r"|(?:api|access|auth|private)[_-]?key)"
)
_ASSIGNED = re.compile(rf"(?i)([\w.-]*{_NAMES}[\w.-]*=)\S+")
# Up to the last @ of a word: a password may hold a slash. Files (sqlite:///a@b.db) have no log-in.
_LOGIN = re.compile(r"(?i)\b(?!sqlite|file)([a-z][\w+.-]*://)(?!\*\*\*@)[^\s\"'<>]+@")
_QUERY = re.compile(rf"(?i)([?&][\w.-]*{_NAMES}[\w.-]*=)[^&\s\"']+")

_CODE = (".py", ".pyi", ".js", ".ts", ".c", ".cc", ".cpp", ".cu", ".h", ".go", ".rs", ".java")
_SECRET_FILES = re.compile(
    r"(?i)(\.env(\..*)?|.*\.(env|pem|key|p12|pfx|jks|kdbx|ppk|tfvars|tfstate)|id_(rsa|dsa|ecdsa|ed25519).*"
    r"|\.?(netrc|npmrc|pypirc|pgpass|htpasswd|git-credentials)|(.*[._-])?(credentials?|secrets?)([._-].*)?)"
)
_RULES = {
    "a log-in in an address": re.compile(r"(?i)\b[a-z][\w+.-]*://[^\s\"'@]*:[^\s\"'@]*[^\s\"'@/{}<$][^\s\"'@]*@"),
    "a webhook": re.compile(r"(?i)https?://\S*(?:\bhooks?\.|/hooks?/|webhook)\S*"),
    "an access token": re.compile(r"\b(?:hf_|sk-|AIza|ya29\.|glpat-|gh[a-z]_|github_pat_)(?=[\w-]*\d)[\w-]{16,}"),
    "a key": re.compile(r"-----BEGIN [A-Z0-9 ]*-----|\bssh-(?:rsa|ed25519) AAAA"),
}
_NAMED = re.compile(
    rf"(?i)[\w.-]*{_NAMES}[\w.-]*[\"']?\]?\s*(?::|=>?)\s*(?P<quote>[\"'`]?)(?P<value>[^\s\"'`,;#(){{}}\[\]]{{4,}})"
)
_TOKEN = re.compile(rf"[A-Za-z0-9+/=_-]{{{SHORTEST_TOKEN},}}")
_EMPTY = ("null", "none", "true", "false", "undefined", "changeme")


def without_login(text: str, mask: str = MASK) -> str:
    """Text whose addresses carry no user, password or token: `http://***@host`."""
    return _QUERY.sub(r"\1***", _LOGIN.sub(rf"\g<1>{mask}", text))


def redact(text: str) -> str:
    """A command line without the values of secrets (`token=...`, `password=...`) and without log-ins in addresses."""
    return without_login(_ASSIGNED.sub(r"\1***", text))


def clean_patch(patch: str) -> tuple[str, list[str]]:
    """A git diff whose files that may hold a secret have no content, and the names of those."""
    parts = re.split(r"(?m)^(?=diff --git )", patch)
    kept, left_out = [], []
    finder = _finder() if patch else None
    for part in filter(None, parts):
        name = _name(part)
        why = finder.why(name, part.splitlines()) if finder else "detect-secrets is not installed"
        if why:
            left_out.append(name)
            head = part.partition("\n@@ ")[0].partition("\nGIT binary patch")[0].rstrip("\n")
            part = f"{head}\n# sweeper left out the changes of this file: it may hold a secret ({why})\n"
        kept.append(part)
    return "".join(kept), left_out


def _finder() -> _Finder | None:
    """None in an environment that lacks detect-secrets: a run must not fail for that, and nothing is kept unseen."""
    try:
        return _Finder()
    except ImportError:
        return None


def _name(part: str) -> str:
    """The file of one part of a diff, as git names it after the change (before it, where it was deleted)."""
    for mark in (r"^\+\+\+ \"?b/([^\n\"]+)", r"^--- \"?a/([^\n\"]+)", r"^diff --git .* \"?b/([^\n\"]+)"):
        if found := re.search(mark, part, re.MULTILINE):
            return found[1].strip()
    return "?"


class _Finder:
    """Finds the first line of a file that may hold a secret."""

    def __init__(self) -> None:
        from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class  # a tenth of a second
        from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin

        classes: dict[str, Any] = dict(get_mapping_from_secret_type_to_class())
        plugins: list[Any] = [plugin() for plugin in classes.values()]
        plugins = [plugin for plugin in plugins if plugin.secret_type != "Public IP (ipv4)"]
        self._entropy = [plugin for plugin in plugins if isinstance(plugin, HighEntropyStringsPlugin)]
        self._plugins = plugins

    def why(self, name: str, lines: list[str]) -> str:
        """What the file may hold, in words; "" where nothing looks like a secret."""
        if _SECRET_FILES.fullmatch(PurePosixPath(name).name):
            return "by its name"
        content = [line[1:] for line in lines if line[:1] in "+- " and line[:4] not in ("+++ ", "--- ")]
        is_code = PurePosixPath(name).suffix.lower() in _CODE
        for line in content:
            if "pragma: allowlist secret" in line:
                continue
            if len(line) > LONGEST_LINE:
                return f"a line of {len(line)} characters"
            if found := next(self._in_line(line, name if is_code else "settings.ini", is_code), ""):
                return found
        return ""

    def _in_line(self, line: str, name: str, is_code: bool) -> Iterator[str]:
        yield from (rule for rule, pattern in _RULES.items() if pattern.search(line))
        for match in _NAMED.finditer(line):
            is_special = "token" in match[0].lower() and len(match["value"]) < 8  # eos_token: end
            is_literal = match["quote"] or not is_code or re.fullmatch(r"\w*\d\w*", match["value"])
            if is_literal and _is_value(match["value"]) and not is_special:
                yield "a value with the name of a secret"
        for plugin in self._plugins:
            for secret in plugin.analyze_line(filename=name, line=line, line_number=1):
                value = secret.secret_value or "?"
                if _is_value(value) and (plugin not in self._entropy or len(value) >= SHORTEST_TOKEN):
                    yield str(plugin.secret_type)
        if not is_code:
            quoted = " ".join(f'"{token}"' for token in _TOKEN.findall(line))
            for plugin in self._entropy:
                if plugin.analyze_line(filename=name, line=quoted, line_number=1):
                    yield str(plugin.secret_type)


def _is_value(text: str) -> bool:
    """Whether a text may be a secret itself, and is no reference to one (`${PASSWORD}`, `<password>`) and no word."""
    text = text.strip()
    is_reference = text.startswith(("$", "<", "{", "os.environ")) or "***" in text
    return bool(text) and not is_reference and text.lower() not in _EMPTY
