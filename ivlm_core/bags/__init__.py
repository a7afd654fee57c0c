"""Bags of ROS 2 read and written without ROS, by the `rosbags` library."""
