"""Maps of activations alone: what stands out in a layer, whatever is asked of the output."""

from __future__ import annotations

import math

import torch
from scipy.sparse.linalg import eigsh

from interp.methods.cam import grid_of
from interp.methods.eigen import object_up
from interp.methods.registry import method
from interp.methods.spelling import MethodError

LARGEST = 4096
KERNELS = ("sigmoid", "rbf")


@method(
    "fem",
    "FEM",
    family="activation",
    needs="activations",
    display="positive",
    formula="Σ_k mean(A_k) [A_k > mean(A_k) + 2 std(A_k)]",
    paper="Fuad et al., Features Understanding in 3D CNNs for Actions Recognition in Video, IPTA 2020",
)
def fem(activation: torch.Tensor, *, deviations: float = 2.0) -> torch.Tensor:
    """Return where channels stand out, counted by their means: the Feature Explanation Method.

    Each channel becomes 1 where it lies more than `deviations` standard deviations above its mean. A channel
    without any deviation stands out nowhere. Of n positions none lies more than `√(n − 1)` above.
    pytorch-grad-cam multiplies the channel itself by the share of positions where it stands out.
    """
    if not 0 <= deviations < math.inf:
        raise MethodError(f"fem(deviations={deviations!r}): give 0 or more; the paper takes 2.")
    positions = math.prod(activation.shape[2:])
    if deviations >= math.sqrt(positions - 1):
        raise MethodError(
            f"fem(deviations={deviations!r}): the layer has {positions} positions, and none can stand out "
            "that far. Choose an earlier layer, or fewer deviations."
        )
    std, mean = torch.std_mean(activation, grid_of(activation), correction=0, keepdim=True)
    # Rounding makes a flat channel's deviation a little more or less than 0.
    noise = 16 * torch.finfo(activation.dtype).eps * activation.abs().amax(grid_of(activation), keepdim=True)
    return (mean * ((activation > mean + deviations * std) & (std > noise))).sum(1)


@method(
    "kpca-cam",
    "KPCA-CAM",
    family="activation",
    needs="activations",
    display="positive",
    formula="√λ u, λ, u the first eigenpair of H K H, K_ij = tanh(a_i·a_j / C + 1), a centred, H = I − 1/n",
    paper="Karmani et al., KPCA-CAM, 2024 (arXiv 2410.00267)",
)
def kpca_cam(activation: torch.Tensor, *, kernel: str = "sigmoid", gamma: float = 0.0) -> torch.Tensor:
    """Return the projection of every position on the first principal component in the space of a kernel.

    Positions are points in the space of channels, centred. With `kernel="rbf"` it is
    `K_ij = exp(−γ |a_i − a_j|²)`; `gamma` 0 stands for `1 / C`. Turned like EigenCAM: the cubes of the
    map sum to more than 0.
    """
    _check_kernel(activation, kernel, gamma)
    points = activation.flatten(2).transpose(1, 2).cpu().double()  # not every device has float64
    points = points - points.mean(1, keepdim=True)
    finite = points.isfinite().flatten(1).all(1)
    points = torch.where(finite[:, None, None], points, 0)
    gamma = gamma or 1 / activation.shape[1]
    products = points @ points.transpose(1, 2)
    if kernel == "sigmoid":
        matrix = torch.tanh(gamma * products + 1)
    else:
        squares = products.diagonal(dim1=1, dim2=2)
        matrix = torch.exp(-gamma * (squares[:, :, None] + squares[:, None, :] - 2 * products).clamp(min=0))
    matrix = matrix - matrix.mean(1, keepdim=True)
    matrix = matrix - matrix.mean(2, keepdim=True)
    found = torch.stack([_leading(each) for each in matrix])
    found = torch.where(finite[:, None], found, torch.nan)
    return object_up(found.reshape(len(activation), *activation.shape[2:])).to(activation)


def _leading(matrix: torch.Tensor) -> torch.Tensor:
    """Return `√λ u` of the largest eigenvalue of a symmetric matrix, zeros where it is 0."""
    if matrix.abs().max() <= 1e-13 * len(matrix):  # of points that are all the same rounding errors are left
        return torch.zeros_like(matrix[0])
    if len(matrix) <= 256:
        values, vectors = torch.linalg.eigh(matrix)
        leading: torch.Tensor = vectors[:, -1] * values[-1].clamp(min=0).sqrt()
        return leading
    # One of thousands of eigenvectors: Lanczos finds it in a hundredth of the time.
    start = torch.rand(len(matrix), generator=torch.Generator().manual_seed(0), dtype=matrix.dtype)
    value, vector = eigsh(matrix.numpy(), k=1, which="LA", v0=start.numpy())
    return torch.from_numpy(vector[:, 0] * max(float(value[0]), 0.0) ** 0.5)


def _check_kernel(activation: torch.Tensor, kernel: str, gamma: float) -> None:
    if kernel not in KERNELS:
        raise MethodError(f"kpca-cam(kernel={kernel!r}): give one of {', '.join(map(repr, KERNELS))}.")
    if not 0 <= gamma < math.inf:
        raise MethodError(f"kpca-cam(gamma={gamma!r}): give more than 0, or 0 for 1 / channels.")
    positions = math.prod(activation.shape[2:])
    if positions > LARGEST:
        raise MethodError(
            f"KPCA-CAM compares every position with every other, and the layer has {positions}; choose a "
            f"deeper layer with {LARGEST} at most."
        )
