"""The command line: `wristd`, or `python -m daemon`; its commands register themselves."""

import sys

from daemon.cli import decide as decide
from daemon.cli import fetch as fetch
from daemon.cli import look as look
from daemon.cli import read as read
from daemon.cli import route as route
from daemon.cli import run as run
from daemon.cli.app import app as app
from daemon.errors import EXIT_MISCONFIGURED, Misconfigured, Rejected, Unavailable


def main() -> None:
    """Run the command line; what the operator must mend ends with exit code 78."""
    try:
        app()
    except Misconfigured as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_MISCONFIGURED)
    except (Rejected, Unavailable) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
