"""The step loop of all training runs: progress, logs, divergence checks."""

import math
import shutil
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, current_thread, main_thread

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from distillmatch_ros.base.errors import DistillMatchError
from distillmatch_ros.base.files import check_outputs, make_folder
from distillmatch_ros.model.weights import is_whole

WEIGHTS = "weights.pt"
"""Name of a run's weights in its folder."""
# The run is aborted only after so many consecutive steps without a finite loss.
MOST_SKIPS = 20
# Interval of lines in a log file; a terminal has the progress bar.
LOG_S = 30.0
SCALARS_EVERY = 20
LEAST_FREE = 1 << 20  # bytes
# What PyTorch's errors say if memory is short: of the GPU, and of the machine.
LACK_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class Run(ABC):
    """A training run that can be resumed at any step.

    Attributes:
        folder: where its checkpoints and logs are written.
        step: number of steps done.
    """

    def __init__(self, folder: Path) -> None:
        """Begin at step 0.

        Raises:
            DistillMatchError: the weights cannot be written there.
        """
        self.folder = folder
        self.step = 0
        check_outputs([self.weights], overwrite=True)

    @property
    def last(self) -> Path:
        """Checkpoint from which a restarted run continues."""
        return self.folder / "last.pt"

    @property
    def weights(self) -> Path:
        """The weights of that checkpoint alone, for other commands."""
        return self.folder / WEIGHTS

    @abstractmethod
    def train_step(self) -> dict[str, float]:
        """Train one step; a step without a finite gradient changes nothing.

        Returns:
            Losses by name, with ``total`` and ``gradient_norm``.
        """

    @abstractmethod
    def save(self) -> None:
        """Write the checkpoint after ``step`` steps."""

    @abstractmethod
    def after_step(self, writer: SummaryWriter, losses: dict[str, float]) -> None:
        """Write checkpoints and other output that is due after ``step`` steps."""


@contextmanager
def ending_with_a_step() -> Iterator[Event]:
    """Let Ctrl-C only set the event during the body, so that the current step can be finished.

    A second Ctrl-C has the previous effect. If Ctrl-C has another handler already, that one is kept.
    """
    stopped = Event()

    def stop(*_: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
        try:
            yield stopped
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    else:
        yield stopped


def _open_log(run: Run) -> SummaryWriter:
    make_folder(run.folder)
    _check_space(run)
    return SummaryWriter(str(run.folder))


def _check_space(run: Run) -> None:
    """Check that logs can be written: on a full disk TensorBoard's thread dies, and its queue waits forever.

    Raises:
        DistillMatchError: the disk is full.
    """
    if shutil.disk_usage(run.folder).free < LEAST_FREE:
        raise DistillMatchError(
            f"{run.folder}: the disk is full; make room, and start again: the run goes on from its last "
            "checkpoint"
        )


@contextmanager
def _enough_memory(run: Run) -> Iterator[None]:
    """Turn a lack of memory, which PyTorch tells in different ways, into an error.

    Raises:
        DistillMatchError: the body takes more than there is.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        reason = str(error)
        if not isinstance(error, MemoryError) and not any(word in reason for word in LACK_OF_MEMORY):
            raise
        raise DistillMatchError(
            f"step {run.step + 1} takes more memory than there is ({(reason.splitlines() or [''])[0]:.100}); "
            "lower batch or view in the configuration"
        ) from error


def go_on(run: Run, steps: int, batch: int, console: Console, leads: bool = True) -> None:
    """Continue a run to its last step, or to the end of the current step after Ctrl-C, and save it.

    Args:
        run: the run, continued from ``run.step``.
        steps: total number of steps.
        batch: pairs per step, over all processes.
        console: where progress is shown.
        leads: whether this process reports.

    Raises:
        DistillMatchError: the loss is not finite for too many consecutive steps, memory or disk are full.
        KeyboardInterrupt: after Ctrl-C, with a message on what was saved.
    """
    if run.step >= steps:
        if leads and not is_whole(run.weights, run.step):
            run.save()
            console.print(f"{run.weights} was missing or damaged; it is made again of {run.last}")
        console.print(f"{run.last} has all of its {steps} steps already; raise steps for more")
        return
    writer = _open_log(run) if leads else None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}  {task.fields[rate]:.1f} pairs/s"),
        TimeRemainingColumn(),
    )
    skipped, told = 0, -math.inf
    with ending_with_a_step() as stopped, Progress(*columns, console=console, disable=not leads) as progress:
        task = progress.add_task("training", total=steps, completed=run.step, loss=math.nan, rate=math.nan)
        while run.step < steps and not stopped.is_set():
            begun = time.perf_counter()
            with _enough_memory(run):
                losses = run.train_step()
            run.step += 1
            # The gradient norm is over all processes; the loss of this one alone may be finite.
            skipped = 0 if math.isfinite(losses["gradient_norm"]) else skipped + 1
            if skipped >= MOST_SKIPS:
                raise DistillMatchError(
                    f"the loss is not a number for {skipped} steps; {run.last} holds the last good "
                    "state: lower learning_rate, choose another output, and that file as its start"
                )
            rate = batch / (time.perf_counter() - begun)
            progress.update(task, completed=run.step, loss=losses["total"], rate=rate)
            if writer is None:
                continue
            if run.step % SCALARS_EVERY == 0:
                _check_space(run)
                for name, value in losses.items():
                    writer.add_scalar(f"loss/{name}", value, run.step)
                writer.add_scalar("rate/pairs_per_second", rate, run.step)
            if not console.is_terminal and (time.monotonic() - told > LOG_S or run.step == steps):
                told = time.monotonic()
                console.print(f"step {run.step} of {steps}: loss {losses['total']:.3f}, {rate:.1f} pairs/s")
            run.after_step(writer, losses)
    kept = ""
    if writer is not None:
        # Without a finite gradient, running statistics and spectral norms may be invalid: no checkpoint.
        if stopped.is_set() and skipped == 0:
            run.save()
            kept = f"stopped after step {run.step} of {steps}, kept in {run.last}"
        writer.close()
    if stopped.is_set():
        raise KeyboardInterrupt(kept)
