"""Subscriptions of the node, and the pairing of their messages."""

from collections import Counter
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.units import SECOND
from distillmatch_ros.ros.filters import FilterSynchroniser
from distillmatch_ros.ros.message_types import is_installed, message_class
from distillmatch_ros.ros.statistics import MISSING, Drop, Statistics
from distillmatch_ros.stream.assembly import make_collector, make_synchroniser
from distillmatch_ros.stream.attachment import PairCollector
from distillmatch_ros.stream.messages import TF_MESSAGE, Messages
from distillmatch_ros.stream.parameters import COMPRESSED, MESSAGE_FILTERS, RAW, Parameters, tolerance_of
from distillmatch_ros.stream.robot import TF_STATIC
from distillmatch_ros.stream.sensors import ATTACHED, MATCHED, Sensor
from distillmatch_ros.stream.synchroniser import Pair, Synchroniser
from distillmatch_ros.stream.timing import REMEMBERED, Timing
from distillmatch_ros.stream.waiting import Arrival

OTHER_TYPES = {"sensor_msgs/msg/CompressedImage": CompressedImage, "sensor_msgs/msg/PointCloud2": PointCloud2}
"""Messages beside Image that are read, by type; points of depth sensors only."""

_TIMES = (
    "tolerance",
    "thermal_offset",
    *map(tolerance_of, ATTACHED),
)  # parameters by which frames are paired


class Intake:
    """Subscribes to the cameras from activation to deactivation; used by the executor's thread only.

    Callbacks only store messages, so that none waits in a queue.
    """

    def __init__(
        self,
        node: Node,
        parameters: Parameters,
        messages: Messages,
        statistics: Statistics,
        on_pair: Callable[[Pair[Any]], None],
        on_info: Callable[[Sensor, CameraInfo], None],
        on_transforms: Callable[[Any], None],
    ) -> None:
        """Subscribe.

        Args:
            node: subscribing node.
            parameters: transports, pairing and offset.
            messages: converter, for stamps.
            statistics: counters of received and dropped frames.
            on_pair: called with each pair of messages.
            on_info: called with each CameraInfo.
            on_transforms: called with each TFMessage of static transforms.

        Raises:
            DistillMatchError: message_filters is not installed, or both cameras have one topic.
        """
        self._node = node
        self._parameters = parameters
        self._messages = messages
        self._statistics = statistics
        self._on_pair = on_pair
        self._on_info = on_info
        self._synchroniser = _make(parameters)
        self._collector = self._make_collector()
        self._told: Counter[Drop] = Counter()
        self.timing = Timing(REMEMBERED)
        """Stamps and times of receipt of the frames."""
        self.incompatible_qos: dict[Sensor, str] = {}
        """By sensor, the QoS policy that prevents a connection to a publisher."""
        transports = {Sensor.VISIBLE: parameters.rgb_transport, Sensor.THERMAL: parameters.thermal_transport}
        self._images: dict[Sensor, Subscription] = {}
        self._infos: list[Subscription] = []
        try:
            for sensor in (*MATCHED, *parameters.attached):
                self._images[sensor] = self._subscribe(sensor, transports.get(sensor, RAW))
            self._check_topics()
            for sensor in (*MATCHED, *parameters.attached):
                self._infos.append(self._subscribe_info(sensor))
            if is_installed(TF_MESSAGE):
                self._infos.append(self._subscribe_transforms(on_transforms))
        except Exception:  # such as QoS overrides that rclpy rejects
            self.close()
            raise

    @property
    def topics(self) -> dict[Sensor, str]:
        """The remapped topics."""
        return {sensor: subscription.topic_name for sensor, subscription in self._images.items()}

    def publishers(self) -> dict[Sensor, Counter[str]]:
        """Publishers of both topics, by the type of their messages, such as ``sensor_msgs/msg/Image``.

        A topic that publishes CompressedImage alone, such as one that was remapped, is subscribed as such,
        and one of a depth sensor that publishes PointCloud2 alone.
        """
        found = {
            sensor: Counter(info.topic_type for info in self._node.get_publishers_info_by_topic(topic))
            for sensor, topic in self.topics.items()
        }
        for sensor, types in found.items():
            wanted = OTHER_TYPES.get(next(iter(types))) if len(types) == 1 else None
            fits = wanted is CompressedImage or sensor in ATTACHED
            if wanted is not None and fits and self._images[sensor].msg_type is Image:
                topic = self.topics[sensor]
                self._node.get_logger().info(f"{topic} publishes {wanted.__name__} and is subscribed as that")
                self._node.destroy_subscription(self._images[sensor])
                self._images[sensor] = self._subscribe_to(sensor, _name(sensor), wanted)
        return found

    def configure(self, parameters: Parameters) -> None:
        """Set tolerance and offset; waiting frames are dropped if these change."""
        before, self._parameters = self._parameters, parameters
        if any(getattr(before, name) != getattr(parameters, name) for name in _TIMES):
            self.reset()
            self.count_drops()
            self._synchroniser, self._told = _make(parameters), Counter()
            self._collector = self._make_collector()

    def reset(self) -> None:
        """Discard all frames and all knowledge of the clocks."""
        self._collector.reset()
        self.timing.reset()

    def count_drops(self) -> None:
        """Report the synchroniser's drops since the last call to the statistics."""
        for attached, number in self._collector.missing.items():
            self._statistics.drop(attached.namespace, MISSING, number)
        self._collector.missing.clear()
        if not isinstance(self._synchroniser, Synchroniser):
            return
        dropped = Counter(
            {
                (sensor.namespace, reason.value): number
                for sensor, reasons in self._synchroniser.counts.dropped.items()
                for reason, number in reasons.items()
            }
        )
        for (sensor, reason), number in (dropped - self._told).items():
            self._statistics.drop(sensor, reason, number)
        self._told = dropped

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in (*self._images.values(), *self._infos):
            self._node.destroy_subscription(subscription)
        self.reset()
        self.count_drops()

    def _check_topics(self) -> None:
        """Reject one topic for two sensors: an image agrees with itself, and each pair would be answered."""
        sensors: dict[str, Sensor] = {}
        for sensor, topic in self.topics.items():
            other = sensors.setdefault(topic, sensor)
            if other is not sensor:
                raise DistillMatchError(
                    f"{topic} is both {_name(other)} and {_name(sensor)}; remap them to two cameras"
                )

    def _subscribe(self, sensor: Sensor, transport: str) -> Subscription:
        if transport == COMPRESSED:
            remapped = self._node.resolve_topic_name(_name(sensor))
            return self._subscribe_to(sensor, f"{remapped}/compressed", CompressedImage)
        return self._subscribe_to(sensor, _name(sensor), Image)

    def _subscribe_to(self, sensor: Sensor, topic: str, kind: type) -> Subscription:
        def receive(message: Any) -> None:
            now, stamp = monotonic_ns(), self._messages.stamp_of(message)
            self._statistics.receive(sensor, stamp, now)
            if sensor in MATCHED:
                if self.timing.jumped(sensor, stamp, now):
                    self.timing.reset()  # a jump would be taken for clock drift
                self.timing.receive(sensor, stamp, now)
            for pair in self._collector.add(sensor, Arrival(stamp, now, message)):
                self._statistics.pair(pair.skew)
                self._on_pair(pair)

        def reject(event: Any) -> None:
            if sensor not in self.incompatible_qos:
                policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
                self.incompatible_qos[sensor] = policy
                self._node.get_logger().warning(
                    f"{self.topics[sensor]}: a publisher's QoS is incompatible with this subscription "
                    f"({policy}), and no image arrives; set "
                    f"qos_overrides.{self.topics[sensor]}.subscription.{policy}"
                )

        return self._node.create_subscription(
            kind,
            topic,
            receive,
            _best_effort(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=reject),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _make_collector(self) -> PairCollector[Any]:
        return make_collector(self._parameters, self._synchroniser, self._parameters.attached)

    def _subscribe_info(self, sensor: Sensor) -> Subscription:
        topic = f"{sensor.namespace}/camera_info"
        return self._node.create_subscription(
            CameraInfo, topic, lambda info: self._on_info(sensor, info), _best_effort()
        )

    def _subscribe_transforms(self, receive: Callable[[Any], None]) -> Subscription:
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return self._node.create_subscription(message_class(TF_MESSAGE), TF_STATIC, receive, latched)


def _name(sensor: Sensor) -> str:
    """Topic of a camera's images, as it is subscribed to; a remapped name would be remapped again."""
    return f"{sensor.namespace}/image"


def _best_effort() -> QoSProfile:
    """QoS compatible with every camera driver. A new object each time: rclpy writes overrides into it."""
    return QoSProfile(depth=5, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT)


def _make(parameters: Parameters) -> Synchroniser[Any] | FilterSynchroniser[Any]:
    if parameters.pairing == MESSAGE_FILTERS:
        return FilterSynchroniser(
            round(parameters.tolerance * SECOND), round(parameters.thermal_offset * SECOND)
        )
    return make_synchroniser(parameters)
