"""Finding a sweep file by what a person types: a path, or the name of one of the collection."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("search_spaces")
SHIPPED = Path(__file__).resolve().parents[1] / "search_spaces"  # those that come with the package
ENDINGS = ("", ".yaml", ".yml")


def find_file(file: Path) -> Path:
    """The file as given, else with `.yaml`, else in `search_spaces/`, else among those that come with the package.

    Where none is there, what was given: reading it reports that.
    """
    if file.is_absolute() or ".." in file.parts:
        folders = [Path()]
    else:
        folders = [Path(), FOLDER, *([SHIPPED] if len(file.parts) == 1 else [])]
    candidates = (folder / f"{file}{ending}" for folder in folders for ending in ENDINGS)
    return next((path for path in candidates if path.is_file()), file)


def names() -> list[str]:
    """The names that `find_file` finds: those of `search_spaces/` and of the package."""
    return sorted({path.stem for folder in (FOLDER, SHIPPED) for path in folder.glob("*.yaml")})
