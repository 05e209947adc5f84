"""Of each image the content that counts, as `daemon.ledger.arrivals` keeps it, but in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from daemon.operate.offline.admission import Fate, Judged
from daemon.records import Arrival, Instance, Origin, Receipt


@dataclass(frozen=True, eq=False)
class Contents:
    """What has come so far; the newest content under a SOP Instance UID is the one that counts."""

    _present: dict[str, Instance] = field(default_factory=dict, init=False)
    _studies: dict[str, str] = field(default_factory=dict, init=False)
    """The Study Instance UID of each present image."""

    def record(self, arrival: Arrival) -> Receipt:
        """Take an arrival; other content under a known UID takes its place, also across studies."""
        uid = arrival.sop_instance_uid
        before = self._present.get(uid)
        if before is not None and before.digest == arrival.digest:
            return Receipt.DUPLICATE
        revision = 0 if before is None else before.revision + 1
        loser = self._studies.get(uid, arrival.study_uid)
        self._present[uid] = _instance(arrival, revision)
        self._studies[uid] = arrival.study_uid
        if loser != arrival.study_uid:
            self._shrink(loser)
        return Receipt.NEW if before is None else Receipt.REPLACED

    def counts(self, arrival: Arrival) -> bool:
        """Tell whether the content of an arrival is the one that counts."""
        return self._present[arrival.sop_instance_uid].file == arrival.file

    def studies(self) -> dict[str, tuple[Instance, ...]]:
        """Return the images of each study by SOP Instance UID, studies in the order of theirs."""
        found: dict[str, list[Instance]] = {}
        for uid, study_uid in self._studies.items():
            found.setdefault(study_uid, []).append(self._present[uid])
        by_uid = attrgetter("sop_instance_uid")
        return {uid: tuple(sorted(found[uid], key=by_uid)) for uid in sorted(found)}

    def _shrink(self, study_uid: str) -> None:
        """Make another set of what is left of a study that lost an image."""
        for uid, study in self._studies.items():
            if study == study_uid:
                one = self._present[uid]
                self._present[uid] = replace(one, revision=one.revision + 1)


def recorded(files: Sequence[Judged]) -> tuple[list[Judged], Contents]:
    """Record files in their order.

    Returns
    -------
    list of Judged
        The same files, duplicates and replaced ones known as such.
    Contents
        What counts of them.
    """
    contents = Contents()
    first = [
        replace(one, fate=Fate.DUPLICATE)
        if one.arrival is not None and contents.record(one.arrival) is Receipt.DUPLICATE
        else one
        for one in files
    ]
    return [_settled(one, contents) for one in first], contents


def _settled(one: Judged, contents: Contents) -> Judged:
    """Find out whether something came later in the place of what was taken."""
    if one.fate is Fate.READ and one.arrival is not None and not contents.counts(one.arrival):
        return replace(one, fate=Fate.REPLACED)
    return one


def _instance(arrival: Arrival, revision: int) -> Instance:
    return Instance(
        instance_id=0,  # no ledger, no row
        sop_instance_uid=arrival.sop_instance_uid,
        sop_class_uid=arrival.sop_class_uid,
        patient_key=arrival.patient_key,
        file=arrival.file,
        digest=arrival.digest,
        revision=revision,
        origin=Origin(arrival.calling_ae, arrival.called_ae),
    )
