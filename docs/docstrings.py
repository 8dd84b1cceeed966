"""Read `Example:` in docstrings as `Examples:`, which is what griffe shows as code."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Rename the heading before the docstring is parsed."""

    def on_object(self, *, obj: griffe.Object, **_context: Any) -> None:
        """Look at one object of the source."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
