"""Training: mixed precision, several processes, resumable at any step."""

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from rich.console import Console
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.tensorboard import SummaryWriter

from distillmatch_ros.engines.torch import TorchEngine
from distillmatch_ros.evaluation.accuracy import evaluate
from distillmatch_ros.evaluation.warped import PRESETS
from distillmatch_ros.images.pairs import read_folder
from distillmatch_ros.model.network import DistillMatch
from distillmatch_ros.model.weights import Weights, fitting, read, save
from distillmatch_ros.registration.registrar import Registrar
from distillmatch_ros.training.config import TrainingConfig
from distillmatch_ros.training.data import PairSampler
from distillmatch_ros.training.distillation import DistillationLoss
from distillmatch_ros.training.gan.translation import OpenPhotos, open_photos
from distillmatch_ros.training.loop import Run, go_on
from distillmatch_ros.training.losses import TotalLoss
from distillmatch_ros.training.pretrained import freeze, load_trunk
from distillmatch_ros.training.resuming import check_settings, settings_of
from distillmatch_ros.training.sources import ImageStore, load_pairs, load_thermals
from distillmatch_ros.training.teachers import Teacher, open_teacher

"""The file of a run that other commands take."""


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear warm-up, then a cosine decay to a hundredth."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


class Trainer(Run):
    """One process of a training run; torchrun starts several."""

    def __init__(
        self, config: TrainingConfig, console: Console, open_photos: OpenPhotos = open_photos
    ) -> None:
        """Load the data and, if the run was started before, its last checkpoint.

        Args:
            config: configuration of the run.
            console: where progress is shown.
            open_photos: loads the photos; runs with the same photos may share a cached function.

        Raises:
            DistillMatchError: a file of the configuration cannot be read, the output not be written, or the
                run was begun with other settings.
        """
        super().__init__(config.output)
        if config.validation is not None:
            read_folder(config.validation)
        self.config = config
        self.console = console
        self.rank, self.processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        self.device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
        if self.processes > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

        torch.manual_seed(config.seed)
        self.network = DistillMatch(config.model).to(self.device)
        # Reduces the time of a step by a tenth; PyTorch declares no such overload.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.pretrained is not None:
            assert self.network.trunk is not None
            if not self.last.exists():
                load_trunk(self.network.trunk, config.pretrained)
            freeze(self.network.trunk)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average)
        )
        self.teacher: Teacher | None = None
        self.distillation: DistillationLoss | None = None
        if config.distillation is not None:
            self.teacher = open_teacher(config.distillation, config.view, self.device)
            self.distillation = DistillationLoss(
                config.model.semantic_width, self.teacher.width, config.distillation
            ).to(self.device)
        loss: nn.Module = TotalLoss(self.network, config.loss, self.distillation)
        self.loss = DistributedDataParallel(loss) if self.processes > 1 else loss
        self.optimizer = torch.optim.AdamW(
            self.loss.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        if self.last.exists():
            self._restore()
        elif config.start is not None:
            self._start_from(config.start)
        self.sampler = PairSampler(
            list(self._stores(open_photos)),
            config.fault_fraction,
            config.views,
            config.view,
            config.crop,
            config.overprint_fraction,
        )

    def _stores(self, open_photos: OpenPhotos) -> Iterator[tuple[ImageStore, float]]:
        """The images of each source with its weight; partly translated photos count as two sources."""
        gan = self.config.augmentation
        for source in self.config.sources:
            if source.kind == "pairs":
                pairs = load_pairs(source.folder, source.realign, source.names)
                yield pairs.to(self.device), source.weight
            elif source.kind == "thermal":
                yield load_thermals(source.folder).to(self.device), source.weight
            else:
                v2i = None if gan is None else gan.v2i
                photos = open_photos(source.folder, v2i, self.device, self.console)
                translated = 0.0 if gan is None else gan.probability
                yield photos.untranslated(), source.weight * (1 - translated)
                if translated:
                    yield photos, source.weight * translated

    def run(self) -> None:
        """Train until the last step."""
        batch = self.config.batch * self.processes
        go_on(self, self.config.steps, batch, self.console, leads=self.rank == 0)

    def train_step(self) -> dict[str, float]:
        """One optimiser step; a step without a finite loss changes nothing."""
        self.network.train()
        # Random numbers drawn by the network depend only on the seed and the step too.
        torch.manual_seed(hash((self.config.seed, self.step)))
        batch = self.sampler.sample(self.config.batch, (self.config.seed, self.step, self.rank), self.device)
        features = None
        if self.teacher is not None:
            features = self.teacher(torch.cat([batch.visible, batch.thermal]))
        with torch.autocast(self.device.type, torch.bfloat16):
            losses = self.loss(batch, features)
        self.optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()
        norm = nn.utils.clip_grad_norm_(self.loss.parameters(), self.config.gradient_limit)
        if torch.isfinite(norm):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.config, self.step)
            self.optimizer.step()
            self.average.update_parameters(self.network)
        return {name: float(loss.detach()) for name, loss in losses.items()} | {"gradient_norm": float(norm)}

    def after_step(self, writer: SummaryWriter, losses: dict[str, float]) -> None:
        """Checkpoint and validate if due."""
        finished = self.step == self.config.steps
        if (self.step % self.config.checkpoint_every == 0 or finished) and math.isfinite(losses["total"]):
            self.save()
        if self.config.validation and (self.step % self.config.validate_every == 0 or finished):
            averaged = self.average.module
            assert isinstance(averaged, DistillMatch)
            figures = validate(averaged, self.config.validation)
            for name, value in figures.items():
                writer.add_scalar(f"validation/{name}", value, self.step)
            listed = ", ".join(f"{name} {value:.1f}" for name, value in figures.items())
            self.console.print(f"step {self.step}: {listed}")

    def save(self) -> None:
        """Write the checkpoint, and the averaged weights separately."""
        save(
            {
                "model": self.config.model.to_dict(),
                "weights": self.average.module.state_dict(),
                "averaged": self.average.n_averaged,
                "network": self.network.state_dict(),
                "distillation": self.distillation and self.distillation.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "settings": settings_of(self.config),
            },
            self.last,
        )
        Weights(self.config.model, self.average.module.state_dict(), self.step).save(self.weights)

    def _start_from(self, path: Path) -> None:
        weights = Weights.load(path)
        state = weights.state
        # If the architectures differ in blocks or depth, it starts with the common weights.
        if weights.config != self.config.model:
            own = self.network.state_dict()
            state = {name: state.get(name, value) for name, value in own.items()}
        with self._fitting(path):
            self.network.load_state_dict(state)
        self.average.module.load_state_dict(self.network.state_dict())

    def _restore(self) -> None:
        values = read(self.last)
        check_settings(self.config, values.get("settings"), self.last)
        with self._fitting(self.last):
            self.network.load_state_dict(values["network"])
            if self.distillation is not None:
                self.distillation.load_state_dict(values["distillation"])
            self.average.module.load_state_dict(values["weights"])
            self.average.n_averaged.copy_(values["averaged"])
            self.optimizer.load_state_dict(values["optimizer"])
        self.step = values["step"]
        self.console.print(f"continuing from step {self.step} of {self.last}")

    def _fitting(self, path: Path) -> AbstractContextManager[None]:
        what = f"state of {self.config.model.name} as configured, its teacher included"
        return fitting(path, what, "choose another model, start or output in the training configuration")


def train(config_path: Path, console: Console | None = None) -> None:
    """Train according to a configuration file; an interrupted run is continued."""
    Trainer(TrainingConfig.load(config_path), console or Console()).run()


def validate(network: DistillMatch, folder: Path, warps: int = 1) -> dict[str, float]:
    """Register warped pairs of a folder, as ``distillmatch evaluate`` does; figures by name, such as
    ``rig/auc_10``.
    """
    pairs = read_folder(folder)
    figures = {}
    with Registrar(TorchEngine(network)) as registrar:
        for preset in PRESETS:
            score = evaluate(lambda v, t: registrar.register(v, t).homography, pairs, preset, warps=warps)
            figures[f"{preset.name}/auc_10"] = score.auc_10
            figures[f"{preset.name}/under_10_px"] = score.under_10_px
            figures[f"{preset.name}/median_px"] = min(score.median_px, 100.0)
            figures[f"{preset.name}/rejections"] = score.rejections
            figures[f"{preset.name}/wrong"] = score.wrong
    return figures
