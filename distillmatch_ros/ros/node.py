"""The lifecycle node: one method for each transition."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from time import monotonic_ns
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.images.exchanged import exchanged_by_name
from distillmatch_ros.ros.condition import Condition, figures
from distillmatch_ros.ros.declaration import changed, declare, overrides_of, unused_overrides
from distillmatch_ros.ros.diagnosis import diagnose
from distillmatch_ros.ros.intake import Intake
from distillmatch_ros.ros.pipeline import PAIR, Pipeline, ros_messages
from distillmatch_ros.ros.statistics import SUPERSEDED, Statistics
from distillmatch_ros.ros.worker import Worker
from distillmatch_ros.stream.sensors import Sensor
from distillmatch_ros.stream.synchroniser import Pair

NAME = "distillmatch"

_Transition = Callable[["FusionNode", LifecycleState], TransitionCallbackReturn]


def _leads_to(goal: str, otherwise: str | None = None) -> Callable[[_Transition], _Transition]:
    """Decorator for a transition: updates the state, and reports every error, which rclpy does not.

    Args:
        goal: state after success.
        otherwise: state after a failure; None for the previous one.
    """

    def mark(transition: _Transition) -> _Transition:
        @wraps(transition)
        def run(node: "FusionNode", state: LifecycleState) -> TransitionCallbackReturn:
            try:
                outcome = transition(node, state)
            except Exception as error:
                node.note(error)
                expected = isinstance(error, DistillMatchError)
                outcome = TransitionCallbackReturn.FAILURE if expected else TransitionCallbackReturn.ERROR
            done = outcome is TransitionCallbackReturn.SUCCESS
            node.state = goal if done else otherwise or str(state.label)
            return outcome

        return run

    return mark


class FusionNode(LifecycleNode):
    """Subscribes to two cameras and publishes the registration of their images."""

    def __init__(self, statistics: Statistics | None = None) -> None:
        """Declare the parameters; everything else is done in the transitions.

        Args:
            statistics: counters; its own if None.

        Raises:
            DistillMatchError: a parameter is not allowed.
        """
        super().__init__(NAME, automatically_declare_parameters_from_overrides=True)
        self.state = "unconfigured"
        """Lifecycle state, such as ``active``."""
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = partial(self._answer, service.callback)
        self._overrides = overrides_of(self)
        self._current = declare(self)
        self._messages = ros_messages(self._current.max_pixels)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._take_parameters)
        self._statistics = statistics or Statistics(monotonic_ns())
        self._pipeline: Pipeline | None = None
        self._worker: Worker[Pair[Any]] | None = None
        self._intake: Intake | None = None
        self._error: str | None = None
        self._since = monotonic_ns()
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Steady time: simulated time may stand still, which diagnostics must report too.
        self.create_timer(1.0, self._diagnose, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.create_service(Trigger, "~/save_calibration", self._save_calibration)
        self.create_service(Trigger, "~/reset", self._reset)

    def start(self) -> None:
        """Configure and activate if the parameter autostart is true."""
        if self._current.autostart and self.trigger_configure() is TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def note(self, error: Exception) -> None:
        """Report an error in the log and in the diagnostics."""
        expected = isinstance(error, DistillMatchError)
        self._error = str(error) if expected else f"{type(error).__name__}: {error}"
        self.get_logger().error(self._error)

    @_leads_to("inactive")
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the engine and create the publishers."""
        self._error = None
        self._pipeline = Pipeline(self, self._current, self._messages, self._statistics)
        engine = self._pipeline.engine
        self.get_logger().info(f"network {engine.config} {engine.precision} on {engine.device}")
        if self._pipeline.awaited_rig is not None:
            self.get_logger().warning(
                f"rig_file {self._pipeline.awaited_rig} does not exist: the rig is learned, and "
                "written there once it is known"
            )
        return TransitionCallbackReturn.SUCCESS

    @_leads_to("active")
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        pipeline = self._pipeline
        assert pipeline is not None, "configured before it is activated"
        self._error = None
        self._intake = Intake(
            self,
            self._current,
            self._messages,
            self._statistics,
            self._submit,
            pipeline.set_camera_info,
            pipeline.take_transforms,
        )
        for fault in unused_overrides(self, self._overrides):
            self.get_logger().warning(f"ignored: {fault}")
        self._worker = Worker(pipeline.process, self._fail)
        self._since = monotonic_ns()
        return TransitionCallbackReturn.SUCCESS

    @_leads_to("inactive")
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and let the worker finish the current pair; an error if the engine failed."""
        self._stop()
        failed = self._error is not None
        return TransitionCallbackReturn.ERROR if failed else TransitionCallbackReturn.SUCCESS

    @_leads_to("unconfigured")
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the engine."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    @_leads_to("finalized")
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release all resources."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    @_leads_to("unconfigured", otherwise="finalized")
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release all resources, so that the node can be configured again."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Release all resources, in any state."""
        self._stop()
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None

    def _stop(self) -> None:
        if self._intake is not None:
            self._intake.close()
            self._intake = None
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _answer(
        self, change: Callable[..., Any], request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        """Respond to invalid transitions too: before Kilted rclpy would not, and the caller would wait."""
        try:
            return change(request, response)
        except Exception as error:
            self.get_logger().warning(f"rejected while {self.state}: {str(error).splitlines()[0]}")
            response.success = False
            return response

    def _submit(self, pair: Pair[Any]) -> None:
        if self._worker is not None and self._worker.submit(pair):
            self._statistics.drop(PAIR, SUPERSEDED)

    def _fail(self, error: Exception) -> None:
        """Called when the worker ends with an error: the executor's thread deactivates the node."""
        self.note(error)
        if self.executor is not None:
            self.executor.create_task(self._go_down)

    def _go_down(self) -> None:
        if self.state == "active":
            self.trigger_deactivate()

    def _check_parameters(self, settings: list[Parameter]) -> SetParametersResult:
        try:
            parameters = changed(self._current, settings)
            if self._pipeline is not None:
                self._pipeline.calibration_for(parameters, _names(settings))
        except DistillMatchError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _take_parameters(self, settings: list[Parameter]) -> None:
        self._current = changed(self._current, settings)
        if self._pipeline is not None:
            try:
                calibration = self._pipeline.calibration_for(self._current, _names(settings))
                self._pipeline.configure(self._current, calibration)
            except DistillMatchError as error:  # the file was removed since it was checked
                self.note(error)
        if self._intake is not None:
            self._intake.configure(self._current)

    def _save_calibration(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def save(pipeline: Pipeline) -> str:
            path, calibration = pipeline.save_calibration()
            return f"{path}: one homography of {calibration.pairs} pairs, {calibration.rms_px:.1f} px RMS"

        return self._serve(save, response)

    def _reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def reset(pipeline: Pipeline) -> str:
            pipeline.reset()
            if self._intake is not None:
                self._intake.reset()
            return "all earlier pairs are forgotten"

        return self._serve(reset, response)

    def _serve(self, act: Callable[[Pipeline], str], response: Trigger.Response) -> Trigger.Response:
        try:
            if self._pipeline is None:
                raise DistillMatchError(f"the node is {self.state}; configure it first")
            response.message, response.success = act(self._pipeline), True
        except DistillMatchError as error:
            response.message, response.success = str(error), False
        return response

    def _diagnose(self) -> None:
        pipeline, intake = self._pipeline, self._intake
        condition = Condition(self.get_fully_qualified_name(), self.state, self._since, self._error)
        if pipeline is not None:
            condition = replace(
                condition,
                engine=pipeline.engine,
                missing_infos=pipeline.missing_infos,
                unusable=pipeline.unusable,
                advice=pipeline.advice,
                exchanged=pipeline.exchanged,
                rig=pipeline.rig,
                rig_use=pipeline.rig_use,
                withheld=pipeline.withheld,
            )
        if intake is not None:
            intake.count_drops()
            condition = replace(
                condition,
                topics=intake.topics,
                exchanged=exchanged_by_name(intake.topics[Sensor.VISIBLE], intake.topics[Sensor.THERMAL])
                or condition.exchanged,
                publishers=intake.publishers(),
                incompatible_qos=intake.incompatible_qos,
                timing=intake.timing,
            )
        now = monotonic_ns()
        report = self._statistics.take(now)
        diagnosis = diagnose(report, condition, self._current, now)
        device = condition.engine.device if condition.engine is not None else ""
        # Name and hardware_id distinguish several rigs on one robot, which may share a device.
        status = DiagnosticStatus(
            level=bytes([diagnosis.level]),
            name=f"{self.get_fully_qualified_name().strip('/')}: fusion",
            message=diagnosis.message,
            hardware_id=": ".join(filter(None, (self.get_namespace().strip("/"), device))),
            values=[KeyValue(key=key, value=value) for key, value in figures(report, condition).items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def _names(settings: list[Parameter]) -> set[str]:
    return {setting.name for setting in settings}
