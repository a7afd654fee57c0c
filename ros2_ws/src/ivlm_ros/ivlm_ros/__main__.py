"""The node as a process: `ros2 run ivlm_ros ivlm_node`, or `python -m ivlm_ros`."""

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from ivlm_core.collector import collect_rarely
from ivlm_core.heap import few_arenas

if TYPE_CHECKING:
    from rclpy.executors import Executor

    from ivlm_ros.node import IvlmNode

_SIGNALS = {signal.SIGINT, signal.SIGTERM}

_LOADED_S = 2.0
"""How long a model that is being loaded may take to notice that the program ends."""
_MEANT_TWICE_S = 1.0
"""A signal that comes so long after the first is another; a shell may deliver one twice."""


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Returns 1 when autostart fails, 2 when a parameter cannot be accepted.
    """
    # Signals are waited for here instead of interrupting rclpy, so that the node can still clear
    # its markers. They are blocked before any thread starts, because threads inherit that.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    stopping, started = threading.Event(), threading.Event()
    threading.Thread(target=_wait_for_signal, args=(stopping, started), daemon=True).start()
    few_arenas()
    collect_rarely()
    import rclpy
    import rclpy.logging
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from ivlm_ros.node import THREAD_TIMEOUT_S, WORKERS, IvlmNode
    from ivlm_ros.spinning import Fatal, spin

    started.set()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = IvlmNode(stopping=stopping)
    except (InvalidParameterValueException, InvalidParameterTypeException) as error:
        rclpy.logging.get_logger("ivlm_node").fatal(str(error))
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    failed = threading.Event()

    def run() -> None:
        try:
            spin(executor, node.report_callback)
        except Fatal as error:
            node.get_logger().fatal(f"stopped: {error}")
            failed.set()
            stopping.set()

    thread = threading.Thread(target=run, name="executor", daemon=True)
    thread.start()
    stopping.wait()
    if failed.is_set():
        node.shut_down()
    else:
        _shut_down(node, executor, 2 * THREAD_TIMEOUT_S)
    executor.shutdown(timeout_sec=0.0)
    thread.join(THREAD_TIMEOUT_S)
    node.destroy_node()
    rclpy.try_shutdown()
    code = int(failed.is_set())
    if any(thread.name in WORKERS for thread in threading.enumerate()):
        os._exit(code)  # Python's own end would take torch away from under it
    return code


def _wait_for_signal(stopping: threading.Event, started: threading.Event) -> None:
    """Wait for a signal; until the program has started, end it: importing takes seconds.

    Another signal ends it whatever it still waits for: `ros2 launch` kills what outlasts two.
    """
    signal.sigwait(_SIGNALS)
    first_s = time.monotonic()
    stopping.set()
    if not started.is_set():
        os._exit(0)
    while time.monotonic() - first_s < _MEANT_TWICE_S:
        signal.sigwait(_SIGNALS)
    os._exit(1)


def _shut_down(node: "IvlmNode", executor: "Executor", timeout_s: float) -> None:
    """Shut the node down in the executor's thread, which goes on to answer goals that this ended.

    Where a large model is being loaded the process ends here: nothing has been published yet.
    """
    done = threading.Event()

    def shut_down() -> None:
        try:
            node.shut_down()
        finally:
            executor.create_task(done.set)  # after the ends of goals, which are tasks as well

    executor.create_task(shut_down)
    if not done.wait(_LOADED_S) and node.loading:
        node.get_logger().info("stopped while a model was being loaded")
        os._exit(0)
    done.wait(timeout_s)
    time.sleep(node.collecting_s)


if __name__ == "__main__":
    raise SystemExit(main())
