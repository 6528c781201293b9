"""Training of the V2I-GAN: two generators against two discriminators, resumable at any step."""

import math
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from distillmatch_ros.model.weights import fitting, read, save
from distillmatch_ros.training.draw import Draw
from distillmatch_ros.training.gan import losses
from distillmatch_ros.training.gan.config import GanConfig
from distillmatch_ros.training.gan.cycle import Cycle, Generators
from distillmatch_ros.training.gan.data import Crops, CropSampler
from distillmatch_ros.training.gan.discriminator import Discriminators, Pool
from distillmatch_ros.training.gan.samples import Samples
from distillmatch_ros.training.gan.semantics import Semantics
from distillmatch_ros.training.gan.translation import contents
from distillmatch_ros.training.loop import Run, go_on
from distillmatch_ros.training.resuming import check_settings, settings_of

"""The file of a run that other commands take."""
BETAS = (0.5, 0.999)


def learning_rate(config: GanConfig, step: int) -> float:
    """Constant over the first half of the steps, then linearly decreasing to zero."""
    return config.learning_rate * min(1.0, 2 * (1 - step / config.steps))


class GanTrainer(Run):
    """One training run, in one process."""

    def __init__(self, config: GanConfig, console: Console) -> None:
        """Load the data and, if the run was started before, its last checkpoint.

        Raises:
            DistillMatchError: a file of the configuration cannot be read, the output not be written, or the
                run was begun with other settings.
        """
        super().__init__(config.output)
        self.config = config
        self.console = console
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.semantics = Semantics.open(config.semantics).to(self.device)
        torch.manual_seed(config.seed)
        self.generators = Generators(self.semantics.width, config.generator).to(self.device)
        self.discriminators = Discriminators(config.discriminator_width).to(self.device)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.generators, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average)
        )
        self.optimizers = [
            torch.optim.Adam(players.parameters(), lr=config.learning_rate, betas=BETAS)
            for players in (self.generators, self.discriminators)
        ]
        self.visible_pool = Pool(config.pool, 3, config.view, self.device)
        self.thermal_pool = Pool(config.pool, 1, config.view, self.device)
        if self.last.exists():
            self._restore()
        self.sampler = CropSampler(config, self.device)
        self.samples = None if config.samples is None else Samples(config.samples, self.device)

    def run(self) -> None:
        """Train until the last step."""
        go_on(self, self.config.steps, self.config.batch, self.console)

    def train_step(self) -> dict[str, float]:
        """One step of the generators, then of the discriminators; a step without a finite loss is skipped."""
        crops = self.sampler.sample((self.config.seed, self.step))
        with torch.autocast(self.device.type, torch.bfloat16):
            made = self.generators(crops.visible, crops.thermal, self.semantics)
        found = self._generator_losses(crops, made)
        norm = self._update(self.optimizers[0], found["total"])
        if math.isfinite(norm):
            self.average.update_parameters(self.generators)
            found["discriminator"] = self._discriminator_loss(crops, made)
            self._update(self.optimizers[1], found["discriminator"])
        return {name: float(loss.detach()) for name, loss in found.items()} | {"gradient_norm": norm}

    def after_step(self, writer: SummaryWriter, losses: dict[str, float]) -> None:
        """Write checkpoint and sample grid if they are due."""
        finished = self.step == self.config.steps
        if (self.step % self.config.checkpoint_every == 0 or finished) and math.isfinite(losses["total"]):
            self.save()
        if self.samples is not None and (self.step % self.config.sample_every == 0 or finished):
            grid = self.samples.draw(self.average.module, self.semantics)
            writer.add_image("samples", grid, self.step, dataformats="HWC")
            self.samples.write(grid, self.config.output / "samples" / f"{self.step:06d}.png")

    def _generator_losses(self, crops: Crops, made: Cycle) -> dict[str, Tensor]:
        self.discriminators.requires_grad_(False)
        judges = self.discriminators
        there_and_back = ((crops.visible, made.visible_back), (crops.thermal, made.thermal_back))
        translated = ((crops.visible, made.thermal), (crops.thermal, made.visible))
        known = ((made.thermal, crops.thermal), (made.visible, crops.visible))
        found = {
            "adversarial": losses.relativistic(judges.thermal(made.thermal), judges.thermal(crops.thermal))
            + losses.relativistic(judges.visible(made.visible), judges.visible(crops.visible)),
            "cycle": _sum(losses.cycle(*pair) for pair in there_and_back),
            "ssim": _sum(losses.dissimilarity(*pair) for pair in there_and_back),
            "gradient": _sum(losses.gradient_alignment(*pair) for pair in translated),
            "variation": losses.variation(made.thermal) + losses.variation(made.visible),
            "supervised": _sum(losses.supervision(*pair, crops.aligned) for pair in known),
        }
        found["total"] = _sum(getattr(self.config.loss, name) * loss for name, loss in found.items())
        return found

    def _discriminator_loss(self, crops: Crops, made: Cycle) -> Tensor:
        self.discriminators.requires_grad_(True)
        judges = self.discriminators
        draw = Draw(self.config.batch, (self.config.seed, self.step, 2), self.device)
        thermal = self.thermal_pool.exchange(draw, made.thermal.detach())
        visible = self.visible_pool.exchange(draw, made.visible.detach())
        return _sum(
            losses.relativistic(judge(real), judge(past))
            for judge, real, past in (
                (judges.thermal, crops.thermal, thermal),
                (judges.visible, crops.visible, visible),
            )
        )

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
        """Apply an optimiser step unless the gradient is not finite; returns the gradient's norm."""
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        (group,) = optimizer.param_groups
        norm = float(nn.utils.clip_grad_norm_(group["params"], self.config.gradient_limit))
        if math.isfinite(norm):
            group["lr"] = learning_rate(self.config, self.step)
            optimizer.step()
        return norm

    def save(self) -> None:
        """Write the checkpoint, and the generator separately."""
        averaged = self.average.module
        assert isinstance(averaged, Generators)
        kept = contents(self.config.generator, averaged.to_thermal.state_dict(), self.semantics, self.step)
        state: dict[str, Any] = {
            "average": self.average.state_dict(),
            "generators": self.generators.state_dict(),
            "discriminators": self.discriminators.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "pools": [self.visible_pool.images, self.thermal_pool.images],
            "settings": settings_of(self.config),
        }
        save(kept | state, self.last)
        save(kept, self.weights)

    def _restore(self) -> None:
        values = read(self.last)
        check_settings(self.config, values.get("settings"), self.last)
        with fitting(self.last, "state of a V2I-GAN as the configuration has it", "choose another output"):
            self.average.load_state_dict(values["average"])
            self.generators.load_state_dict(values["generators"])
            self.discriminators.load_state_dict(values["discriminators"])
            for optimizer, state in zip(self.optimizers, values["optimizers"], strict=True):
                optimizer.load_state_dict(state)
            self.semantics = Semantics.from_dict(values["semantics"], str(self.last)).to(self.device)
            for pool, images in zip((self.visible_pool, self.thermal_pool), values["pools"], strict=True):
                # The empty pool checks the shape of the images.
                pool.images = torch.cat([pool.images, images.to(self.device)])
        self.step = values["step"]
        self.console.print(f"continuing from step {self.step} of {self.last}")


def _sum(parts: Any) -> Tensor:
    return torch.stack(list(parts)).sum()


def train_gan(config_path: Path, console: Console | None = None) -> None:
    """Train according to a configuration file; an interrupted run is continued."""
    GanTrainer(GanConfig.load(config_path), console or Console()).run()
