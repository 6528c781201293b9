"""Depth in the node: the point cloud, and what is said where depth is wrong or missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from support.bench import Bench
from support.ros_process import closing_all, domain, start_node

from distillmatch_ros.base.units import SECOND
from distillmatch_ros.evaluation.parallax import DEPTHS, true_rig
from distillmatch_ros.geometry.camera import Camera
from distillmatch_ros.images.frames import Frame
from distillmatch_ros.images.sizes import MAX_PIXELS
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import LearnedRig
from distillmatch_ros.ros.message_types import is_installed, message_class
from distillmatch_ros.ros.pipeline import ros_messages
from distillmatch_ros.scene import SyntheticPair
from distillmatch_ros.stream.messages import CLOUD_FIELDS, TF_MESSAGE
from distillmatch_ros.tools.load import image_message

PERIOD = 200_000_000
COLOURS = ("red", "green", "blue")


class Street:
    """The cameras of a street at 5 Hz."""

    def __init__(self, bench: Bench, near_street: SyntheticPair) -> None:
        self.bench = bench
        self._images = {"rgb": (near_street.visible, "bgr8"), "thermal": (near_street.thermal, "16UC1")}
        self._metres = near_street.visible_depth.astype(np.float32)
        self.depth = bench.node.create_publisher(Image, "/depth/image", 5)

    def announce(self, camera: Camera) -> None:
        """Tell the lens of the RGB and the depth camera, and that both are in one place."""
        message = ros_messages(MAX_PIXELS).camera(camera, Frame(self._images["rgb"][0], "bgr8", 0, ""))
        bench = self.bench
        infos = [
            bench.node.create_publisher(CameraInfo, f"/{name}/camera_info", 5) for name in ("rgb", "depth")
        ]
        bench.until(lambda: all(each.get_subscription_count() for each in infos))
        (done,) = bench.set(depth_pose="0 0 0 0 0 0 1")
        assert done.successful
        for each in infos:
            each.publish(message)

    def show(
        self,
        seconds: float,
        depth: bool = True,
        factor: float = 1.0,
        late: int = 0,
        frame: str = "rgb_optical",
        pan: int = 0,
    ) -> None:
        for number in range(round(5 * seconds)):
            self.bench.now += PERIOD
            stamp = self.bench.now
            for name, (image, encoding) in self._images.items():
                noise = np.full_like(image, number % 2)  # no camera sends the same image twice
                seen = np.roll(image, number * pan * image.shape[1] // 640, 1)
                self.bench.send(name, seen + noise, encoding, stamp)
            if depth:
                own = factor if pan else factor * (1 + 1e-6 * (number % 2))  # while it pans, it hangs
                message = image_message(frame, "32FC1", self._metres * np.float32(own))
                message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp + late, SECOND)
                self.depth.publish(message)
            self.bench.spin(0.2)


@pytest.fixture(scope="module")
def seen(
    transport: None, network: Path, near_street: SyntheticPair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("node")
    RigFile.of(LearnedRig(true_rig(near_street), DEPTHS, shifted=False), 30).save(folder / "rig.yaml")
    named = {"model": network, "mode": "fixed", "calibration_file": folder / "rig.yaml", "depth": "true"}
    arguments = [each for name, value in named.items() for each in ("-p", f"{name}:={value}")]
    with closing_all() as things:
        own = domain()
        things.append(start_node(own, folder, *arguments))
        bench = Bench(own)
        things.append(bench)
        found = Street(bench, near_street)
        bench.see()
        bench.listen("points", "thermal_registered/mask", "thermal/camera_info")
        yield found


@pytest.mark.slow
def test_points_of_the_scene_arrive(seen: Street, near_street: SyntheticPair) -> None:
    seen.show(4.0)
    bench = seen.bench
    cloud = bench.until(lambda: bench.outputs["points"])[-1]
    assert cloud.header.frame_id == "rgb_optical"
    points = np.frombuffer(cloud.data, np.float32).reshape(-1, 5)
    assert len(points) == cloud.width > 50_000
    depth = near_street.visible_depth[np.isfinite(near_street.visible_depth)]
    assert depth.min() <= points[:, 2].min() < points[:, 2].max() <= depth.max() + 1e-3
    assert set(points[:, 4]) <= {*near_street.thermal.flat, *(near_street.thermal.flat + np.uint16(1))}
    assert float(bench.figures()["depth in [Hz]"]) >= 0


@pytest.mark.slow
def test_the_rig_tells_the_thermal_camera_and_where_it_is(seen: Street, near_street: SyntheticPair) -> None:
    bench, rig = seen.bench, true_rig(near_street)
    if not bench.outputs["thermal/camera_info"]:
        seen.show(2.0)
    info = bench.until(lambda: bench.outputs["thermal/camera_info"])[-1]
    assert Camera.from_camera_info(info).same_as(rig.thermal)
    assert info.header.frame_id == "thermal_optical"
    if not is_installed(TF_MESSAGE):  # as in ROS 2 from PyPI
        assert "tf2_msgs" in bench.figures()["/tf_static withheld"]
        return
    said: list[Any] = []
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    bench.node.create_subscription(message_class(TF_MESSAGE), "/tf_static", said.append, latched)
    (transform,) = bench.until(lambda: said)[-1].transforms
    assert (transform.header.frame_id, transform.child_frame_id) == ("rgb_optical", "thermal_optical")
    assert transform.transform.translation.x == pytest.approx(rig.T_visible_thermal.translation[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"factor": 1000.0}, "median"),
        ({"depth": False}, "no messages on /depth/image"),
        ({"late": PERIOD // 2}, "depth_tolerance"),
        ({"frame": "depth_optical"}, "depth_optical"),
        ({"pan": 16}, "hangs"),
    ],
    ids=["unit", "missing", "late", "frame", "hung"],
)
def test_without_usable_depth_pairs_go_on_and_diagnostics_say_why(
    seen: Street, wrong: dict[str, object], said: str
) -> None:
    seen.show(1.0)
    bench = seen.bench
    clouds, masks = len(bench.outputs["points"]), len(bench.outputs["thermal_registered/mask"])
    del bench.diagnostics[:]
    seen.show(4.0, **wrong)  # type: ignore[arg-type]
    assert any(said in status.message for status in bench.diagnostics), [
        status.message for status in bench.diagnostics
    ]
    assert len(bench.outputs["thermal_registered/mask"]) >= masks + 5
    # Of twenty: those that were under way, and those within the periods for which depth may repeat.
    assert len(bench.outputs["points"]) <= clouds + 5


@pytest.mark.slow
def test_depth_with_a_frame_of_its_own_is_used_once_pose_and_lenses_are_known(
    seen: Street, near_street: SyntheticPair
) -> None:
    bench = seen.bench
    clouds = len(bench.outputs["points"])
    seen.announce(true_rig(near_street).visible)
    seen.show(4.0, frame="depth_optical")
    assert len(bench.outputs["points"]) >= clouds + 5


@pytest.mark.slow
def test_points_of_a_lidar_are_subscribed_as_such(seen: Street, near_street: SyntheticPair) -> None:
    bench, rig = seen.bench, true_rig(near_street)
    rows, columns = np.mgrid[4 : rig.visible.size[0] : 8, 4 : rig.visible.size[1] : 4].reshape(2, -1)
    depth = near_street.visible_depth[rows, columns, None]
    points = rig.visible.unproject(np.column_stack([columns, rows])) * np.where(
        np.isfinite(depth), depth, np.nan
    )
    cloud = np.zeros(
        len(points), [(name, "f4") for name in CLOUD_FIELDS] + [(name, "u1") for name in COLOURS]
    )
    for axis, values in zip("xyz", points.T, strict=True):
        cloud[axis] = values
    bench.node.destroy_publisher(seen.depth)
    lidar = bench.node.create_publisher(PointCloud2, "/depth/image", 5)
    bench.until(lambda: lidar.get_subscription_count())
    seen.announce(rig.visible)
    clouds = len(bench.outputs["points"])
    messages = ros_messages(MAX_PIXELS)
    for _ in range(20):
        seen.show(0.2, depth=False)
        lidar.publish(messages.points(cloud, Frame(near_street.visible, "bgr8", bench.now, "rgb_optical")))
        bench.spin(0.1)
    assert len(bench.outputs["points"]) >= clouds + 5
