from __future__ import annotations

import sys

import pytest

from sweeper.redaction import clean_patch, redact, without_login


def diff(name: str, *lines: str) -> str:
    head = f"diff --git a/{name} b/{name}\nindex 1..2 100644\n--- a/{name}\n+++ b/{name}\n@@ -1 +1,9 @@\n"
    return head + "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("c.yaml", "api_key: abc123def"),
        ("c.yaml", "wandb: {key: 0f3c9a7be1d24c58a6b7c8d9e0f1a2b3c4d5e6f7}"),
        ("c.yaml", "password: hunter2"),
        ("c.yaml", "jwt: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"),
        ("c.json", '  "apiKey": "Zk3sDf92LmQp",'),
        (".env", "LEVEL=1"),
        ("deploy/prod.env", "LEVEL=1"),
        ("run.sh", "export HF_TOKEN=hf_abcdefghijklmnopqrstuvwx12"),
        ("c.toml", 'token = "ghp_abcdefghij0123456789abcdefghij012345"'),
        ("c.ini", "aws_access_key_id = AKIAIOSFODNN7EXAMPLE"),
        ("t.py", 'api_key = "sk1234abcd"'),
        ("t.py", "key = 'q8Zr3LxTn5Vb2KpWy7Hs9DfGj4Mc6RaE'"),
        ("t.py", 'os.environ["WANDB_API_KEY"] = "0f3c9a7be1d24c58"'),
        ("t.py", 'requests.post("https://hooks.slack.com/services/T0/B0/xyz")'),
        ("t.py", 'uri = "postgresql://me:pa/ss@host/db"'),
        ("notes.txt", "https://discord.com/api/webhooks/1234/abcd"),
        ("id_ed25519", "anything"),
        ("k.txt", "-----BEGIN RSA PRIVATE KEY-----"),
        ("k.txt", "MIIEpAIBAAKCAQEA7v9Jx3b2Qk1ZrT8sWmN0pLcVfYhGdUeOiKzXqBnMlSaRtPy"),
        ("n.ipynb", '"data": "' + "a" * 6000 + '"'),
    ],
)
@pytest.mark.parametrize("sign", ["+", "-", " "])
def test_a_file_that_may_hold_a_secret_is_left_out_of_a_patch_and_named(name: str, line: str, sign: str) -> None:
    others = diff("model.py", "-lr = 1", "+lr = 2")
    text, left_out = clean_patch(others + diff(name, "+first", sign + line) + others)
    assert left_out == [name]
    assert line not in text
    assert f"+++ b/{name}" in text
    assert "sweeper left out the changes of this file: it may hold a secret (" in text
    assert text.count("+lr = 2") == 2


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("t.py", "tokens = batch[:, 3]"), ("t.py", "pad_token = 0"), ("t.py", 'eos_token = "</s>"'),
        ("t.py", "def _secret(text: str) -> bool:"), ("t.py", 'password = os.environ["DB"]'),
        ("t.py", 'SAME_NUMBERS = {"c2f9455c7480": "50369f7ce8fe"}'), ("c.yaml", "password: ${DB_PASSWORD}"),
        ("c.yaml", "loss.token_weighting: baseline"), ("c.yaml", "eos_token_id: 50256"), ("c.yaml", "secret: null"),
        ("c.yaml", "task.tokenizer: gpt2-medium"), ("c.yaml", "loss.beta: {values: [0.1, 0.25]}"),
        ("c.yaml", "data: /scratch/users/me/data/train.csv"), ("d.csv", "0.83729183721,0.123456789012,12345"),
        ("R.md", "See https://github.com/a/b and git@github.com:a/b.git"),
        ("t.py", 'token = "abcd1234efgh"  # pragma: allowlist secret'),
    ],
)  # fmt: skip
def test_ordinary_changes_stay_in_a_patch(name: str, line: str) -> None:
    patch = diff(name, f"+{line}")
    assert clean_patch(patch) == (patch, [])


def test_nothing_that_is_found_is_sent_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """detect-secrets can verify what it finds at the service it belongs to; here it must not."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr("requests.Session.request", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    lines = ['+x = "xoxb-123456789012-abcdefghij"', '+y = "sk_live_abcdefghijklmnopqrstuvwx"']
    assert clean_patch(diff("t.py", *lines))[1] == ["t.py"]


def test_an_empty_patch_loads_nothing() -> None:
    assert clean_patch("") == ("", [])


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://u:p@h:5000", "http://***@h:5000"),
        ("http://u:p/q@h/x", "http://***@h/x"),
        ("https://token@h", "https://***@h"),
        ("postgresql://u:p@h/db?sslmode=require&password=x", "postgresql://***@h/db?sslmode=require&password=***"),
        ("http://h:5000/x", "http://h:5000/x"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("http://***@h", "http://***@h"),
    ],
)
def test_an_address_is_shown_without_its_log_in(address: str, shown: str) -> None:
    assert without_login(address) == without_login(shown) == shown


def test_a_command_line_is_kept_without_secrets() -> None:
    text = redact("run --x token=abc DB_PASSWORD=hunter2 tracking.uri=http://me:p/w@host/path lr=0.1")
    assert text == "run --x token=*** DB_PASSWORD=*** tracking.uri=http://***@host/path lr=0.1"


def test_without_detect_secrets_no_content_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "detect_secrets.core.plugins.util", None)
    text, left_out = clean_patch(diff("t.py", "+lr = 2"))
    assert left_out == ["t.py"]
    assert "lr = 2" not in text
    assert "detect-secrets is not installed" in text
