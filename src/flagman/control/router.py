"""Which route serves a request."""

from __future__ import annotations

from flagman.service.request_error import RequestError
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.service.request import Request

    Route = Callable[[Request], None]


class Router:
    """All routes, by their paths.

    :param routes: by method and path; a segment in capitals is a value, as in ``("POST", "/flags/NAME")``
    """

    def __init__(self, routes: Mapping[tuple[str, str], Route]) -> None:
        self._patterns: dict[tuple[str, ...], dict[str, Route]] = {}
        # A path without values comes before a path with some that could also be meant.
        for method, path in sorted(routes, key=lambda key: sum(map(str.isupper, key[1].split("/")))):
            self._patterns.setdefault(tuple(path.split("/")[1:]), {})[method] = routes[method, path]

    def find(self, method: str, path: tuple[str, ...]) -> tuple[Route, dict[str, str]]:
        """Return the route of a request, and the values in its path.

        :param path: the decoded segments
        :raises RequestError: if there is no such path, or the path does not have the method
        """
        pattern = self._match(path)
        route = self._patterns[pattern].get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = self.allowed(path)
            message = f"{shown(method)} is not served at this path; these are: {allowed}"
            raise RequestError(405, "method-not-allowed", message, headers={"Allow": allowed})
        return route, {name: value for name, value in zip(pattern, path, strict=True) if name.isupper()}

    def allowed(self, path: tuple[str, ...]) -> str:
        """Return the methods that a path has, for the field Allow; those of all paths together for none.

        :raises RequestError: if there is no such path
        """
        patterns = [self._match(path)] if path else list(self._patterns)
        methods = {method for pattern in patterns for method in self._patterns[pattern]}
        return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))

    def _match(self, path: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in self._patterns:
            if len(pattern) == len(path) and all(
                value if name.isupper() else name == value for name, value in zip(pattern, path, strict=True)
            ):
                return pattern
        from difflib import get_close_matches  # noqa: PLC0415 - only on the way to a message

        known = ["/" + "/".join(pattern) for pattern in self._patterns]
        asked = "/" + "/".join(path)
        close = get_close_matches(asked, known, n=1)
        raise RequestError(404, "no-such-path", f"there is no path {shown(asked)!r}", did_you_mean=close)
