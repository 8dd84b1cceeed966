"""Opens the explorer's pages without a browser."""

from __future__ import annotations

import re
from unittest.mock import patch

import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from interp.explorer.pages import PAGES


def _script(name: str) -> None:
    from interp.explorer import links
    from interp.explorer.frame import choose_language, show
    from interp.explorer.pages import PAGES as PAGES_

    links.adopt()
    choose_language()
    show(next(page for page in PAGES_ if page.name == name))


def opened(name: str, *, check: bool = True, **query: str) -> AppTest:
    """Open the page called `name` with query parameters, and check that nothing went wrong."""
    assert name in {page.name for page in PAGES}
    app = AppTest.from_function(_script, args=(name,), default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = value
    # Streamlit reads the metadata of every installed package for each page that is opened: most of the time.
    with patch.object(manifest_scanner, "scan_component_manifests", list):
        app.run()
    return checked(app) if check else app


def checked(app: AppTest) -> AppTest:
    """Fail on an exception or an error that the page shows."""
    assert not app.exception, [each.value for each in app.exception]
    assert not app.error, [each.value for each in app.error]
    return app


def words(app: AppTest) -> str:
    """Return everything that the page says, side bar included."""
    said = [_said(element) for block in (app.main, app.sidebar) for element in block]
    labels = [getattr(element, "label", "") for block in (app.main, app.sidebar) for element in block]
    return re.sub(r"data:[^'\"]+", "", "\n".join(map(str, [*said, *labels])))


def _said(element: object) -> str:
    value = getattr(element, "value", None)
    # A table of numbers has no truth value.
    said = "" if value is None else str(value)
    return said or str(getattr(element, "label", None) or "")


def forget() -> None:
    """Empty the caches that sessions share."""
    st.cache_data.clear()
    st.cache_resource.clear()
