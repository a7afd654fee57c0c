"""The quality-of-service profiles of all topics, by what they carry."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from ivlm_core.messages.results import DEPTH

CAMERA_IN = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)
"""Images in: the newest wins; best effort connects to any publisher."""

CAMERA_IN_RELIABLE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
"""Images in, where every publisher is reliable; see `image_input`."""

LABEL = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
"""Labels in: reliable; volatile, because a transient-local subscriber refuses other publishers;
deep enough that an unusable label does not push out the good one before it."""

EVENT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
"""Rare messages of which none may be lost."""

RESULT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=DEPTH,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
"""Contact meshes, clouds, overlay, replayed images out: what RViz and `ros2 topic echo` expect.

With a depth of 5, readers in other processes missed a third of what an image with 8 labels gave."""

LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Markers out: an RViz that starts late still gets the last full picture."""

DIAGNOSTICS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
"""/diagnostics."""
