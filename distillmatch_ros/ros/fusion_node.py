"""The process of the node: starts it, and ends it cleanly on SIGINT and SIGTERM, whatever it is doing."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from distillmatch_ros.base import resources
from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.ros.installation import require_ros
from distillmatch_ros.ros.transport import variables_to_set

if TYPE_CHECKING:
    from distillmatch_ros.ros.node import FusionNode
    from distillmatch_ros.ros.statistics import Statistics

WRONG_USE = 2
USAGE = (
    "usage: fusion_node [--ros-args -p NAME:=VALUE --params-file FILE -r FROM:=TO ...]\n"
    "Registers the images of rgb/image with those of thermal/image.\n"
    "Out: ~/homography, ~/correspondences, ~/overlay, ~/thermal_registered, /diagnostics. "
    "Services: ~/save_calibration, ~/reset. Parameters, each with its description:\n"
)
ENDINGS = (signal.SIGINT, signal.SIGTERM)
PATIENCE_S = 3.0
"""How long the transition in hand may take once the process is asked to end; `ros2 launch` kills after 5."""


def main() -> None:
    """Entry point of the ``fusion_node`` program."""
    code = run(sys.argv)
    for number in ENDINGS:  # while Python ends it would give them back their way of ending a process
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def run(arguments: Sequence[str], statistics: "Statistics | None" = None) -> int:
    """Run the node until the process is asked to end, and return the exit code.

    Args:
        arguments: of the process, its name first.
        statistics: what the node counts with; its own if None.
    """
    if arguments[1:] and arguments[1] != "--ros-args":
        asked = arguments[1] in ("-h", "--help")
        print(USAGE + resources.locate("config/fusion.yaml"), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else WRONG_USE
    endings = _Endings()  # importing the node takes a second, so this comes first
    try:
        require_ros()
    except DistillMatchError as error:
        print(f"fusion_node: {error}", file=sys.stderr)
        return WRONG_USE
    import cv2
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from distillmatch_ros.ros.node import FusionNode

    # Beside cameras and listeners, OpenCV's threads wait for a core, and its small steps for its threads.
    cv2.setNumThreads(1)
    transport = variables_to_set(os.environ)
    os.environ.update(transport)
    try:
        rclpy.init(args=list(arguments), signal_handler_options=SignalHandlerOptions.NO)
        node = FusionNode(statistics)
    except Exception as error:  # rclpy's classes for wrong arguments have no base class of their own
        print(f"fusion_node: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return WRONG_USE
    log = node.get_logger()
    logging.getLogger("distillmatch_ros").addHandler(_Forward(log))
    logging.getLogger("distillmatch_ros").setLevel(logging.INFO)
    if transport:
        name, value = next(iter(transport.items()))
        log.info(f"{name}={value}: camera drivers need it too, or large images are lost")
    spinner = _Spinner(node)
    spinner.start()
    endings.wait()
    if not spinner.stop():
        log.warning("ended in the middle of a transition")
        os._exit(0)  # an engine that is being opened can be neither interrupted nor taken apart
    node.close()
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


class _Endings:
    """Notes the signals that ask the process to end, in place of what Python and ROS do by themselves.

    The kernel may hand a signal to any thread, such as one of a numerical library. Python's own handlers run
    in the main thread, which another thread's signal does not wake while it waits for a lock or a queue. The
    file descriptor below is written to by whichever thread the signal interrupts.
    """

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in ENDINGS:
            signal.signal(number, lambda _number, _frame: None)

    def wait(self) -> None:
        """Wait for the first of them, which may have come long ago."""
        while self._read.recv(1)[0] not in ENDINGS:
            pass


class _Spinner(threading.Thread):
    """Runs the node's callbacks; no error of one of them ends the node."""

    def __init__(self, node: "FusionNode") -> None:
        from rclpy.executors import SingleThreadedExecutor

        super().__init__(name="executor", daemon=True)
        self._node = node
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._stopping = threading.Event()

    def run(self) -> None:
        self._node.start()
        while not self._stopping.is_set():
            self._spin_once()

    def stop(self) -> bool:
        """End after the callback in hand; False if that takes too long."""
        self._stopping.set()
        self._executor.create_task(lambda: None)  # waiting ends when there is something to do
        self.join(PATIENCE_S)
        ended = not self.is_alive()
        if ended:  # before rclpy is shut down: the executor takes its part of the context apart
            self._executor.shutdown()
        return ended

    def _spin_once(self) -> None:
        try:
            self._executor.spin_once()
        except Exception as error:  # such as a transition that the state does not allow
            self._node.get_logger().error(f"{type(error).__name__}: {error}")


class _Forward(logging.Handler):
    """What the package logs, in the log of the node."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        # rclpy wants one level for each line that logs.
        if record.levelno >= logging.ERROR:
            self._log.error(record.getMessage())
        elif record.levelno >= logging.WARNING:
            self._log.warning(record.getMessage())
        else:
            self._log.info(record.getMessage())


if __name__ == "__main__":
    main()
