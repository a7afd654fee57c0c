"""ROS 2 side of InteractVLM-ROS: camera images in, contact and affordance on meshes out."""
