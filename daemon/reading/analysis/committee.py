"""Several networks that see the same input: one mean of scores, one mean of evidence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from typing_extensions import override

from daemon.dicom.header import Header
from daemon.reading.analysis.prediction import Analysis, Prediction, Prepared
from daemon.reading.analysis.single import Single
from daemon.reading.decoded import Decoded
from model.composition import mean_maps, mean_of_members


@dataclass(frozen=True, eq=False)
class Committee(Analysis):
    """The mean of several classifiers of the same classes and pixels.

    An image that one of them refuses is refused.
    """

    members: Sequence[Single]
    mean: Literal["probabilities", "logits"]

    @property
    @override
    def provider(self) -> str:
        return ", ".join(dict.fromkeys(member.provider for member in self.members))

    @override
    def prepare(self, index: int, decoded: Decoded, header: Header | None) -> Prepared:
        return self.members[0].prepare(index, decoded, header)

    @override
    def run(self, ready: Sequence[Prepared]) -> list[Prediction]:
        each = [member.run(ready) for member in self.members]
        return [self._together(answers) for answers in zip(*each, strict=True)]

    def _together(self, answers: Sequence[Prediction]) -> Prediction:
        refused = next((one for one in answers if one.reason is not None), None)
        if refused is not None:
            return refused
        activations = [member.manifest.activation for member in self.members]
        logits = [one.logits for one in answers]
        return replace(
            answers[0],
            probabilities=mean_of_members(logits, activations, self.mean),
            evidence={
                name: mean_maps([one.evidence[name] for one in answers])
                for name in answers[0].evidence
            },
        )
