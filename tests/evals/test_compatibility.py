"""A judge that is right is scored 1, one that knows nothing by chance."""

import pytest
import torch
from torch import Tensor, nn

from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.evals.compatibility import judge, pairs_of


class Given(nn.Module):
    """A method whose energy is given."""

    def __init__(self, energy) -> None:
        super().__init__()
        self.backbone = self.kept = nn.Identity()
        self.give = energy

    def forward(self, batch, step):
        raise NotImplementedError

    def energy(self, x: Tensor, y: Tensor, z=None, generator=None) -> Tensor:
        return self.give(x, y)

    def after_step(self, step) -> None:
        raise NotImplementedError


def test_a_right_judge_has_one_and_a_blind_one_chance():
    x = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    assert judge(Given(lambda x, y: (x - y).square().mean(dim=1)), x, x) == {"auroc": 1.0, "retrieval": 1.0}
    assert judge(Given(lambda x, y: x.new_zeros(len(x))), x, x) == {"auroc": 0.5, "retrieval": 0.0}
    wrong = judge(Given(lambda x, y: -(x - y).square().mean(dim=1)), x, x)
    assert wrong == {"auroc": 0.0, "retrieval": 0.0}
    noise = torch.Generator().manual_seed(1)
    guess = judge(Given(lambda x, y: torch.rand(len(x), generator=noise)), x, x, candidates=4)
    assert guess["auroc"] == pytest.approx(0.5, abs=0.1)
    assert guess["retrieval"] == pytest.approx(0.25, abs=0.15)


def test_two_few_samples_are_refused():
    with pytest.raises(ValueError, match="as many samples, got 3"):
        judge(Given(lambda x, y: x.sum(dim=1)), torch.zeros(3, 2), torch.zeros(3, 2))


def test_pairs_are_the_same_picture_or_two_crops_of_it():
    small = ImageTransform(size=8, channels=1, mean=(0.0,), std=(1.0,))
    data = Images(root="packaged:digits", augment=RandomResizedCrop(), transform=small).split("test", augmented=True)
    x, y = pairs_of(data, 12, same=True)
    assert x is y
    assert x.shape == (12, 1, 8, 8)
    x, y = pairs_of(data, 12, same=False)
    assert not torch.equal(x, y)
