"""What sends: a courier for each destination, and storage commitment behind them."""

from daemon.calling.outgoing import Outgoing
from daemon.clock import Chronometer
from daemon.delivery.courier import Courier
from daemon.guarded import Loop, at_once_again, ringing
from daemon.ledger.deliveries import Deliveries
from daemon.ledger.ledger import Ledger
from daemon.service.safekeeping import Safekeeping
from daemon.settings import Place, Settings


def build_sending(
    settings: Settings,
    place: Place,
    ledger: Ledger,
    outgoing: Outgoing,
    clock: Chronometer,
    safekeeping: Safekeeping,
) -> tuple[list[Loop], list[Loop]]:
    """Build the couriers' loops, and those of storage commitment, rung after each delivery."""
    every_s = settings.delivery.interval_s
    after = [Loop("delivery", at_once_again(turn, clock), every_s) for turn in safekeeping.turns]
    couriers = [
        Courier(
            destination=destination,
            outgoing=outgoing,
            deliveries=Deliveries(ledger),
            outbox_dir=place.outbox,
            settings=settings.delivery,
            clock=clock,
        )
        for destination in settings.destinations
    ]
    turns = [at_once_again(courier.turn, clock, ringing(after)) for courier in couriers]
    return [Loop("delivery", turn, every_s) for turn in turns], after
