"""Installs with pip and with colcon (ament_python) alike."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "distillmatch_ros"
SHARE = f"share/{NAME}"

# DINOv3 came with 4.56.
TRAIN = ["torch", "kornia", "tensorboard", "onnx", "onnxscript", "transformers>=4.56", "pydantic>=2.7"]
# Interfaces of one ROS release, Jazzy: without the pins pip mixes releases.
ROS = [
    "ros-rclpy[fastrtps]==7.1.6",
    *(f"ros-{package}==5.3.6" for package in ("sensor-msgs", "std-msgs", "diagnostic-msgs", "std-srvs")),
]
DEV = [
    # What the checks were written against; a newer PyTorch exports other graphs.
    *("torch==2.13.0" if package == "torch" else package for package in TRAIN),
    *ROS,
    "pytest<9",  # launch_testing breaks with 9
    "pytest-timeout",
    "hypothesis",
    "ruff",
    "mypy",
]


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """The files of a folder and below, each to the same place under ``share``."""
    files = sorted(
        path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith(".")
    )
    return [(f"{SHARE}/{path.parent.as_posix()}", [path.as_posix()]) for path in files]


setup(
    name=NAME,
    version="0.1.0",
    description="Registration of visible and thermal images",
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["demo/*.css"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (SHARE, ["package.xml"]),
        *shared("config"),
        *shared("launch"),
        *shared("models"),
    ],
    python_requires=">=3.10",
    install_requires=[
        "numpy>=1.26",
        "opencv-python-headless>=4.8,<5",  # cv_bridge does not work with 5
        "onnxruntime",
        "rosbags",
        "mcap",
        "typer>=0.16",  # before, --help fails with click 8.2
        "rich",
        "pyyaml",
    ],
    extras_require={
        "train": TRAIN,
        "ros": ROS,
        "tensorrt": ["tensorrt>=10.3,<12", "cuda-bindings>=12.8", "onnx"],
        "dev": DEV,
    },
    entry_points={
        "console_scripts": [
            "distillmatch = distillmatch_ros.cli:main",
            "fusion_node = distillmatch_ros.ros.fusion_node:main",
        ]
    },
    zip_safe=False,
)
