"""What people take from a run: its files, and the commands that go on with it or look into its model."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from interp.explorer.figures import as_png_bytes
from interp.explorer.pages.training_command import resume_command, resume_python
from interp.explorer.pictures import FIRST, as_typed, sample_pictures
from interp.explorer.settings import Settings
from interp.explorer.taking import Download, command_line, take_home
from interp.explorer.words import say

if TYPE_CHECKING:
    from interp.training import RunRecord

KINDS = {".csv": "text/csv", ".json": "application/json"}


def draw_taking(record: RunRecord) -> None:
    """Draw the downloads, the code and the commands."""
    st.subheader(say("Take it home"), anchor=False)
    python, command, note = _python(record), None, ""
    if record.finished:
        command = _look_command(record)
    elif record.state() == "stopped" and record.recipe:
        # The recipes import fastai, which takes seconds.
        with st.spinner(say("Looking up the command …"), show_time=True):
            going_on, command = resume_python(record), resume_command(record)
        python = going_on or python
        note = _note(going_on, command)
    take_home("training", _downloads(record), python, command, note)


def _note(python: str | None, command: str | None) -> str:
    if command is not None:
        return say(
            "The command goes on with the run. Give it in the folder where the run was begun; "
            "without a checkpoint it begins anew."
        )
    if python is not None:
        return say("This run has settings that only Python can give; the Python above goes on with it.")
    return say("This run is of another version of interp; that version goes on with it.")


def _downloads(record: RunRecord) -> list[Download]:
    name = record.folder.name
    files = []
    if record.stages:
        curves = Download(
            say("Curves (PNG)"), f"{name}.png", "image/png", lambda: as_png_bytes(record.figure())
        )
        files.append(curves)
    for file in ("history.csv", "steps.csv", "config.json"):
        path = record.folder / file
        if path.is_file():
            files.append(Download(file, f"{name}-{file}", KINDS[path.suffix], path.read_bytes))
    if record.figures:
        archive = Download(
            say("All figures (ZIP)"), f"{name}.zip", "application/zip", partial(zipped, record.figures)
        )
        files.append(archive)
    return files


def zipped(paths: tuple[Path, ...]) -> bytes:
    """Return files as one archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in paths:
            archive.writestr(path.name, path.read_bytes())
    return buffer.getvalue()


def _python(record: RunRecord) -> str:
    lines = [
        "from interp.training import read_run",
        "",
        f"run = read_run({str(record.folder)!r})",
        "print(run.best)",
    ]
    if record.stages:
        lines.append("run.figure().savefig('curves.png')")
    if record.finished:
        lines = [
            "import interp",
            *lines,
            f"model = interp.load({str(record.folder)!r})",
            "print(model.name, model.task)",
        ]
    return "\n".join(lines) + "\n"


def _look_command(record: RunRecord) -> str:
    """Return the command that shows what the finished model does to a sample."""
    folder = str(record.folder)
    samples = {path.name: path for path in sample_pictures(str(Settings.of().pictures))}
    if not samples or record.recipe not in ("classifier", "segmentation", "superres", "gan"):
        return command_line("interp", "layers", folder)
    picture = as_typed(samples.get(FIRST) or next(iter(samples.values())))
    verb = "explain" if record.recipe in ("classifier", "segmentation") else "enhance"
    return command_line("interp", verb, picture, model=folder)
