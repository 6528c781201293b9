"""Wrong use of the Python interface: an error that names the argument, whatever is passed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.scripted_engine import THERMAL, TRUTH, ScriptedEngine, noise_pair, plain, points_of, scene_pair
from support.tiny_network import WriteNetwork

from distillmatch_ros import DistillMatchError, Gate, Registrar
from distillmatch_ros.engines import open_engine

IDENTITY = np.eye(3)


def registrar() -> Registrar:
    return Registrar(ScriptedEngine(points_of(IDENTITY)))


def test_closing_twice_is_closing() -> None:
    opened = registrar()
    opened.close()
    opened.close()
    with opened:
        pass


@pytest.mark.parametrize("closing", [lambda one: one, lambda one: one.replace(gate=Gate())])
def test_a_closed_registrar_registers_nothing(closing: Callable[[Registrar], Registrar]) -> None:
    """Whichever of the registrars on an engine closed it."""
    opened = registrar()
    closing(opened).close()
    with pytest.raises(DistillMatchError, match="closed"):
        opened.register(*noise_pair())
    with pytest.raises(DistillMatchError, match="closed"):
        opened.find_orientation(opened.prepare(*noise_pair()))


@pytest.mark.parametrize(
    "prior",
    [
        np.eye(2),
        np.full((3, 3), np.nan),
        np.zeros((3, 3)),
        np.ones((3, 3)),
        np.eye(3).tolist(),
        np.matrix(np.eye(3)),
        np.eye(3).astype(object),
        np.eye(3).astype(complex),
        "identity",
    ],
)
def test_a_prior_is_a_homography(prior: Any) -> None:
    with pytest.raises(DistillMatchError, match="prior homography"):
        registrar().register(*noise_pair(), prior=prior)


def test_a_prior_may_be_any_matrix_with_an_inverse() -> None:
    """Also one that maps the corner of the image to infinity."""
    for prior in (np.eye(3, dtype=int), np.fliplr(np.eye(3)), np.eye(3) * 1e-30, np.eye(3) * 1e30):
        registrar().register(*noise_pair(), prior=prior)


@pytest.mark.parametrize("kind", [np.matrix, np.ma.array])
def test_an_image_is_a_plain_array(kind: Callable[[Any], Any]) -> None:
    visible, thermal = noise_pair()
    for pair in ((kind(visible), thermal), (visible, kind(thermal))):
        with pytest.raises(DistillMatchError, match=r"(visible|thermal) image: expected a plain NumPy array"):
            registrar().register(*pair)


def test_points_and_images_of_a_registration() -> None:
    found = Registrar(ScriptedEngine(points_of(plain(TRUTH)))).register(*scene_pair())
    height, width = THERMAL
    assert found.to_visible([[0, 0], [5, 9]]).shape == found.to_thermal(np.zeros((2, 2))).shape == (2, 2)
    for points in (None, [1, 2], np.zeros((3, 3)), "centre", [[1, 2], [3]]):
        with pytest.raises(DistillMatchError, match="points"):
            found.to_visible(points)
        with pytest.raises(DistillMatchError, match="points"):
            found.to_thermal(points)
    for image in (None, np.zeros((width + 1, height), np.uint8), np.zeros(THERMAL, complex)):
        with pytest.raises(DistillMatchError, match="thermal image"):
            found.warp_thermal(image)
        with pytest.raises(DistillMatchError, match="visible image"):
            found.warp_visible(image)


def test_arguments_of_other_types(write_network: WriteNetwork) -> None:
    network = write_network()
    for threads in ("2", 2.0, True, [2]):
        with pytest.raises(DistillMatchError, match="threads"):
            open_engine(network, threads=threads)
    for arguments in (
        {"model": 3},
        {"backend": 3},
        {"gate": "strict"},
        {"orientations": 90},
        {"passes": "2"},
    ):
        with pytest.raises(DistillMatchError):
            Registrar.open(**{"model": network, **arguments})
    for gate in (None, "strict", {}):
        with pytest.raises(DistillMatchError, match="gate"):
            registrar().replace(gate=gate)
