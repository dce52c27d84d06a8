"""The texts of files that come with the package."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec


def packaged(spec: ModuleSpec | None, *names: str) -> str:
    """Return a file beside a module; its loader reads it, because the package may be in an archive.

    :param spec: ``__spec__`` of the module
    :param names: the way to the file, from the directory of the module
    :raises ImportError: if the module has no files
    :raises OSError: if there is no such file
    """
    if spec is None or spec.origin is None or spec.loader is None:
        raise ImportError("the package has no files", name=spec.name if spec is not None else None)
    path = os.path.join(os.path.dirname(spec.origin), *names)  # noqa: PTH118, PTH120 - pathlib costs 5 ms
    data: bytes = spec.loader.get_data(path)  # type: ignore[attr-defined]
    return data.decode()
