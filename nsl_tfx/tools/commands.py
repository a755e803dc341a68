"""What the commands share: a mistake of the user's is one line, not a traceback."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turns an exception that tells of wrong input into a line on standard error and exit code 1.

    Those are the ones that this library raises on purpose, and those of the file system. Any other
    is a defect, whose traceback is what a report of it needs. An interrupt exits with 130.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\nStopped. Nothing was written.", err=True)
        sys.exit(130)
    except MemoryError:
        click.echo("Error: There is not enough memory. Use a machine with more of it.", err=True)
        sys.exit(1)
    except (ValueError, TypeError, OSError) as error:
        # Python itself raises TypeErrors too, for code that is wrong; ours say what was expected.
        if isinstance(error, TypeError) and not str(error).startswith("Expected"):
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
