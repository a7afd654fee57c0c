"""How much each view is to be trusted at each vertex, for the weighted lift."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ivlm_core.geometry.camera import Camera
from ivlm_core.geometry.mesh import Mesh

MIN_COSINE = 0.05


def view_angle_weights(mesh: Mesh, cameras: Sequence[Camera]) -> Tensor:
    """Cosine between a vertex normal and the direction to the camera.

    Args:
        mesh: V vertices.
        cameras: J cameras.

    Returns:
        float32 [J, V] in [0.05, 1]: the floor keeps a vertex that is seen at a grazing angle
        only, and the sign is ignored because both sides of a face are seen.
    """
    directions = np.stack([camera.center for camera in cameras])[:, None] - mesh.vertices
    directions /= np.maximum(np.linalg.norm(directions, axis=-1, keepdims=True), 1e-9)
    cosine = np.abs(np.einsum("jvk,vk->jv", directions, mesh.vertex_normals))
    return torch.from_numpy(np.maximum(cosine, MIN_COSINE).astype(np.float32))


def confidence_weights(mask_iou: Tensor, angle_weights: Tensor) -> Tensor:
    """Predicted mask quality times view angle.

    Args:
        mask_iou: [B, J], the decoder's estimate of each mask's IoU; clamped to [0.01, 1].
        angle_weights: [J, V] from ``view_angle_weights``.

    Returns:
        float32 [B, J, V] for ``LiftOperator.lift``.
    """
    if mask_iou.ndim != 2 or mask_iou.shape[1] != len(angle_weights):
        raise ValueError(
            f"mask_iou must be [B, {len(angle_weights)}] to go with angle weights "
            f"{tuple(angle_weights.shape)}, got {tuple(mask_iou.shape)}."
        )
    return mask_iou.float().clamp(0.01, 1.0)[:, :, None] * angle_weights
