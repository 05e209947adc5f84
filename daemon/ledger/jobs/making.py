"""Make the jobs of a study: one for each model that is asked, and none twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from daemon.ledger.jobs.inputs import add_inputs, inputs_digest
from daemon.ledger.jobs.overtaken import overtaken
from daemon.ledger.ledger import upsert
from daemon.ledger.states import JobState
from daemon.ledger.tables import JobRow
from daemon.ledger.waits import AT_ONCE
from daemon.records import NO_MODEL, Instance, Reason


@dataclass(frozen=True)
class NewJobs:
    """What the jobs of all models have in common; see `daemon.ledger.jobs.queue.Queue.enqueue`."""

    study_id: int
    instances: Sequence[Instance]
    priority: int
    reason: Reason | None
    now: datetime
    place: int | None

    def make(self, connection: Connection, recipes: Mapping[str, str]) -> list[int]:
        """Make a job for each recipe, by the name of its model; return the ids of the new ones."""
        digest = inputs_digest(self.instances)
        made: dict[str, int] = {}
        for name, recipe in recipes.items():
            if (job_id := self._make(connection, digest, name, recipe)) is not None:
                made[name] = job_id
        for job_id in made.values():
            ids = [one.instance_id for one in self.instances]
            add_inputs(connection, job_id, ids, self.place)
        if made:  # what was there already for the same images waits on
            of_these = JobRow.model_name.in_([*made, NO_MODEL])
            stale = of_these | (JobRow.inputs_digest != digest)
            older = JobRow.id < min(made.values())
            connection.execute(overtaken(self.study_id, self.now, older & stale))
        return list(made.values())

    def _make(
        self, connection: Connection, digest: str, model_name: str, recipe_digest: str
    ) -> int | None:
        """Make a job for one model; None where it is there already."""
        new = upsert(connection, JobRow).values(
            study_id=self.study_id,
            inputs_digest=digest,
            recipe_digest=recipe_digest,
            model_name=model_name,
            state=JobState.QUEUED,
            priority=self.priority,
            attempts=0,
            not_before=AT_ONCE,
            created_at=self.now,
            reason=self.reason,
            place=self.place,
        )
        job_id = connection.scalar(new.on_conflict_do_nothing().returning(JobRow.id))
        return None if job_id is None else int(job_id)
