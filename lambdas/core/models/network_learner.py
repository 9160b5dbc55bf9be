"""A small neural network for tables, trained by torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lambdas.core.errors import TrainingFailedError
from lambdas.core.market_data.panel import FloatArray
from lambdas.core.models.learner import FitRows, Learner, area_under_curve
from lambdas.core.models.network_weights import NetworkWeights, Preprocessing
from lambdas.core.models.seeds import derive_seed
from lambdas.core.models.training_data import Matrix

MAX_EPOCHS = 10
DEFAULT_EPOCHS = 3
PATIENCE = 2
MIN_BATCH, MAX_BATCH = 256, 1024
BATCHES_AN_EPOCH = 12
"""Small data gets small batches, so that an epoch is at least about so many steps."""
MAX_STEPS = 60
"""Steps of an epoch: on large data it is a random part of the rows, so that stopping is looked at often enough."""
MASK_BATCHES = 4
"""Dropout masks are drawn once an epoch, for so many batches, and each step takes a random stretch of them: drawing
fresh ones in every step took a third of the training time."""


class NetworkLearner(Learner):
    """Networks of two hidden layers, differing in their seeds, packed into one module and averaged.

    The seeds move a single network by more than most features do, so one is never used alone. The members share no
    weight; packing them makes each step one batched product instead of `n_members` small ones. AdamW, SiLU, dropout,
    a warm-up of one epoch. Missing values become the median and an indicator.

    Training always runs on one thread: the products are too small to gain from two, and the bits stay the same.
    """

    name = "network"
    file_name = "network.safetensors"

    def __init__(
        self,
        learning_rate: float = 2e-3,
        width: int = 48,
        dropout: float = 0.15,
        weight_decay: float = 1e-2,
        n_members: int = 3,
        horizon: int = 21,
        seed: int = 0,
        n_threads: int = 1,
    ) -> None:
        self.learning_rate = learning_rate
        self.width = width
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.n_members = n_members
        self.horizon = horizon
        self.seed = seed
        self.n_threads = n_threads

    @property
    def _default_rounds(self) -> int:
        return DEFAULT_EPOCHS

    def _best_rounds(self, rows: FitRows, before: slice, after: slice, label: FloatArray, weight: FloatArray) -> int:
        best, best_epoch = -math.inf, 0
        inputs = self._inputs(rows)[1]
        for epoch, weights in enumerate(self._train(rows, before, label, weight, MAX_EPOCHS), start=1):
            area = area_under_curve(label[after], weights.probability_of_inputs(inputs[after]))
            if area > best:
                best, best_epoch = area, epoch
            elif epoch - best_epoch >= PATIENCE:
                break
        return best_epoch

    def _fit_rounds(self, rows: FitRows, label: FloatArray, weight: FloatArray, rounds: int) -> None:
        *_, self.weights_ = self._train(rows, slice(0, len(rows.X)), label, weight, rounds)

    def _inputs(self, rows: FitRows) -> tuple[Preprocessing, Matrix]:
        """Scaled inputs of the rows, made once. Scaling sees the stopping slice too: it knows no labels."""
        if "network" not in rows.cache:
            preprocessing = Preprocessing.fit(rows.X)
            rows.cache["network"] = preprocessing, preprocessing.transform(rows.X)
        found: tuple[Preprocessing, Matrix] = rows.cache["network"]
        return found

    def _probability(self, X: Matrix) -> FloatArray:
        return self.weights_.probability(X)

    def save(self, folder: Path) -> None:
        """Write preprocessing and weights as safetensors."""
        from safetensors.numpy import save_file

        save_file(
            {key: np.ascontiguousarray(value) for key, value in self.weights_.arrays().items()}, folder / self.file_name
        )

    def _load(self, folder: Path) -> None:
        from safetensors.numpy import load_file

        self.weights_ = NetworkWeights.from_arrays(load_file(folder / self.file_name))

    def _train(
        self, rows: FitRows, part: slice, label: FloatArray, weight: FloatArray, epochs: int
    ) -> Iterator[NetworkWeights]:
        """Train on a part of the rows and yield the weights after each epoch."""
        import torch
        from torch.nn import functional

        preprocessing, scaled = self._inputs(rows)
        X, y, weight = scaled[part], label[part], weight[part]
        inputs = torch.from_numpy(X)
        hits = torch.from_numpy(y.astype(np.float32))
        weights = torch.from_numpy((weight / weight.mean()).astype(np.float32))
        generators = [
            torch.Generator().manual_seed(derive_seed(self.seed, "member", member)) for member in range(self.n_members)
        ]
        layers = self._initial_layers(inputs.shape[1], float(np.average(y, weights=weight)), generators)
        optimiser = torch.optim.AdamW(
            [
                {"params": [w for w, _ in layers], "weight_decay": self.weight_decay},
                {"params": [b for _, b in layers], "weight_decay": 0.0},
            ],
            lr=self.learning_rate,
            fused=True,
        )
        batch = 2 ** round(math.log2(max(1.0, len(X) / BATCHES_AN_EPOCH)))
        batch = min(max(batch, MIN_BATCH), MAX_BATCH)
        steps = min(math.ceil(len(X) / batch), MAX_STEPS)
        for epoch in range(epochs):
            with _one_thread():
                order = torch.stack([torch.randperm(len(X), generator=generator) for generator in generators])
                masks = self._masks(MASK_BATCHES * batch, generators)
                begins = torch.randint((MASK_BATCHES - 1) * batch + 1, (steps, 2), generator=generators[0]).tolist()
                for step in range(steps):
                    drawn = order[:, step * batch : (step + 1) * batch]
                    warm_up = (step + 1) / steps if epoch == 0 else 1.0
                    for group in optimiser.param_groups:
                        group["lr"] = self.learning_rate * warm_up
                    logits = self._forward(inputs[drawn], layers, masks, begins[step])
                    loss = functional.binary_cross_entropy_with_logits(logits, hits[drawn], weights[drawn])
                    optimiser.zero_grad()
                    # Members are summed, not averaged: the step of one does not depend on how many there are.
                    (loss * self.n_members).backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                if not all(bool(torch.isfinite(w).all()) for w, _ in layers):
                    raise TrainingFailedError(
                        f"network: diverged in epoch {epoch + 1} at learning rate {self.learning_rate:g}"
                    )
                snapshot = tuple((w.detach().numpy().copy(), b.detach().numpy().copy()) for w, b in layers)
            yield NetworkWeights(preprocessing, snapshot)

    def _initial_layers(self, n_inputs: int, base_rate: float, generators: list[Any]) -> list[tuple[Any, Any]]:
        """He initialisation; the last layer small, its bias the base rate, so that training begins at no opinion."""
        import torch

        sizes = [n_inputs, self.width, self.width, 1]
        layers = []
        for depth, (n_in, n_out) in enumerate(pairwise(sizes)):
            gain = math.sqrt(2.0 / n_in) * (0.1 if depth == 2 else 1.0)
            weight = torch.stack([torch.randn(n_in, n_out, generator=generator) for generator in generators]) * gain
            bias = torch.full((self.n_members, 1, n_out), math.log(base_rate / (1 - base_rate)) if depth == 2 else 0.0)
            layers.append((weight.requires_grad_(), bias.requires_grad_()))
        return layers

    def _masks(self, n_rows: int, generators: list[Any]) -> Any:
        """Dropout masks that keep the expected activation, shape (n_members, n_rows, width); None without dropout."""
        import torch

        if self.dropout == 0:
            return None
        drawn = torch.stack([torch.rand(n_rows, self.width, generator=generator) for generator in generators])
        return (drawn >= self.dropout).float() / (1.0 - self.dropout)

    def _forward(self, inputs: Any, layers: list[tuple[Any, Any]], masks: Any, begins: list[int]) -> Any:
        """Logits of a batch with dropout, (n_members, n_rows); `begins`: first mask of each hidden layer."""
        import torch
        from torch.nn import functional

        hidden = inputs
        for depth, (weight, bias) in enumerate(layers):
            hidden = torch.baddbmm(bias, hidden, weight)
            if depth < len(layers) - 1:
                hidden = functional.silu(hidden)
                if masks is not None:
                    hidden = hidden * masks[:, begins[depth] : begins[depth] + hidden.shape[1]]
        return hidden.squeeze(-1)


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
