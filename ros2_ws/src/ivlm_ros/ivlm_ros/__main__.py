"""The node as a process: `ros2 run ivlm_ros ivlm_node`, or `python -m ivlm_ros`."""

import signal
import threading

from ivlm_core.collector import collect_rarely
from ivlm_core.heap import few_arenas


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Returns 1 when autostart fails, 2 when a parameter cannot be accepted.
    """
    # Signals are waited for here instead of interrupting rclpy, so that the node can still clear
    # its markers. They are blocked before any thread starts, because threads inherit that.
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    few_arenas()
    collect_rarely()
    import rclpy
    import rclpy.logging
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from ivlm_ros.node import THREAD_TIMEOUT_S, IvlmNode
    from ivlm_ros.spinning import Fatal, spin

    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = IvlmNode()
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
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    thread = threading.Thread(target=run, name="executor", daemon=True)
    thread.start()
    signal.sigwait(signals)
    executor.shutdown(timeout_sec=0.0)
    thread.join(THREAD_TIMEOUT_S)
    node.shut_down()
    node.destroy_node()
    rclpy.try_shutdown()
    return int(failed.is_set())


if __name__ == "__main__":
    raise SystemExit(main())
