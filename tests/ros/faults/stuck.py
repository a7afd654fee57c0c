"""The node as a process, with a model that never gets loaded, or loads and never answers.

The environment variable STUCK says at which of the two, "load" or "answer".
"""

import os
import threading

from ivlm_core.estimator import Estimator
from ivlm_ros.__main__ import main
from ivlm_ros.node import IvlmNode


def load(node: IvlmNode, _settings: object) -> None:
    """Say so, and wait for ever."""
    node.get_logger().info("loading")
    threading.Event().wait()


def answer(*_: object, **__: object) -> None:
    """Say so, and wait for ever; what warms the model up is not asked."""
    print("answering", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    if os.environ.get("STUCK", "load") == "load":
        IvlmNode._load_model = load
    else:
        Estimator.warm_up = lambda *_: None
        Estimator.estimate = Estimator.estimate_on = answer
    raise SystemExit(main())
