"""`python -m nsl_tfx.cli`."""

from __future__ import annotations

from nsl_tfx.cli import main

if __name__ == "__main__":
    main(prog_name="nsl-tfx")
