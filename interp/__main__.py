"""`python -m interp`, and what `accelerate launch -m interp` starts."""

from interp.cli import main

if __name__ == "__main__":
    main()
