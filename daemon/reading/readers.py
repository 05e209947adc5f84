"""Several models: each job goes to the one that it names; none takes another with it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from daemon.reading.device.guard import Offline
from daemon.reading.opened import OpenStudy
from daemon.reading.reader import Reader
from daemon.reading.shelf import Shelf
from daemon.records import Job, ModelIdentity, Reason, StudyReading


class Reads(Protocol):
    """Reads the studies of jobs; see `daemon.reading.reader.Reader`."""

    @property
    def spool(self) -> Path:
        """Where images lie."""

    def open(self, job: Job, now: datetime, keep: Callable[[], None]) -> OpenStudy | StudyReading:
        """Decode the images of a job."""

    def infer(self, studies: Sequence[OpenStudy], now: datetime) -> list[StudyReading]:
        """Run the network."""

    def unread(self, job: Job, reason: Reason, now: datetime) -> StudyReading:
        """Say why a study was not analysed."""


@dataclass(frozen=True, eq=False)
class Readers:
    """One reader for each model of the settings.

    Attributes
    ----------
    readers : mapping
        By the names of the models that are in service; not empty.
    out_of_service : mapping
        What is known of the others, by their names.
    holds : collection of str
        The names of the rules that hold a study for a person.
    shelf : Shelf
        The models among `readers` that are loaded on demand.
    """

    readers: Mapping[str, Reader]
    out_of_service: Mapping[str, ModelIdentity]
    holds: Collection[str] = ()
    shelf: Shelf = field(default_factory=Shelf)

    @property
    def spool(self) -> Path:
        """Where images lie."""
        return self._any.spool

    def open(self, job: Job, now: datetime, keep: Callable[[], None]) -> OpenStudy | StudyReading:
        """See `Reader.open`; a model that is out of service, or in no settings, reads nothing."""
        if job.model_name in self.readers:
            return self._loading(self.readers[job.model_name].open(job, now, keep), now, keep)
        is_known = job.model_name in self.out_of_service
        reason = Reason.MODEL_OFFLINE if is_known else Reason.NO_MODEL
        return self.unread(job, job.reason or reason, now)

    def infer(self, studies: Sequence[OpenStudy], now: datetime) -> list[StudyReading]:
        """See `Reader.infer`: studies of one model share its batches."""
        read: dict[int, StudyReading] = {}
        for name in dict.fromkeys(one.job.model_name for one in studies):
            mine = [place for place, one in enumerate(studies) if one.job.model_name == name]
            some = [studies[place] for place in mine]
            with self.shelf.holding(name, some):
                readings = self.readers[name].infer(some, now)
            read.update(zip(mine, readings, strict=True))
        return [read[place] for place in range(len(studies))]

    def unread(self, job: Job, reason: Reason, now: datetime) -> StudyReading:
        """See `Reader.unread`; until it is released, a rule that holds outweighs any reason."""
        if job.model_name in self.readers:
            return self.readers[job.model_name].unread(job, reason, now)
        if job.model_name in self.holds and not job.is_released:
            reason = Reason.HELD_BY_RULE
        identity = self.out_of_service.get(job.model_name, nobody_asked())
        return self._any.unread(job, reason, now, identity)

    def _loading(
        self, opened: OpenStudy | StudyReading, now: datetime, keep: Callable[[], None]
    ) -> OpenStudy | StudyReading:
        """Load the model of an opened study, if it is loaded on demand."""
        if isinstance(opened, StudyReading):
            return opened
        try:
            self.shelf.fetch(opened.job.model_name, opened, keep)
        except Offline:
            return self.unread(opened.job, Reason.MODEL_OFFLINE, now)
        return opened

    @property
    def _any(self) -> Reader:
        return next(iter(self.readers.values()))


def nobody_asked() -> ModelIdentity:
    """Return what results say of the model where there is none."""
    return unknown("no model")


def unknown(name: str) -> ModelIdentity:
    """Return what results say of a model whose package cannot be used."""
    return ModelIdentity(
        name, version="none", digest=f"none of {name}", calibration="none", provider="none"
    )
