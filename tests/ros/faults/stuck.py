"""The node as a process, with a model that never gets loaded."""

import threading

from ivlm_ros.__main__ import main
from ivlm_ros.node import IvlmNode


def load(node: IvlmNode, _settings: object) -> None:
    """Say so, and wait for ever."""
    node.get_logger().info("loading")
    threading.Event().wait()


if __name__ == "__main__":
    IvlmNode._load_model = load
    raise SystemExit(main())
