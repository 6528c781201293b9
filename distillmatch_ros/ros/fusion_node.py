"""The node's process: starts it, and ends it in an orderly way on SIGINT and SIGTERM at any time."""

import gc
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
from distillmatch_ros.ros.parameter_files import unused
from distillmatch_ros.ros.transport import before_a_command, variables_to_set

if TYPE_CHECKING:
    from distillmatch_ros.ros.node import FusionNode
    from distillmatch_ros.ros.statistics import Statistics

WRONG_USE = 2
USAGE = (
    "usage: fusion_node [--ros-args -p NAME:=VALUE --params-file FILE -r FROM:=TO ...]\n"
    "Registers the images of rgb/image with those of thermal/image.\n"
    "Outputs: ~/homography, ~/correspondences, ~/overlay, ~/thermal_registered/image, "
    "~/rgb_registered/image, /diagnostics. Services: ~/save_calibration, ~/reset.\n"
    "Parameters, each with its description:\n"
)
ENDINGS = (signal.SIGINT, signal.SIGTERM)
SWITCH_S = 5e-4
"""Time for which one thread may compute in Python while another waits, s. A pair gives way to a pass at each
call of OpenCV: beside a busy thread it is held up half as long as with the usual 5 ms."""
JOIN_TIMEOUT_S = 3.0
"""Time for the current transition to finish after a signal, s; `ros2 launch` kills the process after 5."""


def main() -> None:
    """Entry point of the ``fusion_node`` program."""
    code = run(sys.argv)
    for number in ENDINGS:  # at exit Python restores the default handlers, which would kill the process
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def run(arguments: Sequence[str], statistics: "Statistics | None" = None) -> int:
    """Run the node until a signal ends the process, and return the exit code.

    Args:
        arguments: arguments of the process, starting with its name.
        statistics: counters of the node; its own if None.
    """
    if arguments[1:] and arguments[1] != "--ros-args":
        asked = arguments[1] in ("-h", "--help")
        print(USAGE + resources.locate("config/fusion.yaml"), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else WRONG_USE
    endings = _Endings()  # before the import of the node, which takes a second
    try:
        require_ros()
    except DistillMatchError as error:
        print(f"fusion_node: {error}", file=sys.stderr)
        return WRONG_USE
    import cv2
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from distillmatch_ros.ros.node import FusionNode

    # Competing with camera drivers for cores, OpenCV's threads would slow its small operations down.
    cv2.setNumThreads(1)
    sys.setswitchinterval(SWITCH_S)
    transport = variables_to_set(os.environ)
    os.environ.update(transport)
    try:
        rclpy.init(args=list(arguments), signal_handler_options=SignalHandlerOptions.NO)
        node = FusionNode(statistics)
    except Exception as error:  # rclpy's exceptions for wrong arguments have no common base class
        print(f"fusion_node: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return WRONG_USE
    log = node.get_logger()
    logging.getLogger("distillmatch_ros").addHandler(_Forward(log))
    logging.getLogger("distillmatch_ros").setLevel(logging.INFO)
    for sentence in unused(arguments, node.get_fully_qualified_name()):
        log.warning(sentence)
    if transport:
        log.info(f"{before_a_command(transport)}: camera drivers need it too, or large images are lost")
    gc.freeze()  # what is imported stays: to look through it takes 40 ms each time, for which a pair waits
    spinner = _Spinner(node)
    spinner.start()
    endings.wait()
    if not spinner.stop():
        log.warning("ended in the middle of a transition")
        os._exit(0)  # opening an engine can neither be interrupted nor cleaned up
    node.close()
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


class _Endings:
    """Records SIGINT and SIGTERM, in place of the handlers of Python and ROS.

    The kernel may deliver a signal to any thread, such as one of a numerical library. Python's handlers run
    in the main thread, which is not woken while it waits for a lock or a queue. The wake-up file descriptor
    is written in whichever thread is interrupted.
    """

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in ENDINGS:
            signal.signal(number, lambda _number, _frame: None)

    def wait(self) -> None:
        """Wait for the first signal, which may have been received already."""
        while self._read.recv(1)[0] not in ENDINGS:
            pass


class _Spinner(threading.Thread):
    """Runs the node's callbacks; an error in a callback does not end the node."""

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
        """End after the current callback; False if that takes too long."""
        self._stopping.set()
        self._executor.create_task(lambda: None)  # wakes the executor
        self.join(JOIN_TIMEOUT_S)
        ended = not self.is_alive()
        if ended:  # before rclpy is shut down, since the executor uses its context
            self._executor.shutdown()
        return ended

    def _spin_once(self) -> None:
        try:
            self._executor.spin_once()
        except Exception as error:  # such as a transition that the state does not allow
            self._node.get_logger().error(f"{type(error).__name__}: {error}")


class _Forward(logging.Handler):
    """Forwards the package's log records to the node's logger."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        # rclpy requires that a line of code logs with a single level.
        if record.levelno >= logging.ERROR:
            self._log.error(record.getMessage())
        elif record.levelno >= logging.WARNING:
            self._log.warning(record.getMessage())
        else:
            self._log.info(record.getMessage())


if __name__ == "__main__":
    main()
