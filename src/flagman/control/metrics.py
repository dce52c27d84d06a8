"""The answer to a request for metrics."""

from __future__ import annotations

from flagman.service.request import Content
from flagman.service.request_error import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.service.metrics import Metrics
    from flagman.service.parts import Site
    from flagman.service.request import Request


class MetricsRoute:
    """Answers with the metrics of a run; in the control loop.

    :param site: the doors of the run
    :param name: that of the daemon
    """

    def __init__(self, site: Site, name: str) -> None:
        self._site = site
        self._name = name
        self._metrics: Metrics | None = None

    def table(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return the route, by method and path."""
        return {("GET", "/metrics"): self._show}

    def _show(self, request: Request) -> None:
        check(request)
        if self._metrics is None:
            from flagman.service.metrics import Metrics  # noqa: PLC0415 - few daemons are asked for them

            self._metrics = Metrics(self._site, self._name)
        from flagman.text.metrics import MEDIA_TYPE  # noqa: PLC0415 - as above

        request.reply(200, Content(MEDIA_TYPE, self._metrics.text().encode()))
