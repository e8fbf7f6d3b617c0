"""Fine-tuning of the encoder: soft-target cross entropy, early stopping on held-back documents, exact resuming.

A loop of our own, because sentence-transformers' trainer needs two more packages and cannot go on within an epoch to
the same weights: here every step draws its dropout from the seed and its number, so that a training that was stopped
ends with the weights of one that was not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from labeling.specialist.encoder import Encoder, n_parameters, open_encoder
from labeling.specialist.examples import Example, cross_entropy, folds, targets_of

if TYPE_CHECKING:
    import torch

CHECKPOINT = "checkpoint.pt"
CHECKPOINT_STEPS = 50
WARM_UP = 0.1  # share of all steps over which the learning rate rises


class Recipe(NamedTuple):
    """How an encoder is trained.

    Attributes:
        epochs: at most so many passes over the examples.
        patience: stop after so many passes without a smaller loss on what is held back.
        rate: the highest learning rate of AdamW.
        together: examples in one step.
        seed: of everything that is drawn.
    """

    epochs: int = 8
    patience: int = 2
    rate: float = 5e-5
    together: int = 16
    seed: int = 0


class Tuned(NamedTuple):
    """A trained encoder.

    Attributes:
        encoder: with the weights of its best epoch.
        losses: cross entropy on what was held back, epoch by epoch; NaN where nothing could be.
        best: the epoch whose weights are kept, from 1.
        n_held_back: questions that the epoch was chosen on.
    """

    encoder: Encoder
    losses: list[float]
    best: int
    n_held_back: int


class Cost(NamedTuple):
    """What a training takes at most.

    Attributes:
        seconds: for all epochs.
        memory: bytes: weights, gradients, AdamW's two moments, the best weights so far, and what one step keeps.
    """

    seconds: float
    memory: int


def tune(
    base: Path, examples: Sequence[Example], recipe: Recipe, work: Path | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Tuned:  # fmt: skip
    """Train an encoder, going on from the last checkpoint in `work` if there is one.

    Args:
        base: folder of the encoder that the training starts from.
        examples: those of one document are learnt or held back together.
        recipe: how.
        work: folder for checkpoints of this very training; None to keep none.
        advance: told how many steps are done.
    """
    return _Tuning(base, examples, recipe, work).run(advance)


def n_steps(n_examples: int, recipe: Recipe) -> int:
    """Steps of a training that is not stopped early, at most."""
    return recipe.epochs * -(-n_examples // recipe.together)


def measure(base: Path, examples: Sequence[Example], recipe: Recipe) -> Cost:
    """What a training would take, from one step on the first examples."""
    import time

    tuning = _Tuning(base, examples, recipe, None)
    rows = tuning.learnt[: recipe.together]
    tuning.step(rows, 0)  # the first one is slower
    started = time.perf_counter()
    tuning.step(rows, 1)
    seconds = time.perf_counter() - started
    shape = tuning.encoder.shape
    width = tuning.encoder.window * len(rows) * int(shape["hidden_size"])
    kept = width * int(shape["num_hidden_layers"]) * 34 * 4  # Korthikanti et al. 2022, section 4.1
    # Scoring what is held back takes about a third of learning from it.
    share = 1 + len(tuning.held_back) / max(1, len(tuning.learnt)) / 3
    steps = n_steps(len(tuning.learnt), recipe)
    return Cost(seconds * steps * share, 20 * n_parameters(tuning.encoder) + kept)


class _Tuning:
    def __init__(self, base: Path, examples: Sequence[Example], recipe: Recipe, work: Path | None) -> None:
        import torch

        self.encoder = open_encoder(base, len(examples[0].target), recipe.seed)
        self._recipe, self._work = recipe, work
        pairs = [self.encoder.pair(one.question, one.seen) for one in examples]
        fitting = [number for number, pair in enumerate(pairs) if pair is not None]
        self._pairs, self._targets = pairs, targets_of(examples)
        split = folds([examples[number] for number in fitting], recipe.seed)[:1]
        first = split[0] if split else (list(range(len(fitting))), [])
        self.learnt, self.held_back = ([fitting[one] for one in part] for part in first)
        self._optimizer = torch.optim.AdamW(self.encoder.model.parameters(), lr=recipe.rate, weight_decay=0.01)
        self._steps = n_steps(len(self.learnt), recipe)
        self._epoch, self._at, self._losses = 0, 0, list[float]()
        self._best: dict[str, torch.Tensor] = {}

    def run(self, advance: Callable[[int], None]) -> Tuned:
        self._resume()
        advance(self._done)
        while self._epoch < self._recipe.epochs and not self._is_stopped:
            order = np.random.default_rng([self._recipe.seed, self._epoch]).permutation(self.learnt).tolist()
            while self._at < len(order):
                self.step(order[self._at : self._at + self._recipe.together], self._done)
                self._at += self._recipe.together
                advance(1)
                if self._done % CHECKPOINT_STEPS == 0:
                    self._save()
            self._end_epoch()
            self._save()
        advance(self._steps - self._done)
        self.encoder.model.load_state_dict(self._best)
        self.encoder.model.eval()
        return Tuned(self.encoder, self._losses, self._best_epoch + 1, len(self.held_back))

    @property
    def _done(self) -> int:
        each = -(-len(self.learnt) // self._recipe.together)
        return self._epoch * each + -(-min(self._at, len(self.learnt)) // self._recipe.together)

    @property
    def _best_epoch(self) -> int:
        return int(np.argmin(self._losses)) if self.held_back else len(self._losses) - 1

    @property
    def _is_stopped(self) -> bool:
        return bool(self._losses and self.held_back) and (
            len(self._losses) - 1 - self._best_epoch >= self._recipe.patience
        )

    def step(self, rows: Sequence[int], number: int) -> None:
        """Learn from some examples; what is drawn depends on the seed and the number of the step alone."""
        import torch

        model = self.encoder.model.train()
        torch.manual_seed((self._recipe.seed << 24) + number)
        warm = max(1, round(WARM_UP * self._steps))
        left = (self._steps - number) / max(1, self._steps - warm)
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.rate * min((number + 1) / warm, max(left, 0.0))
        inputs = model.preprocess([self._pairs[row] for row in rows])
        inputs = {name: one.to(model.device) if hasattr(one, "to") else one for name, one in inputs.items()}
        given = torch.log_softmax(model(inputs)["scores"], dim=-1)
        targets = torch.tensor(self._targets[list(rows)], dtype=given.dtype, device=given.device)
        loss = -(targets * given).sum(dim=-1).mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation there
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        self._optimizer.step()

    def _end_epoch(self) -> None:
        self.encoder.model.eval()
        pairs = [pair for row in self.held_back if (pair := self._pairs[row]) is not None]
        loss = cross_entropy(self._targets[self.held_back], self.encoder.of(pairs)) if pairs else float("nan")
        self._losses.append(loss)
        self._epoch, self._at = self._epoch + 1, 0
        if self._best_epoch == self._epoch - 1:
            state = self.encoder.model.state_dict()
            self._best = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def _save(self) -> None:
        """Write a checkpoint, whole or not at all."""
        if self._work is None:
            return
        import torch

        state: dict[str, Any] = {
            "weights": self.encoder.model.state_dict(), "optimizer": self._optimizer.state_dict(), "best": self._best,
            "epoch": self._epoch, "at": self._at, "losses": self._losses,
        }  # fmt: skip
        self._work.mkdir(parents=True, exist_ok=True)
        partial = self._work / f"{CHECKPOINT}.{os.getpid()}.partial"
        torch.save(state, partial)
        partial.replace(self._work / CHECKPOINT)

    def _resume(self) -> None:
        file = self._work / CHECKPOINT if self._work else None
        if file is None or not file.is_file():
            return
        import torch

        state = torch.load(file, map_location=self.encoder.model.device, weights_only=True)
        self.encoder.model.load_state_dict(state["weights"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._best, self._losses = state["best"], list(state["losses"])
        self._epoch, self._at = int(state["epoch"]), int(state["at"])
