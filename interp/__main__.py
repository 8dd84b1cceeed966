"""`interp`, `python -m interp`, and what `accelerate launch -m interp` starts."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C is heard while it is still being imported, too."""
    try:
        from interp.cli import main as command

        command()
    except KeyboardInterrupt:
        sys.stderr.write("interp: interrupted; nothing half-written is left.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
