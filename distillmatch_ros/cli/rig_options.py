"""The options of match about a rig: reading or learning it, and telling when it does not fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.progress import Progress

from distillmatch_ros.bags.depth_scale import scale_of_files
from distillmatch_ros.bags.rig_learning import learn_from_files
from distillmatch_ros.cli.view import common
from distillmatch_ros.images.pairs import PairPaths
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.registration.rejection import Rejection
from distillmatch_ros.rig.files import RigFile
from distillmatch_ros.rig.learning import MAX_FRAMES, LearnedRig
from distillmatch_ros.rig.metres import Scale
from distillmatch_ros.rig.regions import Parallax
from distillmatch_ros.rig.trust import FAR_PX

AUTO = "auto"
"""The value of --rig with which a rig is learned from the pairs themselves."""
PANEL = "Pairs of one rig"


@dataclass(frozen=True)
class RigOptions:
    """The rig that all pairs are of, if they are of one, and how it maps them."""

    rig: Annotated[
        str | None,
        typer.Option(
            metavar="auto|FILE",
            help="All pairs are of one rig, which maps them: a file of calibrate or --rig-out; or auto: "
            "learn it from the pairs, and use it if it fits left-out pairs better than their own "
            "homographies do. Pairs without a homography of their own are FIXED; pairs whose own homography "
            "is far from the rig are CONTRADICTED, and have no mapping.",
            rich_help_panel=PANEL,
        ),
    ] = None
    rig_out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the rig that --rig auto learned, YAML.", rich_help_panel=PANEL
        ),
    ] = None
    parallax: Annotated[
        Parallax,
        typer.Option(
            metavar="plane|regions",
            help="Map each pair as one plane, or estimate the depth of regions from edges too.",
            rich_help_panel=PANEL,
        ),
    ] = Parallax.PLANE
    depth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="A depth image registered to the visible one (16 bits: millimetres; floating point: "
            "metres), or a folder of them, named as the visible images. It maps things before the plane too; "
            "what they hide is left out. --out gets a point cloud (PLY).",
            rich_help_panel=PANEL,
        ),
    ] = None

    def check(self, pairs: Path | None) -> None:
        """Check that these options go together, and with ``--pairs``."""
        if self.rig_out is not None and self.rig != AUTO:
            raise typer.BadParameter("--rig-out needs --rig auto.")
        if self.rig is None and (self.depth is not None or self.parallax is not Parallax.PLANE):
            raise typer.BadParameter("--depth and --parallax need --rig.")
        if self.depth is not None and self.parallax is not Parallax.PLANE:
            raise typer.BadParameter("Give --depth or --parallax regions, not both.")
        if self.rig == AUTO and pairs is None:
            raise typer.BadParameter("--rig auto needs --pairs.")

    def open(
        self,
        registrar: Registrar,
        pairs: Sequence[PairPaths],
        visible_from_thermal: bool,
        max_pixels: int,
        bar: Progress,
    ) -> LearnedRig | None:
        """The rig of a file, or learned from the pairs, in metres if depth tells the scale.

        A learned one is written to ``--rig-out``.

        Returns:
            The rig; None without ``--rig``, or if evidence is for the pairs' own homographies.
        """
        if self.rig is None:
            return None
        used = 0
        if self.rig == AUTO:
            task = bar.add_task("learning the rig", total=min(len(pairs), MAX_FRAMES))
            known, evidence, used = learn_from_files(
                registrar,
                pairs,
                depth=self.depth,
                visible_from_thermal=visible_from_thermal,
                max_pixels=max_pixels,
                on_pair=lambda: bar.advance(task),
            )
            bar.remove_task(task)
            for line in str(evidence).splitlines():
                common.remark(line, bar.console)
            if evidence.kind == "pair":
                return None
        else:
            known = RigFile.load(Path(self.rig)).rig
        if self.depth is not None and not known.model.is_metric:
            scale = scale_of_files(known, pairs, self.depth, visible_from_thermal, max_pixels)
            known = known.with_baseline(scale.metres, scale.origins)
            common.remark(str(scale), bar.console)
        elif known.measured:
            common.remark(str(Scale.of(known.model, known.measured)), bar.console)
        if self.rig_out is not None:
            RigFile.of(known, used).save(self.rig_out)
        return known

    def misfit(self, contradicted: Sequence[Rejection], confirmed: int) -> str | None:
        """Why a rig's file is not that of the pairs; None if it may be, or none is given.

        Args:
            contradicted: the rejections of the pairs that contradict it.
            confirmed: number of pairs that confirm it.
        """
        if self.rig in (None, AUTO) or len(contradicted) <= confirmed:
            return None
        gaps = [inf if each.value is None else each.value for each in contradicted]
        return (
            f"{self.rig}: does not fit these pairs: {len(gaps)} contradict it, {confirmed} confirm it; the "
            f"former lie {median(gaps):.0f} px from it as the median, and {FAR_PX:g} px are allowed; "
            "calibrate anew with `distillmatch calibrate`, or name the file of these cameras"
            f"{'' if self.depth is None else '; and check that the depth is of these images'}"
        )
