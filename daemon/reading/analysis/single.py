"""One network: the whole image, its scores, and evidence for every finding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import override

from daemon.dicom.header import Header
from daemon.reading.analysis.prediction import Analysis, Prediction, Prepared
from daemon.reading.decoded import Decoded
from daemon.reading.device.outputs import Network, NetworkOutput
from daemon.reading.refused import NotReadable
from daemon.records import Reason
from model.composition import activated
from model.package import FindingSpec, Manifest
from model.pixels import PixelProfile, prepare


def letterboxed(index: int, decoded: Decoded, profile: PixelProfile) -> Prepared:
    """Make a whole image ready for a network.

    Raises
    ------
    NotReadable
        It holds no contrast.
    """
    try:
        tensor, placement = prepare(decoded.radiograph, profile)
    except ValueError as error:
        raise NotReadable(Reason.UNREADABLE, str(error)) from error
    return Prepared(index, decoded, tensor, placement)


@dataclass(frozen=True, eq=False)
class Single(Analysis):
    """One classifier.

    Attributes
    ----------
    manifest : Manifest
    network : Network
    findings : sequence of FindingSpec
        For which evidence is asked; all of them are the manifest's.
    """

    manifest: Manifest
    network: Network
    findings: Sequence[FindingSpec]

    @property
    @override
    def provider(self) -> str:
        return self.network.provider

    @override
    def prepare(self, index: int, decoded: Decoded, header: Header | None) -> Prepared:
        return letterboxed(index, decoded, self.manifest.pixels)

    @override
    def run(self, ready: Sequence[Prepared]) -> list[Prediction]:
        if not ready:
            return []
        outputs = self._outputs(ready)
        return [self._answer(prepared, outputs, row) for row, prepared in enumerate(ready)]

    def _outputs(self, ready: Sequence[Prepared]) -> dict[str, NetworkOutput]:
        """Run the network until every finding has its evidence.

        The target class decides whose evidence it is; some graphs give all of it at once.
        """
        batch = np.stack([prepared.tensor for prepared in ready])
        order = [spec.name for spec in self.manifest.findings]
        outputs: dict[str, NetworkOutput] = {}
        for spec in self.findings:
            first = next(iter(outputs.values()), None)
            if first is not None and first.finding_cams is not None:
                maps = first.finding_cams[:, order.index(spec.name)]
                outputs[spec.name] = replace(first, cam=maps)
            else:
                outputs[spec.name] = self.network.run(batch, np.full(len(ready), spec.class_index))
        return outputs

    def _answer(
        self, prepared: Prepared, outputs: dict[str, NetworkOutput], row: int
    ) -> Prediction:
        first = next(iter(outputs.values()))
        answer = Prediction(prepared.placement, self.manifest.pixels.size)
        if not self._passes_gate(first, row):
            return replace(answer, reason=Reason.OTHER_BODY_PART)
        logits = first.logits[row].astype(np.float64) / self.manifest.temperature
        chances = activated(logits, self.manifest.activation)
        if not np.isfinite(chances).all():
            return replace(answer, reason=Reason.UNREADABLE)
        evidence = {name: output.cam[row] for name, output in outputs.items()}
        return replace(answer, logits=logits, probabilities=chances, evidence=evidence)

    def _passes_gate(self, output: NetworkOutput, row: int) -> bool:
        gate = self.manifest.gate
        if gate is None or output.gate is None:
            return True
        return bool(1.0 / (1.0 + np.exp(-float(output.gate[row]))) >= gate.threshold)
