"""A small neural network for tables, trained by torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
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
PATIENCE = 1
MIN_BATCH, MAX_BATCH = 256, 512
BATCHES_AN_EPOCH = 12
"""Small data gets small batches, so that an epoch is at least about so many steps."""
ADAPTERS = 4
"""Networks that share their hidden layers in each member: 32 in the paper, where time is no object."""
AVERAGE_DECAY = 0.97
"""What is used are weights averaged over about the last 33 steps, most of an epoch: with so little signal the last step
is mostly noise, and a learning rate that falls would need to know the number of epochs beforehand."""
MAX_STEPS = 40
"""Steps of an epoch: on large data it is a random part of the rows, so that stopping is looked at often enough."""
STOPPING_MEMBERS = 1
"""Members that early stopping trains: when the networks begin to learn noise shows on one as on all."""
MASK_BATCHES = 4
"""Dropout masks are drawn once an epoch, for so many batches, and each step takes a random stretch of them: drawing
fresh ones in every step took a third of the training time."""


class NetworkLearner(Learner):
    """Small networks of two hidden layers, averaged: members of different seeds, in each of them `ADAPTERS` networks.

    The seeds move a single network by more than most features do, so one is never used alone. A member is a TabM-mini
    (Gorishniy, Kotelnikov & Babenko 2025): networks that share their hidden layers, told apart by the random signs of
    their inputs and by their last layers; on tables it beats single networks and ensembles of the same cost, since what
    is shared regularises. From RealMLP (Holzmueller, Grinsztajn & Steinwart 2024) come robust scaling with a smooth
    clip. Embeddings of numbers would make the first layer eight times as wide, which the time budget does not hold.
    The members share no weight; packing them makes each step one batched product instead of `n_members` small ones.
    AdamW, SiLU, dropout, a warm-up of one epoch. Missing values become the median and an indicator.

    Written out, every network is a plain one: prediction is three matrix products each, without torch. Training always
    runs on one thread: the products are too small to gain from two, and the bits stay the same.
    """

    name = "network"
    file_name = "network.safetensors"

    def __init__(
        self,
        learning_rate: float = 2e-3,
        width: int = 32,
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

    def _stop_early(self, rows: FitRows, before: slice, after: slice, label: FloatArray, weight: FloatArray) -> int:
        best, best_epoch = -math.inf, 0
        inputs = self._inputs(rows)[1]
        members = min(self.n_members, STOPPING_MEMBERS)
        for epoch, weights in enumerate(self._train(rows, before, label, weight, MAX_EPOCHS, members), start=1):
            area = area_under_curve(label[after], weights.probability_of_inputs(inputs[after]))
            if area > best:
                best, best_epoch, self.weights_ = area, epoch, weights
            elif epoch - best_epoch >= PATIENCE:
                break
        return best_epoch

    def _fit_rounds(self, rows: FitRows, label: FloatArray, weight: FloatArray, rounds: int) -> None:
        *_, self.weights_ = self._train(rows, slice(0, len(rows.X)), label, weight, rounds, self.n_members)

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
        self, rows: FitRows, part: slice, label: FloatArray, weight: FloatArray, epochs: int, n_members: int
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
            torch.Generator().manual_seed(derive_seed(self.seed, "member", member)) for member in range(n_members)
        ]
        network = _Network(X.shape[1], self.width, float(np.average(y, weights=weight)), generators)
        optimiser = torch.optim.AdamW(
            [
                {"params": network.products, "weight_decay": self.weight_decay},
                {"params": network.others, "weight_decay": 0.0},
            ],
            lr=self.learning_rate,
            fused=True,
        )
        average = [parameter.detach().clone() for parameter in network.parameters]
        batch = 2 ** round(math.log2(max(1.0, len(X) / BATCHES_AN_EPOCH)))
        batch = min(max(batch, MIN_BATCH), MAX_BATCH)
        steps = min(math.ceil(len(X) / batch), MAX_STEPS)
        taken = 0
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
                    logits = network.forward(inputs[drawn], masks, begins[step])
                    wanted, counted = (v[drawn][:, :, None].expand_as(logits) for v in (hits, weights))
                    loss = functional.binary_cross_entropy_with_logits(logits, wanted, counted)
                    optimiser.zero_grad()
                    # Networks are summed, not averaged: the step of one does not depend on how many there are.
                    (loss * logits.shape[0] * logits.shape[2]).backward()
                    optimiser.step()
                    taken += 1
                    keep = min(AVERAGE_DECAY, taken / (taken + 10))
                    torch._foreach_lerp_(average, [p.detach() for p in network.parameters], 1.0 - keep)
                if not all(bool(torch.isfinite(values).all()) for values in average):
                    raise TrainingFailedError(
                        f"network: diverged in epoch {epoch + 1} at learning rate {self.learning_rate:g}"
                    )
            yield NetworkWeights(preprocessing, network.layers(average))

    def _masks(self, n_rows: int, generators: list[Any]) -> Any:
        """Dropout masks that keep the expected activation, (n_members, n_rows, ADAPTERS * width); None without."""
        import torch

        if self.dropout == 0:
            return None
        drawn = torch.stack(
            [torch.rand(n_rows, ADAPTERS * self.width, generator=generator) for generator in generators]
        )
        return (drawn >= self.dropout).float() / (1.0 - self.dropout)


class _Network:
    """Parameters of all members while they are trained; the first axis of each is the member.

    A member is `ADAPTERS` networks that share both hidden layers and differ in the signs and scales of their inputs
    and in their last layer.
    """

    def __init__(self, n_inputs: int, width: int, base_rate: float, generators: list[Any]) -> None:
        """He initialisation; the last layer small, its bias the base rate, so that training begins at no opinion."""
        import torch

        def normal(*shape: int, deviation: float) -> Any:
            return torch.stack([torch.randn(*shape, generator=generator) for generator in generators]) * deviation

        n_members = len(generators)
        signs = torch.stack([torch.randint(0, 2, (ADAPTERS, n_inputs), generator=g) for g in generators])
        self.adapters = signs.float() * 2 - 1
        self.first = normal(n_inputs, width, deviation=math.sqrt(2.0 / n_inputs))
        self.second = normal(width, width, deviation=math.sqrt(2.0 / width))
        self.last = normal(ADAPTERS, width, deviation=0.1 * math.sqrt(2.0 / width))
        self.first_bias = torch.zeros(n_members, 1, width)
        self.second_bias = torch.zeros(n_members, 1, width)
        self.last_bias = torch.full((n_members, 1, ADAPTERS), math.log(base_rate / (1 - base_rate)))
        self.products = [self.first, self.second, self.last]
        self.others = [self.adapters, self.first_bias, self.second_bias, self.last_bias]
        self.parameters = [parameter.requires_grad_() for parameter in (*self.products, *self.others)]

    def forward(self, inputs: Any, masks: Any, begins: list[int]) -> Any:
        """Logits, (n_members, n_rows, ADAPTERS), of inputs (n_members, n_rows, n_inputs).

        `begins`: first dropout mask of each hidden layer. An adapter scales the rows of the first weights, not the
        inputs: the same product, with one pass over the inputs for all adapters instead of a scaled copy for each.
        """
        import torch

        n_members, n_rows, n_inputs = inputs.shape
        width = self.first.shape[-1]
        own_first = self.first[:, :, None] * self.adapters.transpose(1, 2)[..., None]
        own_first = own_first.reshape(n_members, n_inputs, ADAPTERS * width)
        hidden = torch.baddbmm(self.first_bias.repeat(1, 1, ADAPTERS), inputs, own_first)
        hidden = self._activated(hidden, masks, begins[0])
        hidden = torch.baddbmm(self.second_bias, hidden.view(n_members, -1, width), self.second)
        hidden = self._activated(hidden.view(n_members, n_rows, -1), masks, begins[1])
        each = hidden.view(n_members, n_rows, ADAPTERS, width) * self.last[:, None]
        return each.sum(-1) + self.last_bias

    @staticmethod
    def _activated(hidden: Any, masks: Any, begin: int) -> Any:
        from torch.nn import functional

        hidden = functional.silu(hidden)
        return hidden if masks is None else hidden * masks[:, begin : begin + hidden.shape[1]]

    def layers(self, values: list[Any]) -> tuple[tuple[Matrix, Matrix], ...]:
        """Write the networks, all adapters of all members, as plain layers; an adapter goes into its first one."""
        first, second, last, adapters, first_bias, second_bias, last_bias = (value.numpy() for value in values)
        own_first = adapters[..., None] * first[:, None]
        shared = [np.repeat(part, ADAPTERS, axis=0) for part in (first_bias, second, second_bias)]
        return (
            (_flat(own_first), shared[0]),
            (shared[1], shared[2]),
            (_flat(last[..., None]), last_bias.reshape(-1, 1, 1).copy()),
        )


def _flat(values: Any) -> Matrix:
    """Members and adapters as one axis; a copy."""
    return np.ascontiguousarray(values.reshape(-1, *values.shape[2:])).copy()


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
