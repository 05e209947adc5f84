"""Decide stored readings again at other operating points: `wristd replay --threshold`.

The ledger keeps every score, so no image is read again. It is a trial: nothing is written, and
nothing is sent.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.table import Table

from daemon.errors import Rejected
from daemon.ledger.jobs.readings import StoredReading
from daemon.logs import study_key
from daemon.outcome import categorise, worst
from daemon.records import Category, FindingScore
from model.package import FindingSpec

PRESENT = "settings"
"""Stands for the operating points that the settings and the model package have now."""

Points = Mapping[str, tuple[float, float]]
"""High-sensitivity and high-specificity operating point, by finding."""


@dataclass(frozen=True)
class Decision:
    """A study's category as it was reported, and as it would be."""

    study_uid: str
    before: Category
    after: Category
    highest_score: float | None


@dataclass(frozen=True)
class Redecisions:
    """All decisions, and whether the ledger's own points give the ledger's own categories."""

    decisions: tuple[Decision, ...]
    reproduced: int

    def changed(self) -> list[Decision]:
        """Return the studies whose category would be another."""
        return [one for one in self.decisions if one.after is not one.before]

    def totals(self) -> dict[str, dict[str, int]]:
        """Return how many studies have each category, before and after."""
        before = Counter(one.before for one in self.decisions)
        after = Counter(one.after for one in self.decisions)
        return {str(name): {"before": before[name], "after": after[name]} for name in Category}

    def summed_up(self) -> dict[str, object]:
        """Return it for machines."""
        return {
            "studies": len(self.decisions),
            "reproduced": self.reproduced,
            "totals": self.totals(),
            "changed": [asdict(one) for one in self.changed()],
        }

    def in_words(self) -> str:
        """Return what a trial comes to, in two lines."""
        total = len(self.decisions)
        return (
            f"{len(self.changed())} of {total} studies would change; nothing was written or sent.\n"
            f"{self.reproduced} of {total} stored outcomes follow from their scores and points."
        )

    def tables(self) -> tuple[Table, Table]:
        """Return the studies that change, and the totals, for a terminal."""
        studies = Table("study", "highest score", "before", "after")
        for one in self.changed():
            score = "-" if one.highest_score is None else f"{one.highest_score:.3f}"
            studies.add_row(study_key(one.study_uid), score, one.before, one.after)
        totals = Table("studies", "before", "after")
        for name, number in self.totals().items():
            totals.add_row(name, str(number["before"]), str(number["after"]))
        return studies, totals


def points_of(given: Sequence[str], specs: Sequence[FindingSpec]) -> Points:
    """Understand `FINDING=LOW,HIGH` and "settings"; later ones replace earlier ones.

    Raises
    ------
    Rejected
        Another form, an unknown finding, or points outside 0 to 1 or in the wrong order.
    """
    present = {spec.name: (spec.high_sensitivity, spec.high_specificity) for spec in specs}
    points: dict[str, tuple[float, float]] = {}
    for text in given:
        points |= present if text == PRESENT else dict([_parsed(text, present)])
    return points


def _parsed(text: str, known: Points) -> tuple[str, tuple[float, float]]:
    finding, _, values = text.partition("=")
    if finding not in known:
        raise Rejected(f"--threshold: the model package does not report {finding!r}")
    try:
        low, high = map(float, values.split(","))
    except ValueError as error:
        raise Rejected(f"--threshold {text}: write FINDING=LOW,HIGH or {PRESENT}") from error
    if not 0 < low <= high < 1:
        raise Rejected(f"--threshold {text}: 0 < LOW <= HIGH < 1")
    return finding, (low, high)


def redecide(readings: Sequence[StoredReading], points: Points) -> Redecisions:
    """Decide every reading anew; findings that `points` does not name keep their own."""
    decisions = tuple(
        Decision(
            one.study_uid,
            one.category,
            _decided(one.scores, points),
            max((score.probability for score in one.scores), default=None),
        )
        for one in readings
    )
    reproduced = sum(_decided(one.scores, {}) is one.category for one in readings)
    return Redecisions(decisions, reproduced)


def _decided(scores: Sequence[FindingScore], points: Points) -> Category:
    """Return the worst category of a study's scores; without any, it was not analysed."""
    own = ((one, (one.high_sensitivity, one.high_specificity)) for one in scores)
    return worst(
        [categorise(score.probability, *points.get(score.finding, stored)) for score, stored in own]
    )
