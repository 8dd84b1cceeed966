"""`interp app`: the explorer in the browser."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from interp.cli.options import app
from interp.cli.printing import complain, say


@app.command("app")
def explorer(
    runs: Annotated[Path, typer.Option(help="Folder with runs of `interp train`.")] = Path("runs"),
    pictures: Annotated[
        Path | None, typer.Option(help="Folder whose pictures are offered; default: the samples.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="A further network to offer; several times.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the page is served.")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Open the explorer: the toolkit in a browser, on this machine only."""
    from interp.explorer.settings import MODELS, PICTURES, RUNS, Settings

    os.environ[RUNS] = str(runs)
    os.environ[MODELS] = "\n".join(model or [])  # names have colons
    if pictures is not None:
        os.environ[PICTURES] = str(pictures)
    if not Settings.of().pictures.is_dir():
        complain(f"--pictures {Settings.of().pictures}: there is no such folder.")
        raise typer.Exit(2)
    say("Opening the network …")
    logging.disable(logging.WARNING)  # Streamlit warns of everything that it meets before it serves
    _warm_up()
    logging.disable(logging.NOTSET)
    _serve(port, browser=browser)


def _warm_up() -> None:
    """Import and run everything once, so that the first visitor need not wait for it."""
    from PIL import Image

    import interp.explorer.frame  # noqa: F401
    from interp.explaining import explain
    from interp.models import DEFAULT_MODEL, available, load

    available()
    model = load(DEFAULT_MODEL)
    explain(model, Image.new("RGB", (64, 64), "grey")).overlay()


def _serve(port: int, *, browser: bool) -> None:
    from streamlit.web import cli

    options = ["--server.port", str(port), "--server.headless", str(not browser).lower()]
    cli.main(["run", str(_script()), *options], standalone_mode=False)


def _script() -> Path:
    """Return the app: inside an installed package, at the top of a checkout."""
    import interp

    package = Path(interp.__file__).parent
    inside = package / "explorer" / "app.py"
    return inside if inside.is_file() else package.parent / "app.py"
