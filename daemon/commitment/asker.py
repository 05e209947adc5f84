"""Ask a destination to take responsibility for what it has accepted, and hear its report."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event

from pydicom.uid import UID, generate_uid

from daemon.calling.scu import Caller
from daemon.clock import Chronometer
from daemon.commitment.dimse_n import asking
from daemon.commitment.transaction import CommitmentRequest, read_report, request_data
from daemon.crashpoints import crash_point
from daemon.delivery.backoff import Trials, delay_s
from daemon.errors import Unavailable
from daemon.ledger.commitments import Commitments
from daemon.settings import DeliverySettings, DimseDestination

logger = logging.getLogger(__name__)

SAME_ASSOCIATION_S = 2.0
"""How long a request's association stays open for peers that report over it."""
_ALL = 0
"""A destination that takes one request takes the others."""


@dataclass(frozen=True, eq=False)
class Hearing:
    """Takes reports, over whichever association they come."""

    commitments: Commitments
    settings: DeliverySettings
    clock: Chronometer
    heard: Event = field(default_factory=Event)

    def report(self, data: bytes, transfer_syntax: UID) -> None:
        """Settle what a destination keeps; what it does not have is sent again.

        Raises
        ------
        Rejected
            It cannot be read.
        Unavailable
            The ledger does not take it now: the destination has to report again, or is asked again.
        """
        report = read_report(data, transfer_syntax)
        again = self.clock.steady() + timedelta(seconds=delay_s(1, 0, self.settings))
        crash_point("commitment:before-settle")
        kept = self.commitments.kept(report.transaction_uid, report.kept)
        reasons = sorted({f"{reason:04X}" for reason in report.not_kept.values()})
        detail = f"destination does not keep it: {', '.join(reasons)}"
        lost = self.commitments.not_kept(
            report.transaction_uid, set(report.not_kept), detail, again
        )
        if lost:
            logger.error("storage commitment refused for %d results: sent again", lost)
        if kept:
            logger.info("storage commitment received for %d results", kept)
        self.heard.set()


@dataclass(frozen=True, eq=False)
class Asker:
    """Asks one destination."""

    destination: DimseDestination
    commitments: Commitments
    hearing: Hearing
    caller: Caller
    settings: DeliverySettings
    clock: Chronometer
    _trials: Trials = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_trials", Trials(self.clock.seconds))

    def turn(self, now: datetime) -> int:
        """Ask about one batch of what is not promised yet; returns for how many objects.

        The request is in the ledger before it is sent: a report is recognised after a crash, too.
        `now` is a steady time.
        """
        wanted = self.commitments.wanted(self.destination.name, now)
        if not wanted:
            return 0
        request = CommitmentRequest(
            transaction_uid=generate_uid(prefix=None),
            items={one.result.sop_instance_uid: one.result.sop_class_uid for one in wanted},
        )
        retry = timedelta(seconds=self.settings.commitment_retry_s)
        self.commitments.asked(wanted, request.transaction_uid, now + retry)
        crash_point("commitment:before-ask")
        refusal = self._ask(request)
        if refusal:
            logger.warning(
                "storage commitment put off: %s",
                refusal,
                extra={"destination": self.destination.name},
            )
            tried_s = self._trials.failed(_ALL)
            wait = min(max(tried_s, self.settings.first_delay_s), self.settings.max_delay_s)
            self.commitments.put_off(wanted, refusal, self.clock.steady() + timedelta(seconds=wait))
        else:
            self._trials.ended(_ALL)
        return len(wanted)

    def _ask(self, request: CommitmentRequest) -> str:
        """Send a request; returns why it was not taken, or nothing."""
        self.hearing.heard.clear()
        try:
            with asking(self.caller, self.destination, self.hearing.report) as ask:
                status = ask(request_data(request))
                if status:
                    return f"refused with status {status:04X}"
                self.hearing.heard.wait(SAME_ASSOCIATION_S)
        except Unavailable as error:
            return str(error)
        return ""
