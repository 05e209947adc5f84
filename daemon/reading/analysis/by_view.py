"""Another analysis for each view; and from a package to its analysis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from typing_extensions import override

from daemon.dicom.header import Header
from daemon.reading.analysis.committee import Committee
from daemon.reading.analysis.localised import Localised
from daemon.reading.analysis.prediction import Analysis, Prediction, Prepared
from daemon.reading.analysis.single import Single
from daemon.reading.decoded import Decoded
from daemon.reading.device.outputs import LandmarkOutput, Network, Runs
from daemon.reading.refused import NotReadable
from daemon.records import Reason
from model.chain_package import AnyPackage, Branch, ChainManifest, ChainPackage
from model.package import ModelPackage


@dataclass(frozen=True, eq=False)
class ByView(Analysis):
    """The branches of a chain: the header's view decides which of them takes an image."""

    manifest: ChainManifest
    branches: Sequence[Analysis]

    @property
    @override
    def provider(self) -> str:
        return ", ".join(dict.fromkeys(branch.provider for branch in self.branches))

    @override
    def prepare(self, index: int, decoded: Decoded, header: Header | None) -> Prepared:
        branch = self.manifest.branch_of(header.view if header is not None else None)
        if branch is None:
            raise NotReadable(Reason.VIEW_NOT_READ, Reason.VIEW_NOT_READ.value)
        return replace(self.branches[branch].prepare(index, decoded, header), branch=branch)

    @override
    def run(self, ready: Sequence[Prepared]) -> list[Prediction]:
        answers: dict[int, Prediction] = {}
        for number, branch in enumerate(self.branches):
            mine = [place for place, one in enumerate(ready) if one.branch == number]
            answers.update(zip(mine, branch.run([ready[place] for place in mine]), strict=True))
        return [answers[place] for place in range(len(ready))]


class Stages(Protocol):
    """The networks of a package, by the names of its stages; "" where it has one only."""

    @property
    def package(self) -> AnyPackage:
        """The package."""
        ...

    @property
    def classifiers(self) -> Mapping[str, Network]:
        """Those that score findings."""
        ...

    @property
    def localisers(self) -> Mapping[str, Runs[LandmarkOutput]]:
        """Those that find landmarks."""
        ...


def analysis_of(networks: Stages) -> Analysis:
    """Return what a package does with an image, on its networks."""
    package = networks.package
    if isinstance(package, ModelPackage):
        manifest = package.manifest
        return Single(manifest, networks.classifiers[""], manifest.findings)
    branches = [_branch(package, networks, one) for one in package.manifest.branches]
    return ByView(package.manifest, branches)


def _branch(package: ChainPackage, networks: Stages, branch: Branch) -> Analysis:
    members = [
        Single(
            package.classifiers[name].manifest,
            networks.classifiers[name],
            package.manifest.findings,
        )
        for name in branch.members
    ]
    then = members[0] if len(members) == 1 else Committee(members, branch.mean)
    if branch.localiser is None or branch.crop is None:
        return then
    return Localised(
        manifest=package.localisers[branch.localiser].manifest,
        network=networks.localisers[branch.localiser],
        crop=branch.crop,
        least_peak=branch.least_peak,
        profile=members[0].manifest.pixels,
        then=then,
    )
