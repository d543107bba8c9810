"""How a defect of our own is told: its kind and its place in the code, never its text, which may hold a patient's datum."""

from __future__ import annotations

import traceback

__all__ = ["place_of"]


def place_of(error: BaseException) -> str:
    """`KeyError at connector/mapping/compile.py:120`."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "connector" in frame.filename.replace("\\", "/").split("/")]
    if not (ours or frames):
        return type(error).__name__
    last = (ours or frames)[-1]
    path = last.filename.replace("\\", "/")
    start = path.rfind("/connector/")
    return f"{type(error).__name__} at {path[start + 1 :] if start >= 0 else path.rsplit('/', 1)[-1]}:{last.lineno}"
