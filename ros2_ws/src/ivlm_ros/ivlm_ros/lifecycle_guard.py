"""Keeps a managed node alive and talking when a transition goes wrong."""

import functools
import traceback
from collections.abc import Callable
from typing import Any

# RCLError has no public name in Jazzy's rclpy.
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

Callback = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def refuse_illegal_transitions(node: LifecycleNode) -> None:
    """Make the change_state service answer false to a transition that the state does not allow.

    Jazzy's rclpy lets the error out of the executor, which ends the process: ros2/rclpy#1209.
    Remove this function once the oldest supported rclpy has the fix.
    """
    service = node._service_change_state
    change_state = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change_state(request, response)
        except rclpy_implementation.RCLError:
            wanted = request.transition.label or request.transition.id
            state = node._state_machine.current_state[1]
            node.get_logger().warning(f"transition {wanted!r} is not allowed in state {state!r}")
            response.success = False
            return response

    service.callback = guarded


def logged_transition(callback: Callback) -> Callback:
    """Log an exception of a transition callback and turn it into ERROR; rclpy would swallow it."""

    @functools.wraps(callback)
    def wrapper(node: LifecycleNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(node, state)
        except Exception:
            node.get_logger().error(f"{callback.__name__} failed:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    return wrapper
