"""Messages that wait at a subscription, taken before the executor gets to them."""

from collections.abc import Iterator
from typing import Any

from rclpy.subscription import Subscription


def take_pending(subscription: Subscription) -> Iterator[Any]:
    """Take what waits at a subscription, oldest first.

    An executor hands out one message of each topic in turn, so where it falls behind, a queue of
    labels is older than the newest image. Whoever matches the two takes all labels first. Only for
    callbacks of the executor's one thread.
    """
    handle = subscription.handle
    with handle:
        while (taken := handle.take_message(subscription.msg_type, False)) is not None:
            yield taken[0]
