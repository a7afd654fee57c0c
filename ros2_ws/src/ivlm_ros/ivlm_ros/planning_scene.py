"""MoveIt's message, where moveit_msgs is installed.

`moveit_msgs` comes from apt (`ros-jazzy-moveit-msgs`) and is not on PyPI. Without it there is no
topic `~/collision_object`.
"""

try:
    from moveit_msgs.msg import CollisionObject
except ImportError:
    CollisionObject = None
