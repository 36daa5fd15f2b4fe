"""The text of a sweep file, or why it cannot be one: what can be said before any parser looks at it."""

from __future__ import annotations

from pathlib import Path

from sweeper.errors import Problem, SpecError
from sweeper.wording import did_you_mean

MAX_BYTES = 1_000_000


def text_of(path: Path) -> str:
    """The text of a file. Raises SpecError for what is missing, no file, too large or not UTF-8."""
    name = str(path)
    try:
        if path.is_dir():
            files = ", ".join(sorted(file.name for file in path.glob("*.y*ml"))[:5])
            raise SpecError(
                Problem("this is a folder", name, allowed="a sweep file", hint=files and f"it holds {files}")
            )
        if not path.exists():
            near = did_you_mean(path.name, [file.name for file in path.parent.glob("*.y*ml")])
            raise SpecError(Problem("no such file", name, hint=near or "sweeper init writes a sweep file"))
        if not path.is_file():
            raise SpecError(Problem("this is not a regular file", name, allowed="a sweep file"))
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpecError(Problem("too large for a sweep file", name, found=f"{size} bytes", allowed=f"{MAX_BYTES}"))
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SpecError(
            Problem(
                "not UTF-8 text", f"{name}:{line}", found=f"byte 0x{error.object[error.start]:02x}", allowed="UTF-8"
            )
        ) from None
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SpecError(Problem(f"cannot read the file: {words}", name)) from None
