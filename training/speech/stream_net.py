"""The streaming network in torch, for training and export; `live.motion.speech.network` runs it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from live.motion.speech.features import FEATURES
from live.motion.speech.network import MOUTH_COUNT
from live.motion.speech.phone_classes import CLASSES

State = dict[str, Tensor]

WIDTH = 160
HIDDEN = 192
MOUTH_HIDDEN = 128
KERNEL = 3


class StreamNet(nn.Module):
    """Features (B, T, 86) → mouth (B, T, 19) in 0..1, phone logits (B, T, 28)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * FEATURES))
        self.register_buffer("scale", torch.ones(2 * FEATURES))
        self.enter = nn.Linear(2 * FEATURES, WIDTH)
        self.convolutions = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, KERNEL) for _ in range(2))
        self.listen = nn.GRU(WIDTH, HIDDEN, num_layers=2, batch_first=True, dropout=0.15)
        self.phones = nn.Linear(HIDDEN + WIDTH, len(CLASSES))
        self.speak = nn.GRU(HIDDEN + len(CLASSES), MOUTH_HIDDEN, batch_first=True)
        self.mouth = nn.Linear(MOUTH_HIDDEN + len(CLASSES), MOUTH_COUNT)

    def first_state(self, batch: int = 1) -> State:
        """No sound heard yet."""
        device = self.mean.device
        return {
            "past0": torch.zeros(batch, KERNEL - 1, WIDTH, device=device),
            "past1": torch.zeros(batch, KERNEL - 1, WIDTH, device=device),
            "listen": torch.zeros(2, batch, HIDDEN, device=device),
            "speak": torch.zeros(1, batch, MOUTH_HIDDEN, device=device),
        }

    def hear(self, features: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """The acoustic part: hidden (B, T, 192), phone logits (B, T, 28), and its share of the next state."""
        after: State = {}
        x = F.gelu(self.enter((features - self.mean) * self.scale))
        for i, convolution in enumerate(self.convolutions):
            joined = torch.cat((state[f"past{i}"], x), 1)
            after[f"past{i}"] = joined[:, -(KERNEL - 1) :]
            x = x + F.gelu(convolution(joined.transpose(1, 2)).transpose(1, 2))
        heard, after["listen"] = self.listen(x, state["listen"])
        logits = self.phones(F.dropout(torch.cat((heard, x), 2), 0.15, self.training))
        return heard, logits, after

    def move(self, heard: Tensor, logits: Tensor, state: State) -> tuple[Tensor, State]:
        """The mouth of what was heard, (B, T, 19), and its share of the next state."""
        after: State = {}
        classes = logits.softmax(2)
        # Half hidden, so that the mouth follows the phones rather than the voice of whoever was filmed.
        heard = F.dropout(heard, 0.4, self.training)
        moved, after["speak"] = self.speak(torch.cat((heard, classes), 2), state["speak"])
        return torch.sigmoid(self.mouth(torch.cat((moved, classes), 2))), after

    def forward(self, features: Tensor, state: State | None = None) -> tuple[Tensor, Tensor, State]:
        state = self.first_state(len(features)) if state is None else state
        heard, logits, after = self.hear(features, state)
        mouth, moved = self.move(heard, logits, state)
        return mouth, logits, {**after, **moved}


class _Step(nn.Module):
    def __init__(self, net: StreamNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, features: Tensor, past0: Tensor, past1: Tensor, listen: Tensor, speak: Tensor
    ) -> tuple[Tensor, ...]:
        state = {"past0": past0, "past1": past1, "listen": listen, "speak": speak}
        mouth, logits, after = self.net(features[:, None], state)
        return (mouth[:, 0], logits[:, 0].softmax(1), *(after[name] for name in state))


def export(net: StreamNet, path: Path) -> None:
    """Write the one-step ONNX graph."""
    net = net.eval().cpu()
    state = net.first_state()
    names = list(state)
    torch.onnx.export(
        _Step(net),
        (torch.zeros(1, 2 * FEATURES), *state.values()),
        str(path),
        input_names=["features", *names],
        output_names=["mouth", "phones", *(f"next_{name}" for name in names)],
        opset_version=17,
        dynamo=False,
    )
