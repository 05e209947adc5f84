"""A receiver process of its own: ``python -m daemon.receiving DESCRIPTOR NUMBER``, by the daemon.

See `daemon.intake.processes` for what it is given.
"""

import gc
import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.clock import Chronometer
    from daemon.intake.association.requests import AnswerTable
    from daemon.ledger.ledger import Ledger
    from daemon.settings import Place, Settings

NOT_NEEDED = ("gdcm", "requests")
"""pydicom loads them where they are installed, to decode and to download: 25 MB a process."""


def processor_of(number: int) -> int:
    """Return the processor of the `number`-th receiver process."""
    allowed = sorted(os.sched_getaffinity(0), reverse=True)  # interrupts mostly go to the first
    return allowed[number % len(allowed)]


def main() -> None:
    """Receive until standard input ends."""
    for name in NOT_NEEDED:
        sys.modules[name] = None  # type: ignore[assignment]  # the documented way to have none
    from daemon import logs
    from daemon.clock import Chronometer
    from daemon.intake.processes import answer
    from daemon.intake.reception import Reception
    from daemon.ledger.ledger import open_ledger
    from daemon.settings import Place, Settings

    answers_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    task = json.loads(sys.stdin.readline())
    settings = Settings.model_validate_json(json.dumps(task["settings"]))
    logs.configure(settings.log.level, settings.log.style)
    place = Place(root=Path(task["root"]))
    ledger = open_ledger(place, settings.ledger, migrate=False)
    clock = Chronometer()
    answers = _answers(settings, place, ledger, clock)
    processor = processor_of(int(sys.argv[2]))
    reception = Reception(settings, place, ledger, clock, answers, processor)
    reception.start(socket.socket(fileno=int(sys.argv[1])))
    gc.freeze()  # what is there now stays: no need to look through it again and again
    for question in sys.stdin:
        print(answer(question, reception.sending.studies()), file=answers_to, flush=True)
    reception.stop()
    ledger.close()


def _answers(
    settings: "Settings", place: "Place", ledger: "Ledger", clock: "Chronometer"
) -> "AnswerTable":
    """Return what is answered to storage commitment; asking and reporting is the daemon's."""
    from daemon.calling.scu import Caller
    from daemon.commitment.answers import answers
    from daemon.commitment.asker import Hearing
    from daemon.commitment.keeper import PromiseKeeper
    from daemon.ledger.commitments import Commitments
    from daemon.ledger.promises import Promises

    patience, peers = settings.delivery, settings.commitment_peers()
    caller = Caller(settings.node.ae_title, patience.timeout_s)  # nobody is called here
    keeper = PromiseKeeper(Promises(ledger), place.spool, peers, caller, patience, clock)
    return answers(keeper, Hearing(Commitments(ledger), patience, clock))


if __name__ == "__main__":
    main()
