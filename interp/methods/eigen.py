"""EigenCAM: the first principal component of a layer's activations."""

from __future__ import annotations

import torch

from interp.methods.registry import method


@method(
    "eigen-cam",
    "EigenCAM",
    family="activation",
    needs="activations",
    display="positive",
    formula="A v, v the first right singular vector of A (positions × channels)",
    paper="Muhammad & Yeasin, Eigen-CAM, IJCNN 2020",
)
def eigen_cam(activation: torch.Tensor) -> torch.Tensor:
    """Return the projection of every position's channels on their first principal direction.

    `A` as a matrix of positions × channels is not centred (the paper's form). A singular vector has no
    sign of its own: it is turned so that the cubes of the map sum to more than 0, which puts the strongest
    activation, the object, on the positive side even when it is small before a background of the other
    sign; for activations of a ReLU the whole map is then at least 0.
    """
    batch, _, height, width = activation.shape
    matrix = activation.flatten(2).transpose(1, 2)
    # Scaled, so that no square or cube overflows; a picture that is not finite gives NaN, and alone does.
    peak = matrix.abs().amax((1, 2), keepdim=True)
    matrix = torch.where((peak > 0) & peak.isfinite(), matrix / peak, 0)
    # Of the two Gram matrices the smaller one: 49 × 49 at the last stage, not 2048 × 2048.
    if matrix.shape[1] <= matrix.shape[2]:
        values, vectors = torch.linalg.eigh(matrix @ matrix.transpose(1, 2))
        projection: torch.Tensor = vectors[..., -1] * values[:, -1:].clamp(min=0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(matrix.transpose(1, 2) @ matrix)
        projection = (matrix @ vectors[..., -1:]).squeeze(2)
    sign = torch.where(projection.pow(3).sum(1, keepdim=True) < 0, -1.0, 1.0)
    return (projection * sign * peak.squeeze(2)).reshape(batch, height, width)
