"""Parametric objects: meshes with named parts, signed distances and interaction frames."""

from ivlm_core.synthesis.objects.catalogue import (
    CATEGORIES,
    KNOWN_LABELS,
    Category,
    affordance_of,
    category_of,
    default_object,
    make_backpack,
    make_handbag,
    make_hat,
    make_object,
)
from ivlm_core.synthesis.objects.instance import ObjectInstance
from ivlm_core.synthesis.objects.tube import tube_mesh, tube_sdf

__all__ = [
    "CATEGORIES",
    "KNOWN_LABELS",
    "Category",
    "ObjectInstance",
    "affordance_of",
    "category_of",
    "default_object",
    "make_backpack",
    "make_handbag",
    "make_hat",
    "make_object",
    "tube_mesh",
    "tube_sdf",
]
