"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import sys
import warnings

# isort: off
# In the order of `interp --help`.
from interp.cli import explain  # noqa: F401
from interp.cli import gallery  # noqa: F401
from interp.cli import report  # noqa: F401
from interp.cli import render  # noqa: F401
from interp.cli import evaluate  # noqa: F401
from interp.cli import games  # noqa: F401
from interp.cli import layers  # noqa: F401
from interp.cli import models  # noqa: F401
from interp.cli import metrics  # noqa: F401
from interp.cli import features  # noqa: F401
from interp.cli import unet  # noqa: F401
from interp.cli import dissect  # noqa: F401
from interp.cli import gram  # noqa: F401
from interp.cli import examples  # noqa: F401
from interp.cli import channel  # noqa: F401
from interp.cli import concepts  # noqa: F401
from interp.cli import visualize  # noqa: F401
from interp.cli import invert  # noqa: F401
from interp.cli import train  # noqa: F401
from interp.cli import enhance  # noqa: F401
from interp.cli import crappify  # noqa: F401
from interp.cli import explorer  # noqa: F401

# isort: on
from interp.cli.options import app
from interp.cli.printing import complain
from interp.sentences import is_sentence, sentence_of

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; a known failure is one sentence and a non-zero exit, not a traceback."""
    # fastai scripts functions while it is imported, which torch announces the end of.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.(jit|nn\.utils)")
    warnings.filterwarnings("ignore", message="You are shadowing an attribute", module=r"fastai\.callback")
    # A picture's name in letters the figures' font lacks: they show a box, and the file is right.
    warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
    try:
        app()
    except Exception as error:
        if not is_sentence(error) or os.environ.get("INTERP_TRACEBACK"):
            raise
        complain(sentence_of(error))
        sys.exit(2)
