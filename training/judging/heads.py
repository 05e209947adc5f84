"""Accuracy of every head in the order and under the names of the PIM evaluation.

highest-k adds the softmax vectors of the k most confident of {layer1..4, combiner}, film by film.
(The published code sorted the other way and so took the least confident first.)
"""

import numpy as np
from numpy.typing import NDArray

from training.judging.decision import softmax
from training.judging.metrics import top_k
from training.judging.responses import ANSWER, COMBINER, TOPS, HeadAnswers


def head_accuracies(answers: HeadAnswers, truth: NDArray[np.int64]) -> dict[str, float]:
    """Return accuracies in percent: heads, tokens, combiner, highest-1 to highest-5."""
    found: dict[str, float] = {}
    layers = sorted(name for name in answers.heads if name.startswith("layer"))
    for name in layers:
        found |= _tops(name, answers.heads[name], truth)
    found |= {name: 100 * float(share.mean()) for name, share in answers.tokens.items()}
    if COMBINER in answers.heads:
        found |= _tops(COMBINER, answers.heads[COMBINER], truth)
    confident = [*layers, *([COMBINER] if COMBINER in answers.heads else [])]
    if not confident:
        return _tops(ANSWER, answers.heads[ANSWER], truth)
    probabilities = np.stack([softmax(answers.heads[name], 1.0) for name in confident])
    for k in range(1, len(confident) + 1):
        right = top_k(highest(probabilities, k), truth, 1)
        found[f"highest-{k}"] = 100 * float(right.mean())
    return found


def highest(probabilities: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Add the k most confident answers of each film: [heads, films, classes] -> [films, ..]."""
    confidence = probabilities.max(axis=2)
    chosen = np.argsort(-confidence, axis=0, kind="stable")[:k]
    summed: NDArray[np.float64] = np.take_along_axis(probabilities, chosen[:, :, None], 0).sum(0)
    return summed


def _tops(name: str, logits: NDArray[np.float32], truth: NDArray[np.int64]) -> dict[str, float]:
    return {f"{name}-top-{k}": 100 * float(top_k(logits, truth, k).mean()) for k in TOPS}
