"""View rigs: named, ordered sets of cameras around the origin.

The numbers and the look-at convention are those of the published InteractVLM models, so their
view embeddings and renders can be reproduced.
"""

from dataclasses import dataclass

import numpy as np

from ivlm_core.geometry.camera import Camera, look_at

FOV_DEG = 60.0


@dataclass(frozen=True)
class View:
    """One camera of a rig; it looks at the origin with +y up (straight from above or below: +z).

    Attributes:
        name: unique within the rig.
        distance: from the origin, metres (or mesh sizes for a normalised mesh).
        elevation_deg: angle above the xz plane; 315 is 45 below.
        azimuth_deg: angle around +y, from +z towards +x.
        shift_x: shift of the scene towards the left of the image, in the units of ``distance``.
        shift_y: shift of the scene towards the top of the image, likewise.
        light_z: z of the point light (0, 0, light_z) that shades this view.
    """

    name: str
    distance: float
    elevation_deg: float
    azimuth_deg: float
    shift_x: float = 0.0
    shift_y: float = 0.0
    light_z: float = 3.0

    @property
    def eye(self) -> np.ndarray:
        """Where the camera would stand without the shift, float64 [3]."""
        elevation, azimuth = np.deg2rad(self.elevation_deg), np.deg2rad(self.azimuth_deg)
        return self.distance * np.array(
            [
                np.cos(elevation) * np.sin(azimuth),
                np.sin(elevation),
                np.cos(elevation) * np.cos(azimuth),
            ]
        )

    def camera(self, size: int) -> Camera:
        """The camera of this view for a square image of ``size`` pixels."""
        straight = abs(np.cos(np.deg2rad(self.elevation_deg))) < 1e-9  # +y is along the axis
        up = (0.0, 0.0, 1.0) if straight else (0.0, 1.0, 0.0)
        camera_from_world = look_at(self.eye, np.zeros(3), up)
        camera_from_world[:2, 3] -= (self.shift_x, self.shift_y)  # left and up are negative x, y
        return Camera.from_fov(camera_from_world, FOV_DEG, size, size)


@dataclass(frozen=True)
class ViewRig:
    """An ordered set of views; the order is the order of every view axis.

    Attributes:
        name: what ``get_rig`` knows it by.
        views: at least one view, names unique.
    """

    name: str
    views: tuple[View, ...]

    def __post_init__(self) -> None:
        """Refuse empty rigs and repeated view names."""
        if not self.views or len({view.name for view in self.views}) != len(self.views):
            raise ValueError(f"View rig '{self.name}' needs at least one view and unique names.")

    def __len__(self) -> int:
        """Number of views J."""
        return len(self.views)

    @property
    def view_names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(view.name for view in self.views)

    def cameras(self, size: int) -> list[Camera]:
        """One camera per view for square images of ``size`` pixels."""
        return [view.camera(size) for view in self.views]

    def light_positions(self) -> np.ndarray:
        """Where the point light of each view stands, world frame, float32 [J, 3]."""
        return np.array([(0.0, 0.0, view.light_z) for view in self.views], dtype=np.float32)

    def normalised_parameters(self) -> np.ndarray:
        """What the view encoders read, float32 [J, 5].

        Columns: distance / 10, elevation / 360, azimuth / 360, (shift_x + 1) / 2 and
        (shift_y + 1) / 2.
        """
        raw = np.array(
            [
                (v.distance, v.elevation_deg, v.azimuth_deg, v.shift_x, v.shift_y)
                for v in self.views
            ],
            dtype=np.float64,
        )
        raw[:, 0] /= 10.0
        raw[:, 1:3] /= 360.0
        raw[:, 3:] = (raw[:, 3:] + 1.0) / 2.0
        return raw.astype(np.float32)


def _object_views(distance: float) -> tuple[View, ...]:
    """The four object views at one distance."""
    return (
        View("frontleft", distance, 45, 315, light_z=3.0),
        View("frontright", distance, 45, 45, light_z=3.0),
        View("backleft", distance, 330, 135, light_z=-3.0),
        View("backright", distance, 330, 225, light_z=-3.0),
    )


def _around_views(distance: float) -> tuple[View, ...]:
    """The four object views and the six along the axes."""
    frontleft, frontright, backleft, backright = _object_views(distance)
    return (
        *(frontleft, frontright),
        View("top", distance, 90, 0),
        View("front", distance, 0, 0),
        View("left", distance, 0, 270),
        *(backleft, backright),
        View("bottom", distance, 270, 0),
        View("back", distance, 0, 180, light_z=-3.0),
        View("right", distance, 0, 90),
    )


_HUMAN4 = (
    View("topfront", 2, 45, 315, 0, 0.0, light_z=3.0),
    View("bottomfront", 2, 315, 315, 0, 0.3, light_z=-3.0),
    View("topback", 2, 45, 135, 0, 0.0, light_z=-3.0),
    View("bottomback", 2, 315, 135, 0, 0.3, light_z=3.0),
)

# The palms and soles of the shipped star pose: hands hold a quarter of its vertices on a twentieth
# of its area and most contact is there, too few pixels in views of the whole body.
_PALMS = (
    View("leftpalm", 0.3, 0, 0, 0.79, -0.15, light_z=3.0),
    View("rightpalm", 0.3, 0, 0, -0.79, -0.15, light_z=3.0),
)
_SOLES = (
    View("leftsole", 1.224, 305, 0, 0.485, 0.589, light_z=3.0),
    View("rightsole", 1.224, 305, 0, -0.485, 0.589, light_z=3.0),
)

# The same, so near that hands and toes fill the picture: masks of 64 pixels, lifted back, then
# give what a hand touches with an F1 of 0.82 instead of 0.78.
_NEAR_PALMS = (
    View("leftpalm", 0.135, 340, 0, 0.797, -0.146, light_z=3.0),
    View("rightpalm", 0.135, 340, 0, -0.797, -0.146, light_z=3.0),
)
_NEAR_SOLES = (
    View("leftsole", 0.985, 315, 0, 0.475, 0.703, light_z=3.0),
    View("rightsole", 0.985, 315, 0, -0.475, 0.703, light_z=3.0),
)

RIGS: dict[str, ViewRig] = {
    rig.name: rig
    for rig in (
        ViewRig("human4", _HUMAN4),
        ViewRig("human6", (*_HUMAN4, *_PALMS)),
        ViewRig("human8", (*_HUMAN4, *_PALMS, *_SOLES)),
        ViewRig("human8_near", (*_HUMAN4, *_NEAR_PALMS, *_NEAR_SOLES)),
        ViewRig("object4", _object_views(1.5)),
        ViewRig("object4_far", _object_views(2.0)),
        ViewRig("object10_far", _around_views(2.0)),
    )
}


def get_rig(name: str) -> ViewRig:
    """The rig of that name.

    Raises:
        ValueError: unknown name; the text lists the known ones.
    """
    if name not in RIGS:
        raise ValueError(f"Unknown view rig '{name}'; known rigs: {', '.join(RIGS)}.")
    return RIGS[name]
