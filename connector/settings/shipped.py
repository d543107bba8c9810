"""Where mappings and tables are: the repository in a checkout, `connector/_shipped` in a wheel, the site's folder laid over."""

from __future__ import annotations

from pathlib import Path

import msgspec

from connector.settings.models import Settings

__all__ = ["LibraryFiles", "find_library", "shipped"]

_PACKAGE = Path(__file__).resolve().parent.parent


class LibraryFiles(msgspec.Struct, frozen=True):
    """The texts to compile: `mappings` and `terminology` by their place, `sites` that are laid over, and where each place is on disk.

    A site's overlays bear the place `mappings/sites/<site>/…` wherever their folder is; `files` says the real one.
    """

    mappings: dict[str, str]
    terminology: dict[str, str]
    sites: tuple[str, ...] = ()
    files: dict[str, Path] = {}


def shipped(name: str) -> Path:
    """The product's own `mappings` or `terminology` folder."""
    checkout = _PACKAGE.parent / name
    if (_PACKAGE.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    return _PACKAGE / "_shipped" / name


def find_library(settings: Settings | None = None) -> LibraryFiles:
    """Read the product's mappings and tables and, with settings, those of the site."""
    files: dict[str, Path] = {}
    mappings = _texts(shipped("mappings"), "mappings", ".yaml", files)
    terminology = _texts(shipped("terminology"), "terminology", ".csv", files)
    if settings is None:
        return LibraryFiles(mappings, terminology, (), files)
    if settings.mappings is not None:
        mappings |= _texts(settings.mappings, f"mappings/sites/{settings.site}", ".yaml", files)
    if settings.terminology is not None:
        terminology |= _texts(settings.terminology, "terminology", ".csv", files)
    overlaid = any(place.startswith(f"mappings/sites/{settings.site}/") for place in mappings)
    return LibraryFiles(mappings, terminology, (settings.site,) if overlaid else (), files)


def _texts(folder: Path, prefix: str, suffix: str, files: dict[str, Path]) -> dict[str, str]:
    texts: dict[str, str] = {}
    if folder.is_dir():
        for path in sorted(folder.rglob(f"*{suffix}")):
            place = f"{prefix}/{path.relative_to(folder).as_posix()}"
            texts[place] = path.read_text(encoding="utf-8")
            files[place] = path
    return texts
