"""What every head of a network says of films, and of each selected and dropped token."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.findings import NO_FINDING
from model.networks.metadata import encode
from model.networks.pim import Pim, PimOutput
from training.examples import Example
from training.geometry import Films, middle, normaliser

TOPS = (1, 3)
ANSWER, COMBINER = "answer", "combiner"


@dataclass(frozen=True, eq=False)
class HeadAnswers:
    """Logits and token accuracies of films.

    Attributes
    ----------
    heads : dict of str to array [films, classes]
        Logits of "answer" (the configured head), "layer1" to "layer4" (mean over tokens) and
        "combiner", as far as the network has them.
    tokens : dict of str to array [films]
        Share of right tokens, by names such as "select_layer1-top-1".
    """

    heads: dict[str, NDArray[np.float32]]
    tokens: dict[str, NDArray[np.float32]]


def targets(examples: list[Example], classes: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the truth [films, classes] of 0 and 1; "no_finding" where a film has no label."""
    truth = np.zeros((len(examples), len(classes)), dtype=np.float32)
    for row, example in enumerate(examples):
        for name in example.labels or (NO_FINDING,):
            if name in classes:
                truth[row, classes.index(name)] = 1
    return truth


def patients(examples: list[Example]) -> Tensor:
    """Return age and sex of films as [films, 4]."""
    return torch.tensor([encode(example.age, example.sex) for example in examples])


@torch.no_grad()
def answer_films(network: Pim, films: Films, batch: int = 16) -> HeadAnswers:
    """Run films through a network in evaluation mode, on the device it is on."""
    network.eval()
    device = next(network.parameters()).device
    truth = targets(films.examples, network.config.classes)
    known = patients(films.examples)
    parts = []
    normalise = normaliser(films.profile)
    for start in range(0, len(films), batch):
        rows = range(start, min(start + batch, len(films)))
        units = torch.stack([films[row] for row in rows])
        image = normalise(middle(units, films.profile.size)).to(device)
        output = network(image, known[rows.start : rows.stop].to(device))
        labels = torch.from_numpy(truth[rows.start : rows.stop]).argmax(dim=1).to(device)
        parts.append((_heads(output), _tokens(output, labels)))
    return HeadAnswers(_joined([heads for heads, _ in parts]), _joined([t for _, t in parts]))


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
