"""What storage commitment needs, both ways: what the receiver answers, and who asks and reports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.calling.scu import Caller
from daemon.clock import Chronometer
from daemon.commitment.answers import answers
from daemon.commitment.asker import Asker, Hearing
from daemon.commitment.keeper import PromiseKeeper
from daemon.intake.association.requests import AnswerTable
from daemon.ledger.commitments import Commitments
from daemon.ledger.ledger import Ledger
from daemon.ledger.promises import Promises
from daemon.settings import Place, Settings


@dataclass(frozen=True)
class Safekeeping:
    """What the receiver answers, and the turns that are to be taken again and again."""

    answers: AnswerTable
    turns: Sequence[Callable[[datetime], int]]


def build_safekeeping(
    settings: Settings, place: Place, ledger: Ledger, caller: Caller, clock: Chronometer
) -> Safekeeping:
    """Build both sides; only destinations of which commitment is wanted are asked."""
    patience, peers = settings.delivery, settings.commitment_peers()
    keeper = PromiseKeeper(Promises(ledger), place.spool, peers, caller, patience, clock)
    commitments = Commitments(ledger)
    hearing = Hearing(commitments, patience, clock)
    askers = [
        Asker(one, commitments, hearing, caller, patience, clock)
        for one in settings.destinations
        if one.kind == "dimse" and one.commitment
    ]
    return Safekeeping(
        answers=answers(keeper, hearing),
        turns=[keeper.turn, *(asker.turn for asker in askers)],
    )
