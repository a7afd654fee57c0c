"""ROS messages without ROS: images in, results out as the bytes that go over the wire.

The node sends these bytes, `ivlm bag` writes them into a bag; neither makes message objects, which
take Python a hundred times as long.
"""
