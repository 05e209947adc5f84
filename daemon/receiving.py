"""A receiver process of its own: ``python -m daemon.receiving DESCRIPTOR NUMBER``, by the daemon.

See `daemon.intake.processes` for what it is given.
"""

import gc
import json
import os
import socket
import sys
from pathlib import Path

NOT_NEEDED = ("gdcm", "requests")
"""pydicom loads them where they are installed, to decode and to download: 25 MB a process."""


def keep_to_one_processor(number: int) -> None:
    """Let the threads of this process, the `number`-th of its kind, share one processor.

    The interpreter runs one of them at a time. Spread over processors they spend as much on waking
    each other there as on receiving: two processes that keep to theirs receive half as much again.
    """
    allowed = sorted(os.sched_getaffinity(0), reverse=True)  # interrupts mostly go to the first
    os.sched_setaffinity(0, {allowed[number % len(allowed)]})


def main() -> None:
    """Receive until standard input ends."""
    keep_to_one_processor(int(sys.argv[2]))
    for name in NOT_NEEDED:
        sys.modules[name] = None  # type: ignore[assignment]  # the documented way to have none
    from daemon import logs
    from daemon.clock import utc_now
    from daemon.commitment.wiring import build_safekeeping
    from daemon.intake.reception import Reception
    from daemon.ledger.ledger import Ledger
    from daemon.settings import Place, Settings

    task = json.loads(sys.stdin.readline())
    settings = Settings.model_validate_json(json.dumps(task["settings"]))
    logs.configure(settings.log.level, settings.log.style)
    place = Place(root=Path(task["root"]))
    ledger = Ledger(settings.ledger.url or place.ledger, migrate=False)
    answers = build_safekeeping(settings, place, ledger, utc_now).answers
    reception = Reception(settings, place, ledger, utc_now, answers)
    reception.start(socket.socket(fileno=int(sys.argv[1])))
    gc.freeze()  # what is there now stays: no need to look through it again and again
    sys.stdin.read()
    reception.stop()
    ledger.close()


if __name__ == "__main__":
    main()
