"""The pages that people look at: one HTML file each, which loads nothing and may run nothing else.

In ``service/`` markup, style and script lie apart, so that each can be read. They are put together
when the service starts, and the policy that goes with a page names the digests of its own scripts
and styles: what somebody else got into it would not run.

References
----------
Content Security Policy Level 3, section 2.3.1 (hash sources), https://www.w3.org/TR/CSP3/.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from fastapi.responses import HTMLResponse

_PARTS = (
    (r'<link rel="stylesheet" href="([\w.-]+)">', "style"),
    (r'<script src="([\w.-]+)"></script>', "script"),
)


@dataclass(frozen=True)
class Page:
    """One page; the file is read when it is first asked for.

    Parameters
    ----------
    path : of its HTML; styles and scripts that it names lie beside it
    """

    path: Path

    @cached_property
    def text(self) -> str:
        """The whole page."""
        found = self.path.read_text(encoding="utf-8")
        for pattern, tag in _PARTS:
            found = re.sub(pattern, partial(self._inlined, tag), found)
        return found

    @cached_property
    def headers(self) -> dict[str, str]:
        """With them a browser runs the page's own scripts alone, and lets it ask this service."""
        return {
            "Content-Security-Policy": (
                f"default-src 'none'; connect-src 'self'; img-src data:; "
                f"style-src {self._digests('style')}; script-src {self._digests('script')}; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }

    def shown(self) -> HTMLResponse:
        """The page as an answer to a browser."""
        return self.shown_with(200)

    def shown_with(self, status: int) -> HTMLResponse:
        """The same with another status."""
        return HTMLResponse(self.text, status, headers=self.headers)

    def _inlined(self, tag: str, named: re.Match[str]) -> str:
        content = self.path.with_name(named[1]).read_text(encoding="utf-8")
        return f"<{tag}>\n{content}</{tag}>"

    def _digests(self, tag: str) -> str:
        contents = re.findall(rf"<{tag}>(.*?)</{tag}>", self.text, flags=re.DOTALL)
        return " ".join(f"'sha256-{_digest(content)}'" for content in contents) or "'none'"


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
