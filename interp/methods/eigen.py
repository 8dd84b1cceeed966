"""EigenCAM and EigenGradCAM: the first principal component of a layer's channels."""

from __future__ import annotations

import torch

from interp.methods.registry import method


def principal(terms: torch.Tensor) -> torch.Tensor:
    """Return the first principal component `(B, *grid)` of `(B, C, *grid)`, of either sign.

    The matrix of positions × channels is not centred: the component is its best approximation of rank one,
    `σ u`, with `u` the left singular vector of the largest singular value.
    """
    matrix = terms.flatten(2).transpose(1, 2)
    # Scaled, so that no square overflows; a picture that is not finite gives NaN, and alone does.
    peak = matrix.abs().amax((1, 2), keepdim=True)
    matrix = torch.where((peak > 0) & peak.isfinite(), matrix / peak, 0)
    # Of the two Gram matrices the smaller one: 49 × 49 at the last stage, not 2048 × 2048.
    if matrix.shape[1] <= matrix.shape[2]:
        values, vectors = torch.linalg.eigh(matrix @ matrix.transpose(1, 2))
        projection: torch.Tensor = vectors[..., -1] * values[:, -1:].clamp(min=0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(matrix.transpose(1, 2) @ matrix)
        projection = (matrix @ vectors[..., -1:]).squeeze(2)
    return (projection * peak.squeeze(2)).reshape(len(terms), *terms.shape[2:])


def object_up(projection: torch.Tensor) -> torch.Tensor:
    """Turn maps `(B, *grid)` so that the cubes of each sum to 0 or more.

    This puts the strongest values, the object, on the positive side even where they are few before a
    background of the other sign.
    """
    # Scaled, so that no cube overflows.
    values = projection.flatten(1)
    peak = values.abs().amax(1, keepdim=True)
    cubes = torch.where(peak > 0, values / peak, 0).pow(3).sum(1)
    return torch.where(_like(cubes, projection) < 0, -projection, projection)


def first_component(terms: torch.Tensor) -> torch.Tensor:
    """Return the first principal component `(B, *grid)` of the terms of a map, on the map's own side.

    The best approximation of rank one, `σ u vᵀ`, sums over the channels to `σ u Σ_k v_k`. The component has
    the sign of this sum: what speaks against the target stays negative. Where the sum is 0 the strongest
    values are positive.
    """
    component, map_ = principal(terms), terms.sum(1)
    agreement = (component * (map_ / _peak(map_))).flatten(1).sum(1)
    turned = torch.where(_like(agreement, component) < 0, -component, component)
    return torch.where(_like(agreement, component) == 0, object_up(component), turned)


def _peak(maps: torch.Tensor) -> torch.Tensor:
    peak = maps.flatten(1).abs().amax(1)
    return _like(torch.where(peak > 0, peak, 1), maps)


def _like(values: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Return one value for each map in a shape that goes with the maps."""
    return values.reshape(-1, *[1] * (maps.dim() - 1))


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
    return object_up(principal(activation))


@method(
    "eigen-grad-cam",
    "EigenGradCAM",
    family="cam",
    needs="gradients",
    display="positive",
    formula="P v, v the first right singular vector of P = g ⊙ A (positions × channels)",
    paper="Gildenblat et al., pytorch-grad-cam, 2021; Muhammad & Yeasin, IJCNN 2020",
)
def eigen_grad_cam(activation: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return the projection of `g ⊙ A` at every position on the first principal direction of its channels.

    It has the sign of the HiResCAM map whose terms these are, so that evidence against the target stays
    negative; the sign rule of EigenCAM would draw it as evidence for. pytorch-grad-cam centres the matrix
    and leaves the sign to the solver.
    """
    return first_component(gradient * activation)
