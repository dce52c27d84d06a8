"""The template of the page, read once, and the policy that allows its own style and script and nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from flagman.text.packaged import packaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagman.control.page.markup import Html

_NAME = "page.html"
# What stands for a part of the page.
_PLACE = re.compile(r"\{\{(\w+)\}\}")


class Template:
    """A page with places for its parts.

    :param source: its HTML, with places such as ``{{title}}``, one ``<style>`` and one ``<script>``
    """

    def __init__(self, source: str) -> None:
        #: By turns a piece of the source and the name of a place.
        self._pieces = _PLACE.split(source)
        #: Another one for each other template.
        self.mark = sha256(source.encode()).hexdigest()[:16]
        style, script = (_hash(source, name) for name in ("style", "script"))
        #: What a browser may do with the page, see https://www.w3.org/TR/CSP3/ .
        self.policy = "; ".join(
            (
                "default-src 'none'",
                f"style-src {style}",
                f"script-src {script}",
                "connect-src 'self'",
                "img-src data:",
                "form-action 'self'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
                "trusted-types 'none'",
            )
        )

    def filled(self, parts: Mapping[str, Html]) -> str:
        """Return the page.

        :param parts: by the names of their places
        """
        pieces = self._pieces
        return "".join(parts[piece] if index % 2 else piece for index, piece in enumerate(pieces))


def _hash(source: str, name: str) -> str:
    content = source.partition(f"<{name}>")[2].partition(f"</{name}>")[0]
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


#: That of the page; read with this module, because another root may not have it.
TEMPLATE = Template(packaged(__spec__, _NAME))
