"""Promise to keep what peers ask us about, when we do, and report it to them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pydicom.uid import UID

from daemon.calling.scu import CalledPeer, Caller
from daemon.clock import Chronometer
from daemon.commitment.dimse_n import report_to
from daemon.commitment.transaction import CommitmentRequest, read_request, report_data
from daemon.crashpoints import crash_point
from daemon.delivery.backoff import Trials, delay_s
from daemon.dicom.status import Status
from daemon.errors import Rejected, Unavailable
from daemon.ledger.promises import Promise, Promises
from daemon.settings import DeliverySettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PromiseKeeper:
    """Takes requests and reports on them.

    Attributes
    ----------
    promises : Promises
    spool : Path
        Where the files are that may be promised.
    peers : mapping
        Where a peer gets its report, by its AE title.
    caller : Caller
    settings : DeliverySettings
        How patiently reports are repeated.
    clock : Chronometer
    """

    promises: Promises
    spool: Path
    peers: Mapping[str, CalledPeer]
    caller: Caller
    settings: DeliverySettings
    clock: Chronometer
    _trials: Trials = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_trials", Trials(self.clock.seconds))

    def requested(self, calling_ae: str, data: bytes, transfer_syntax: UID) -> int:
        """Note a request durably and return the status to answer (PS3.7 10.1.4.1.10)."""
        if calling_ae not in self.peers:
            logger.warning(
                "storage commitment refused: commitment.peers has no address for this peer",
                extra={"peer": calling_ae},
            )
            return Status.NOT_AUTHORISED
        try:
            request = read_request(data, transfer_syntax)
            self.promises.requested(
                calling_ae, request.transaction_uid, request.items, self.clock()
            )
        except Rejected as error:
            logger.warning("storage commitment refused: %s", error, extra={"peer": calling_ae})
            return Status.INVALID_ARGUMENT
        except Unavailable as error:
            logger.warning("storage commitment refused: %s", error, extra={"peer": calling_ae})
            return Status.PROCESSING_FAILURE
        crash_point("promise:before-answer")
        return Status.SUCCESS

    def turn(self, now: datetime) -> int:
        """Report on every request that is due at a steady time; returns on how many."""
        done = 0
        for promise in self.promises.due(now):
            if self.caller.stopping.is_set():
                break
            self._report(promise)
            done += 1
        return done

    def _report(self, promise: Promise) -> None:
        peer = self.peers.get(promise.calling_ae)
        if peer is None:
            self._give_up(promise)
            return
        kept = self.promises.keep(promise.items, self._exists, self.clock())
        crash_point("promise:before-report")
        request = CommitmentRequest(promise.transaction_uid, promise.items)
        try:
            status = report_to(self.caller, peer, *report_data(request, kept))
        except Unavailable as error:
            logger.info("report put off: %s", error, extra={"peer": promise.calling_ae})
            if self._trials.failed(promise.promise_id) > self.settings.give_up_after_s:
                self._give_up(promise)
                return
            wait = delay_s(promise.attempts + 1, promise.promise_id, self.settings)
            self.promises.put_off([promise], self.clock.steady() + timedelta(seconds=wait))
            return
        crash_point("promise:after-report")
        self.promises.settled(promise)
        self._trials.ended(promise.promise_id)
        logger.info(
            "storage commitment: %d of %d objects are kept here",
            len(kept),
            len(promise.items),
            extra={"peer": promise.calling_ae, "status": f"{status:04X}"},
        )

    def _give_up(self, promise: Promise) -> None:
        logger.error("storage commitment given up", extra={"peer": promise.calling_ae})
        self.promises.settled(promise)
        self._trials.ended(promise.promise_id)

    def _exists(self, file: str) -> bool:
        return (self.spool / file).is_file()
