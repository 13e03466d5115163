"""The lip gap as a differentiable layer, so that training can aim at closed lips and not only at close numbers."""

import numpy as np
import torch
from torch import Tensor, nn

from captalk_ros.head import Head, open_head
from captalk_ros.head.flame import JAW


class LipGap(nn.Module):
    """As `Head.lip_gap_mm`, but with gradients, and signed: below zero the lips press.

    Only the jaw's opening turns the lips here; its slight sideways turns do not change their height.
    """

    def __init__(self, head: Head | None = None):
        super().__init__()
        head = head or open_head()
        upper, lower = head.landmarks["lip_upper_inner"], head.landmarks["lip_lower_inner"]
        lips = head.subset(np.unique(np.concatenate([upper, lower])))
        self.upper = torch.from_numpy(lips.landmarks["lip_upper_inner"].astype(np.int64))
        self.lower = torch.from_numpy(lips.landmarks["lip_lower_inner"].astype(np.int64))
        basis = lips.expression_basis @ head.unit_expression.T  # [v, 3, 52]
        for name, value in {
            "template": lips.template,
            "basis": basis,
            "joint": head.joints[JAW],
            "weights": lips.weights[:, JAW],
            "opening": head.unit_jaw_pose[:, 0],
        }.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(value, np.float32)))
        self.rest_mm = 0.0
        self.rest_mm = float(self(torch.zeros(head.unit_jaw_pose.shape[0])))

    def forward(self, units: Tensor) -> Tensor:
        """[..., 52] units -> [...] mm."""
        y, z = (self.template[:, axis] + units @ self.basis[:, axis].T for axis in (1, 2))  # each [..., v]
        angle = (units @ self.opening)[..., None]
        turned = torch.cos(angle) * (y - self.joint[1]) - torch.sin(angle) * (z - self.joint[2]) + self.joint[1]
        y = y + self.weights * (turned - y)
        return 1000.0 * (y[..., self.upper].amin(dim=-1) - y[..., self.lower].amax(dim=-1)) - self.rest_mm
