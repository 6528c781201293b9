"""Two cameras in a process of their own, until it is killed."""

import os

from support.bench import Bench

if __name__ == "__main__":
    cameras = Bench(int(os.environ["ROS_DOMAIN_ID"]))
    while True:
        cameras.drive(60.0, rate=5.0)
