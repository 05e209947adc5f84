"""The courier of one destination: send what is due, settle each delivery by its own answer."""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from daemon.calling.outgoing import Outgoing
from daemon.clock import Chronometer
from daemon.crashpoints import crash_point
from daemon.delivery.answer import Answer, Sender, Verdict
from daemon.delivery.backoff import Trials, delay_s
from daemon.delivery.breaker import Breaker
from daemon.delivery.senders import sender_for
from daemon.errors import Unavailable
from daemon.ledger.deliveries import Deliveries
from daemon.logs import study_key
from daemon.records import Delivery
from daemon.settings import DeliverySettings, Destination

logger = logging.getLogger(__name__)

_DESTINATION = 0
"""Stands for the destination among the deliveries that are tried."""
BATCH = 100
"""Objects that share an association at most."""
FAILED_HERE = Answer(Verdict.LATER, None, "this node failed to send it")
"""It says nothing about the destination."""


@dataclass(frozen=True, eq=False)
class Courier:
    """Delivers to one destination; what another destination does is no concern of it.

    When the daemon stops, the batch ends with the object in hand; where that gets no answer any
    more nothing is settled: it is due at the next start.
    """

    destination: Destination
    outgoing: Outgoing
    deliveries: Deliveries
    outbox_dir: Path
    settings: DeliverySettings
    clock: Chronometer
    sender_for: Callable[[Destination, Outgoing], Sender] = sender_for
    breaker: Breaker = field(init=False)
    _trials: Trials = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "breaker", Breaker(self.settings))
        object.__setattr__(self, "_trials", Trials(self.clock.seconds))

    def turn(self, now: datetime) -> int:
        """Send one batch of what is due, over one association; none when nothing is due.

        Each delivery is settled as soon as it is answered, so that a crash repeats at most one.
        When the association ends early the rest stays due for the next turn. A destination that
        was silent several times is left alone for a while.

        Parameters
        ----------
        now : datetime
            A steady time.

        Returns
        -------
        int
            How many deliveries were settled or put off.

        Raises
        ------
        Unavailable
            The ledger does not answer.
        """
        if self.breaker.is_open(now):
            return 0
        limit = 1 if self.breaker.is_on_trial else BATCH
        due = self.deliveries.due(self.destination.name, now, limit)
        if not due:
            return 0
        crash_point("deliver:before-send")
        answers: list[Answer] = []
        with closing(self._answers(due)) as coming:
            for answer, delivery in zip(coming, due, strict=False):
                crash_point("deliver:after-answer")
                self._settle(delivery, answer)
                crash_point("deliver:after-settle")
                answers.append(answer)
        self._judge_destination(answers)
        return len(answers)

    def _answers(self, due: Sequence[Delivery]) -> Generator[Answer]:
        """Give the answers as they come; what fails here answers for the delivery in hand."""
        given = 0
        try:
            sender = self.sender_for(self.destination, self.outgoing)
            sending = sender.send([one.result for one in due], self.outbox_dir)
            with closing(sending):
                for answer in sending:
                    if answer.is_silence and self.outgoing.stopping.is_set():
                        return
                    yield answer
                    given += 1
                    if self.outgoing.stopping.is_set():
                        return
        except Unavailable:
            raise
        except Exception:  # a defect of ours costs this delivery an attempt, not the others
            if given == len(due):
                raise
            logger.exception("delivery failed", extra={"destination": self.destination.name})
            yield FAILED_HERE

    def _settle(self, delivery: Delivery, answer: Answer) -> None:
        now = self.clock()
        if answer.verdict is Verdict.KEPT and answer.status is not None:
            promise = self.destination.commitment
            self.deliveries.delivered(delivery, answer.status, now, to_be_promised=promise)
            self._trials.ended(delivery.delivery_id, _DESTINATION)
            self._log(logging.INFO, "result delivered", delivery, answer)
            return
        tried_s = self._tried_s(delivery, now)
        if answer.verdict is Verdict.REFUSED or tried_s >= self.settings.give_up_after_s:
            given_up = "" if answer.verdict is Verdict.REFUSED else "given up: "
            self.deliveries.parked(delivery, answer.status, f"{given_up}{answer.detail}", now)
            self._trials.ended(delivery.delivery_id)
            self._log(logging.ERROR, f"result parked, {given_up}{answer.detail}", delivery, answer)
            return
        wait = timedelta(
            seconds=delay_s(delivery.attempts + 1, delivery.delivery_id, self.settings)
        )
        self.deliveries.postponed(
            delivery, answer.status, answer.detail, self.clock.steady() + wait
        )
        self._log(logging.INFO, f"result put off, {answer.detail}", delivery, answer)

    def _tried_s(self, delivery: Delivery, now: datetime) -> float:
        """Return for how long a delivery has failed, or would have: while nothing got through."""
        age_s = (now - delivery.created_at).total_seconds()
        silent_s = self._trials.failed(_DESTINATION)
        return max(self._trials.failed(delivery.delivery_id), min(age_s, silent_s))

    def _judge_destination(self, answers: list[Answer]) -> None:
        """Count a batch without any answer against the destination; say it when that changes."""
        if FAILED_HERE in answers or not answers:
            return
        where = {"destination": self.destination.name}
        if all(answer.is_silence for answer in answers):
            if self.breaker.failed(self.clock.steady()):
                logger.error("destination does not answer: it is tried less often", extra=where)
        elif self.breaker.worked():
            logger.warning("destination answers again", extra=where)

    def _log(self, level: int, message: str, delivery: Delivery, answer: Answer) -> None:
        logger.log(
            level,
            message,
            extra={
                "study": study_key(delivery.study_uid),
                "destination": self.destination.name,
                "status": None if answer.status is None else f"{answer.status:04X}",
            },
        )
