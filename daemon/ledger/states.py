"""The states of jobs, deliveries, promises and pulls, and what leads from one to another.

States of a job::

    QUEUED -> RUNNING -> DONE
                |-> QUEUED       the lease expired, or a failure is to be tried again
                |-> QUARANTINED  too many failed attempts
                `-> SKIPPED      a person decided that it is not to be read

    QUEUED -> SKIPPED            a newer job reads the study as it is now, or nothing is left of it

A DONE job with a reason of `HELD` holds its study: there are no results. A person's release, or
other content of its images, makes a new job; the newest job of a study decides.

States of a delivery::

    PENDING -> DELIVERED
       |-> PENDING     no answer, or a passing refusal: later again
       |-> PARKED      refused for good, or given up: a person must look
       |-> SKIPPED     a person decided that it is not to be sent
       `-> WITHDRAWN   its result was withdrawn before it was sent

A delivery for whose object the destination must promise safekeeping is DELIVERED and::

    WANTED -> ASKED -> COMMITTED
       ^--------|         no report in time; or the destination does not have it: sent again
"""

from enum import StrEnum

from daemon.records import HELD


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    """Waits for a worker."""
    RUNNING = "running"
    """A worker holds it until its lease ends."""
    DONE = "done"
    """It has its outcome and its results are in the outbox."""
    QUARANTINED = "quarantined"
    """It failed too often; a person must look."""
    SKIPPED = "skipped"
    """A person decided that it is not to be read."""


class DeliveryState(StrEnum):
    """Where a result is on its way to one destination."""

    PENDING = "pending"
    """To be sent when its time comes."""
    DELIVERED = "delivered"
    """The destination answered Success, or a warning that means stored."""
    PARKED = "parked"
    """Refused for good or given up."""
    SKIPPED = "skipped"
    """A person decided that it is not to be sent."""
    WITHDRAWN = "withdrawn"
    """Its result was withdrawn before it was sent."""


class CommitState(StrEnum):
    """How far a destination has promised to keep a delivered object (PS3.4 annex J)."""

    WANTED = "wanted"
    """It is to be asked."""
    ASKED = "asked"
    """It took the request; its report is awaited."""
    COMMITTED = "committed"
    """It has taken responsibility."""


class PullState(StrEnum):
    """How far a study that was found in an archive has come."""

    FOUND = "found"
    """To be retrieved when its time comes."""
    FETCHING = "fetching"
    """Somebody retrieves it, until the lease ends."""
    RETRIEVED = "retrieved"
    """The archive has sent all of it."""
    KNOWN = "known"
    """Nothing of it was retrieved: all that is wanted was here already."""
    FAILED = "failed"
    """Every attempt failed."""


def is_held(state: str | None, reason: str | None) -> bool:
    """Tell whether a job holds its study for a person."""
    return state == JobState.DONE and reason in HELD
