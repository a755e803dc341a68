"""The command `nsl-tfx`, a file a group of commands.

Help texts must not cost what the commands need, so each command imports that in its body.
"""

from __future__ import annotations

import sys

try:
    import click

    from nsl_tfx.cli.compile import compile_command
    from nsl_tfx.cli.demo import demo
    from nsl_tfx.cli.doctor import doctor
    from nsl_tfx.cli.graph import graph
    from nsl_tfx.cli.inspect import inspect
    from nsl_tfx.cli.new import new
    from nsl_tfx.cli.robustness import robustness
    from nsl_tfx.cli.run import run
    from nsl_tfx.version import __version__
except KeyboardInterrupt:
    # The first tenth of a second of a command; later ones are caught where they come.
    sys.exit(130)

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nsl-tfx")
def main() -> None:
    """Structured learning on TFX: graphs, adversarial training, and a robustness gate.

    Exit codes: 0 done, 1 a node failed or what was examined did not pass, 2 it cannot be done as
    asked, 3 a robustness that cannot be judged, 130 stopped.
    """


main.add_command(compile_command)
main.add_command(demo)
main.add_command(doctor)
main.add_command(graph)
main.add_command(inspect)
main.add_command(new)
main.add_command(robustness)
main.add_command(run)
