"""Meshes, cameras, view rigs and the body.

Conventions of the whole package, written here once and pinned by ``tests/test_conventions.py``:

* Lengths are metres, frames are right-handed, angles carry their unit in the name (``_deg``).
* Canonical body frame: +x is the body's anatomical left, +y is up, +z is where the body faces.
* Camera axes are OpenCV's: x right, y down, z forward. ``camera_from_world`` is 4x4 and maps
  world points to camera points (column vectors); ``intrinsics`` is 3x3 in pixels.
* The centre of the pixel in row r and column c is at x = c + 0.5, y = r + 0.5.
* Image points are (x, y), image sizes are (height, width), images are RGB uint8.
* A pixel that hits nothing carries -1 in every field of a pixel map.
"""
