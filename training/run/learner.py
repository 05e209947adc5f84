"""The network with the parts that only training has: from a batch to its loss."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from typing_extensions import override

from model.networks.classifier import Classifier
from model.networks.hourglass import Localiser
from model.networks.pim import Pim, PimOutput
from model.networks.registry import Network
from training.data.changes import Mixture
from training.data.truth import UNKNOWN
from training.recipe import Recipe
from training.run import losses


@dataclass(eq=False)
class Batch:
    """Films of one pass; see `training.data.supply.Supply` and `training.data.located.Located`.

    Attributes
    ----------
    units : Tensor [n, side, side]
    label : Tensor [n] int64, or [n, classes] float32
        Class index, or the share of each finding.
    patients : Tensor [n, 4]
    further : dict of str to Tensor [n]
    masks, known, points : Tensor or None
    """

    units: Tensor
    label: Tensor
    patients: Tensor
    further: dict[str, Tensor]
    masks: Tensor | None = None
    known: Tensor | None = None
    points: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the same on a device."""

        def moved(value: Tensor | None) -> Tensor | None:
            return None if value is None else value.to(device, non_blocking=True)

        return replace(
            self,
            units=self.units.to(device, non_blocking=True),
            label=self.label.to(device),
            patients=self.patients.to(device),
            further={name: value.to(device) for name, value in self.further.items()},
            masks=moved(self.masks),
            known=moved(self.known),
            points=moved(self.points),
        )

    def partners(self, mixture: Mixture) -> "Batch":
        """Return what is true of the films that each was mixed with."""
        order = mixture.partner.to(self.label.device)
        points = None if self.points is None else self.points[order]
        further = {name: value[order] for name, value in self.further.items()}
        return replace(self, label=self.label[order], points=points, further=further)


class Learner(nn.Module):
    """A network, the hints from boxes and the auxiliary heads of a recipe.

    Parameters
    ----------
    recipe : Recipe
    network : Network
    weights : Tensor [classes] or None
        Make up for rare classes.
    heads : dict of str to int
        Classes of each auxiliary head.
    """

    weights: Tensor | None

    def __init__(
        self, recipe: Recipe, network: Network, weights: Tensor | None, heads: dict[str, int]
    ) -> None:
        super().__init__()
        self.network = network
        self._section, self._further = recipe.losses, recipe.auxiliary
        self.register_buffer("weights", weights, persistent=False)
        self.hints: losses.BoxHints | None = None
        if isinstance(network, Pim) and recipe.losses.boxes:
            self.hints = losses.BoxHints(network.config.width, network.grids)
        self.heads = nn.ModuleDict()
        if not isinstance(network, Localiser):
            channels = _channels(network)
            for name, count in heads.items():
                self.heads[name] = nn.Linear(channels, count)

    @override
    def forward(self, image: Tensor, batch: Batch, mixture: Mixture | None) -> Tensor:
        """Return the loss of images [n, 3, size, size], a scalar."""
        if isinstance(self.network, Localiser):
            assert batch.points is not None
            return self._blended(self.network(image), image, batch, mixture)
        if isinstance(self.network, Pim):
            output = self.network(image, batch.patients)
            return self._blended(output, output.pooled, batch, mixture)
        features = self.network.features(image)
        return self._blended(self.network.head(features), features, batch, mixture)

    def _blended(
        self, output: object, features: Tensor, batch: Batch, mixture: Mixture | None
    ) -> Tensor:
        loss = self._loss(output, features, batch)
        if mixture is None:
            return loss
        other = self._loss(output, features, batch.partners(mixture))
        return mixture.share * loss + (1 - mixture.share) * other

    def _loss(self, output: object, features: Tensor, batch: Batch) -> Tensor:
        terms = self._terms(output, batch)
        total = losses.total(terms, self._section)
        for name, head in self.heads.items():
            known = batch.further[name] != UNKNOWN
            if known.any():
                asked = losses.label_loss(head(features[known]), batch.further[name][known])
                total = total + self._further[name] * asked
        return total

    def _terms(self, output: object, batch: Batch) -> dict[str, Tensor]:
        section, weights = self._section, self.weights
        smoothing, focal = section.label_smoothing, section.focal
        if isinstance(self.network, Localiser):
            assert isinstance(output, Tensor)
            assert batch.points is not None
            return {"landmarks": losses.landmark_loss(output, batch.points)}
        if isinstance(self.network, Classifier):
            assert isinstance(output, Tensor)
            loss = losses.label_loss(output, batch.label, smoothing, weights, focal)
            return {"combined": loss}
        assert isinstance(output, PimOutput)
        terms = losses.pim_terms(output, batch.label, smoothing, weights, focal)
        if self.hints is not None:
            assert batch.masks is not None
            assert batch.known is not None
            terms["boxes"] = self.hints(output.levels, batch.masks, batch.known)
        return terms


@torch.no_grad()
def _channels(network: Pim | Classifier) -> int:
    """Return the channels of a network's pooled features."""
    training = network.training
    network.eval()
    size = network.config.size
    channels = network.features(torch.zeros(1, 3, size, size)).shape[1]
    network.train(training)
    return channels
