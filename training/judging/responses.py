"""What a network says of films: every head, each selected and dropped token, places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.networks.classifier import Classifier
from model.networks.hourglass import Localiser
from model.networks.pim import Pim, PimOutput
from training.data.films import Films
from training.data.truth import patients, targets

TOPS = (1, 3)
ANSWER, COMBINER = "answer", "combiner"
_BATCH = 16


@dataclass(frozen=True, eq=False)
class HeadAnswers:
    """Logits and token accuracies of films.

    Attributes
    ----------
    heads : dict of str to array [films, classes]
        Logits of "answer" (the configured head) and, of a PIM, "layer1" to "layer4" (mean over
        tokens) and "combiner", as far as the network has them.
    tokens : dict of str to array [films]
        Share of right tokens, by names such as "select_layer1-top-1".
    """

    heads: dict[str, NDArray[np.float32]]
    tokens: dict[str, NDArray[np.float32]]

    @property
    def logits(self) -> NDArray[np.float32]:
        """Logits [films, classes] of the configured head."""
        return self.heads[ANSWER]


@torch.no_grad()
def answer_films(network: Pim | Classifier, films: Films, batch: int = _BATCH) -> HeadAnswers:
    """Run films through a network in evaluation mode, on the device it is on."""
    network.eval()
    truth = torch.from_numpy(targets(films.examples, network.config.classes))
    known = patients(films.examples)
    parts: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []
    for rows, image in _batches(films, _device(network), batch):
        if isinstance(network, Classifier):
            parts.append(({ANSWER: network(image)}, {}))
            continue
        output = network(image, known[rows].to(image.device))
        labels = truth[rows].argmax(dim=1).to(image.device)
        parts.append((_heads(output), _tokens(output, labels)))
    return HeadAnswers(_joined([heads for heads, _ in parts]), _joined([t for _, t in parts]))


@torch.no_grad()
def place_films(network: Localiser, films: Films, batch: int = _BATCH) -> NDArray[np.float32]:
    """Return the landmarks [films, landmarks, 2] that a network finds, fractions of the side."""
    network.eval()
    parts = [network(image).float().cpu() for _, image in _batches(films, _device(network), batch)]
    return np.asarray(torch.cat(parts).numpy())


@torch.no_grad()
def pooled_features(
    network: Pim | Classifier, films: Films, rows: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Return the pooled features [rows, channels] that a network's head sees; None: all films."""
    network.eval()
    pairs = _batches(films, _device(network), _BATCH, rows)
    parts = [network.features(image).float().cpu() for _, image in pairs]
    return np.asarray(torch.cat(parts).numpy())


def _batches(
    films: Films, device: torch.device, batch: int, asked: Sequence[int] | None = None
) -> Iterator[tuple[list[int], Tensor]]:
    every = list(range(len(films))) if asked is None else list(asked)
    for start in range(0, len(every), batch):
        rows = every[start : start + batch]
        image = films.inputs(rows).to(device)
        yield rows, image.contiguous(memory_format=torch.channels_last)


def _device(network: torch.nn.Module) -> torch.device:
    return next(network.parameters()).device


def _heads(output: PimOutput) -> dict[str, Tensor]:
    heads = {ANSWER: output.logits}
    for number, logits in enumerate(output.token_logits, 1):
        heads[f"layer{number}"] = logits.mean(dim=1)
    if output.combined is not None:
        heads[COMBINER] = output.combined
    return heads


def _tokens(output: PimOutput, labels: Tensor) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    pairs = list(zip(output.token_logits, output.selections, strict=True))
    for kind in ("select", "drop"):
        for number, (logits, selection) in enumerate(pairs, 1):
            dropped = selection.dropped(logits.shape[1])
            mask = dropped if kind == "drop" else 1 - dropped
            for top in TOPS:
                reach = min(top, logits.shape[-1])
                hit = logits.topk(reach, dim=-1).indices == labels.view(-1, 1, 1)
                right = (hit.any(dim=-1) * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
                if bool(mask.any()):
                    found[f"{kind}_layer{number}-top-{top}"] = right
    return found


def _joined(parts: list[dict[str, Tensor]]) -> dict[str, NDArray[np.float32]]:
    return {
        name: torch.cat([part[name].float().cpu() for part in parts]).numpy()
        for name in (parts[0] if parts else {})
    }
