"""Start daemons quickly: import everything once, then fork a whole daemon process for each order.

Reads orders from standard input, a JSON line each; answers with the process id. What a fork runs
is the command line's own `run`.
"""

import json
import os
import signal
import sys
from pathlib import Path

import highdicom  # noqa: F401  # imported early by the daemon's rooms anyway
import onnxruntime  # noqa: F401

from daemon import __main__ as command_line
from daemon import crashpoints


def _become_daemon(order: dict[str, str | None]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(str(order["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDWR)
    for target, source in ((0, nothing), (1, nothing), (2, log)):
        os.dup2(source, target)
    crashpoints._CRASH_AT = order["crash_at"]
    sys.argv = ["wristd", "--config", str(order["settings"])]
    command_line.main()


def serve() -> None:
    """Fork until the orders end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: no zombies
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setsid()
            _become_daemon(json.loads(line))
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    serve()
