"""Age and sex beside the picture, with either or both unknown.

Source: 2507.12964 (metadata fused with features of wrist radiographs; values are masked at random
in training, ever more of them, so that the picture alone must suffice). Here a patient becomes one
vector that is added to every token that enters the combiner. It starts at zero: an untrained
branch changes nothing.
"""

import math

import torch
from torch import Tensor, nn
from typing_extensions import override

FIELDS = 4
"""Age over `AGE_SPAN_YEARS`, 1 where the age is known, sex (1 male, -1 female), 1 where known."""

AGE_SPAN_YEARS = 20.0
_HIDDEN = 32


def encode(age_years: float | None, sex: str | None) -> list[float]:
    """Return the four numbers of one patient.

    Parameters
    ----------
    age_years : float or None
        None (or NaN) when it is not known.
    sex : str or None
        DICOM's PatientSex (0010,0040): "M", "F"; anything else counts as not known.
    """
    age_known = age_years is not None and not math.isnan(age_years)
    age = (age_years or 0.0) / AGE_SPAN_YEARS if age_known else 0.0
    side = {"M": 1.0, "F": -1.0}.get(sex or "", 0.0)
    return [age, float(age_known), side, abs(side)]


def mask(metadata: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Forget age and sex, each for itself, of about `share` of the patients [batch, 4]."""
    kept = (torch.rand(len(metadata), 2, generator=generator) >= share).to(metadata)
    return metadata * kept.repeat_interleave(2, dim=1)


class MetadataBranch(nn.Module):
    """Turns [batch, 4] into a vector [batch, width]; nothing known is a patient like any other.

    Parameters
    ----------
    width : int
        Channels of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(FIELDS, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @override
    def forward(self, metadata: Tensor) -> Tensor:
        """Return what is added to every token."""
        vector: Tensor = self.out(torch.relu(self.hidden(metadata)))
        return vector
