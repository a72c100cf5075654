"""A report in a browser, as its reader opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Shown:
    """A report that is open, what it asked for and what it complained of."""

    def __init__(self, browser: Any, path: Path, width: int = 1200) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("a dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def check(self, path: Path) -> None:
        assert self.complaints == []
        assert {url for url in self.requests if not url.startswith(("data:", "blob:"))} == {path.as_uri()}
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
