"""Small fakes: a data set of arrays and a backbone whose tokens are known."""

import torch
from torch import nn

from jepakit.contracts import BrokenSample
from jepakit.tokens import Tokens


class Arrays:
    """A Dataset of tensors; the samples named in `broken` cannot be read."""

    def __init__(self, x, labels=None, broken=(), prefix="picture", noise=0.0):
        self.x, self.labels, self.broken, self.prefix, self.noise = x, labels, set(broken), prefix, noise
        self.classes = None if labels is None else tuple(str(label) for label in range(int(labels.max()) + 1))

    def __len__(self):
        return len(self.x)

    def get(self, index, epoch, seed):
        if index in self.broken:
            raise BrokenSample(f"{self.name(index)} cannot be read")
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch * 10_007 + index)
        x = self.x[index] + self.noise * torch.randn(self.x[index].shape, generator=generator)
        return {"x": x} if self.labels is None else {"x": x, "label": self.labels[index]}

    def order(self, epoch, seed):
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(seed * 1009 + epoch))

    def name(self, index):
        return f"{self.prefix} {index}"


class Parts:
    """A data Config in all but name."""

    def __init__(self, train, test, validation=None, noise=0.0):
        self.parts = {"train": train, "validation": validation, "test": test}
        self.noise = noise

    def build(self):
        return self.parts["train"]

    def split(self, part, augmented=False):
        whole = self.parts[part]
        if whole is None or whole.labels is None:
            return None
        return Arrays(whole.x, whole.labels, whole.broken, whole.prefix, self.noise if augmented else 0.0)


class Projection(nn.Module):
    """A backbone of four levels: 2x2 patches, each level the first one times its number, plus dropout to catch
    evaluation that is none."""

    def __init__(self, channels=1, dim=6, seed=0):
        super().__init__()
        self.dim, self.transform = dim, None
        weight = torch.randn(channels * 4, dim, generator=torch.Generator().manual_seed(seed)) / 2
        self.project = nn.Parameter(weight)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x, keep=None, layers=None):
        if not x.is_floating_point():
            raise TypeError("floats")
        levels = (3,) if layers is None else tuple(level % 4 for level in layers)
        if layers is not None and any(not -4 <= level < 4 for level in layers):
            raise ValueError("no such level")
        patches = x.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        values = self.dropout(torch.tanh(patches @ self.project))
        rows, columns = x.shape[2] // 2, x.shape[3] // 2
        coords = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).to(x.dtype)
        coords = coords.reshape(1, -1, 2).expand(len(x), -1, -1)
        tokens = Tokens(torch.cat([values * (level + 1) / 4 for level in levels], -1), coords, None, (rows, columns))
        return tokens if keep is None else tokens.take(keep)


def pictures(per_class, classes=3, size=4, spread=0.4, seed=0, prefix="picture", broken=()):
    """Noisy pictures of a few prototypes, classes in turn."""
    generator = torch.Generator().manual_seed(99)
    prototypes = torch.randn(classes, 1, size, size, generator=generator)
    labels = torch.arange(classes).repeat(per_class)
    noise = torch.randn(len(labels), 1, size, size, generator=torch.Generator().manual_seed(seed))
    return Arrays(prototypes[labels] + spread * noise, labels, broken, prefix)
