"""The command line application, and options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from interp.cli.printing import complain


class Commands(TyperGroup):
    """The commands; Ctrl-C ends each with a sentence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("interrupted; nothing half-written is left.")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    name="interp",
    help="Where a trained CNN or U-Net looks, with which features, and whether the picture can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # Rich's help takes longer to import than everything else together
    pretty_exceptions_enable=False,
)

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="efficientnet_lite0 (offline), torchvision:NAME, timm:NAME, a saved folder, or a trusted .pkl.",
    ),
]
Trust = Annotated[
    bool,
    typer.Option("--trust-pickle", help="Open a pickle, which runs the code in it. Only your own files."),
]
Classes = Annotated[
    list[str] | None, typer.Option("--class", "-c", help="Class name or index; may be given several times.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
