"""Take an object in: its bytes to the disk, a judgement, a row in the ledger; then Success.

The object is never held in memory: it is hashed while it is written, and judged in the cache of
the disk.
"""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from daemon.clock import Clock
from daemon.errors import Rejected, Unavailable
from daemon.intake.store.admit import (
    Admitted,
    Announced,
    Ignored,
    Offer,
    Refusal,
    Refused,
    admit,
    glance,
)
from daemon.intake.store.commit import Committer
from daemon.intake.store.counts import Counts
from daemon.intake.store.disk import Watermarks
from daemon.intake.store.part10 import file_start, offer_of
from daemon.intake.store.quarantine import Quarantine
from daemon.intake.store.spool import PartFile, Spool, Stored, digest_of, is_whole, orphans
from daemon.ledger.notes import Noted, Notes
from daemon.logs import study_key
from daemon.records import Arrival, Origin, Receipt
from daemon.signals import Signal

logger = logging.getLogger(__name__)

ADOPTED = "(adopted)"
"""Stands for the sender of a file that was found in the spool at start."""

_TO_QUARANTINE = (Refusal.MISMATCH, Refusal.CANNOT_UNDERSTAND)
_COUNTED = {Receipt.DUPLICATE: Signal.DUPLICATE, Receipt.REPLACED: Signal.REPLACED}


@dataclass(frozen=True, eq=False)
class Intake:
    """The way in, whoever offers: each object is taken, ignored, or refused, and counted."""

    max_object_bytes: int
    watermarks: Watermarks
    spool: Spool
    quarantine: Quarantine
    committer: Committer
    counts: Counts
    notes: Notes
    clock: Clock

    def begin(self, announced: Announced, origin: Origin) -> "Incoming":
        """Begin to take an object in; its data set follows in pieces."""
        return Incoming(self, announced, origin)

    def take(self, offer: Offer, calling_ae: str) -> Receipt | Ignored:
        """Take a whole object in; when this returns the sender may be told Success.

        Raises
        ------
        Refused
            With the status and the comment to answer.
        """
        incoming = self.begin(offer, Origin(calling_ae))
        incoming.write(offer.data_set)
        return incoming.finish()

    def recover(self, known: set[str]) -> None:
        """Put the spool in order before the first association.

        What was being written is discarded; whole files that the ledger does not know (daemon or
        machine died between the two) are adopted as arrivals of now, in the order they came.

        Parameters
        ----------
        known : set of str
            The files in the ledger, relative to the spool.
        """
        discarded, adopted = self.spool.discard_parts(), 0
        for path in orphans(self.spool.folder, known):
            if (arrival := self._adoptable(path)) is None:
                continue
            if not known and not adopted:  # before it knows anything, or the next start sees none
                self.notes.set(Noted(Signal.LEDGER_WAS_NEW, self.clock()))
                words = "the ledger is new and the spool is not: all its studies are read again"
                logger.error(words)
            self.committer.record(arrival)
            adopted += 1
        if discarded or adopted:
            logger.warning("spool: %d half files discarded, %d adopted", discarded, adopted)

    def _adoptable(self, path: Path) -> Arrival | None:
        """Return what a file in the spool is, or put it into quarantine."""
        content = path.read_bytes()
        digest = digest_of(content)
        if not is_whole(path, digest):  # named, but never acknowledged
            logger.warning("spool: a half file")
            self.quarantine.set_aside(path, digest)
            return None
        try:
            verdict = admit(offer_of(content), sys.maxsize)  # the limit of then is not known
        except Rejected as error:
            verdict = None
            logger.warning("spool: a file that is not ours: %s", error)
        if not isinstance(verdict, Admitted):
            self.quarantine.set_aside(path, digest)
            return None
        stored = Stored(file=path.name, digest=digest, size=len(content))
        return _arrival(verdict, stored, Origin(ADOPTED), self.clock)


class Incoming:
    """One object on its way in: `write` its pieces, then `finish` or `abandon` it.

    When it turns out that it cannot be taken, the rest of the pieces is let pass, so that the
    sender gets its answer and the association goes on.
    """

    def __init__(self, intake: Intake, announced: Announced, origin: Origin) -> None:
        self._intake = intake
        self._announced = announced
        self._origin = origin
        self._ignored = glance(announced)
        self._refused: Refused | None = None
        self._part: PartFile | None = None
        self._start = 0
        self.study_uid: str | None = None
        """Whose it is, once it is whole and was judged."""
        self.size = 0
        """Bytes of the data set so far."""
        if self._ignored is None:
            self._begin()

    def write(self, piece: bytes | memoryview) -> None:
        """Take the next piece of the data set."""
        self.size += len(piece)
        if self._part is None:
            return
        if self.size > self._intake.max_object_bytes:
            self._give_up(Refused(Refusal.TOO_LARGE, "object is larger than this node takes"))
            return
        try:
            self._part.write(piece)
        except OSError as error:
            self._give_up(_write_failed(error))

    def finish(self) -> Receipt | Ignored:
        """Judge and keep the object; when this returns the sender may be told Success.

        Raises
        ------
        Refused
            With the status and the comment to answer.
        """
        try:
            verdict = self._settle()
        except Refused as refused:
            self._intake.counts.add(refused.refusal.value)
            if self._part is not None and refused.refusal in _TO_QUARANTINE:
                self._intake.quarantine.keep(self._part, self._part.digest)
            raise
        finally:
            self.abandon()
        if isinstance(verdict, Ignored):
            self._intake.counts.add(verdict.value)
        elif verdict in _COUNTED:
            self._intake.counts.add(_COUNTED[verdict])
        return verdict

    def abandon(self) -> None:
        """Leave nothing behind of what was not kept."""
        if self._part is not None:
            self._part.discard()
            self._part = None

    def _begin(self) -> None:
        start = file_start(self._announced)
        self._start = len(start)
        try:
            self._intake.watermarks.check()
            self._part = self._intake.spool.begin()
            self._part.write(start)
        except Refused as refused:
            self._give_up(refused)
        except OSError as error:
            self._give_up(_write_failed(error))

    def _give_up(self, refused: Refused) -> None:
        self._refused = refused
        self.abandon()

    def _settle(self) -> Receipt | Ignored:
        if self._ignored is not None:
            return self._ignored
        if self._part is None:
            raise self._refused or Refused(Refusal.WRITE_FAILED, "object was abandoned")
        verdict = self._judge(self._part)
        if isinstance(verdict, Ignored):
            return verdict
        self.study_uid = verdict.study_uid
        receipt = self._record(verdict, self._keep(self._part))
        if receipt is Receipt.REPLACED:
            logger.warning(
                "other content under a known SOP Instance UID: it is the input now",
                extra={"study": study_key(verdict.study_uid), "peer": self._origin.calling_ae},
            )
        return receipt

    def _judge(self, part: PartFile) -> Admitted | Ignored:
        announced = self._announced
        try:
            data_set = part.content()[self._start :]
        except OSError as error:
            raise _write_failed(error) from error
        offer = Offer(
            announced.sop_class_uid,
            announced.sop_instance_uid,
            announced.transfer_syntax,
            data_set,
        )
        return admit(offer, self._intake.max_object_bytes)

    def _keep(self, part: PartFile) -> Stored:
        try:
            return self._intake.spool.keep(part)
        except OSError as error:
            raise _write_failed(error) from error

    def _record(self, admitted: Admitted, stored: Stored) -> Receipt:
        """Enter a stored file; should the ledger fail, the file stays for `recover` or a resend."""
        arrival = _arrival(admitted, stored, self._origin, self._intake.clock)
        try:
            return self._intake.committer.record(arrival)
        except Unavailable as error:
            logger.warning(
                "arrival not recorded: %s", error, extra={"study": study_key(arrival.study_uid)}
            )
            raise Refused(Refusal.LEDGER, "object cannot be recorded now") from error


def _write_failed(error: OSError) -> Refused:
    logger.error("spool: cannot write (%s)", error.strerror)
    return Refused(Refusal.WRITE_FAILED, "object cannot be written now")


def _arrival(admitted: Admitted, stored: Stored, origin: Origin, clock: Clock) -> Arrival:
    return Arrival(
        study_uid=admitted.study_uid,
        sop_instance_uid=admitted.sop_instance_uid,
        sop_class_uid=admitted.sop_class_uid,
        transfer_syntax_uid=admitted.transfer_syntax_uid,
        patient_key=admitted.patient_key,
        digest=stored.digest,
        file=stored.file,
        size=stored.size,
        calling_ae=origin.calling_ae,
        called_ae=origin.called_ae,
        received_at=clock(),
    )
