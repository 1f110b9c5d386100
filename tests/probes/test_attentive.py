"""The attentive classifier: released names, invalid tokens, and a grid of heads that do not disturb each other."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from probed import Projection
from torch import nn

from jepakit.config import Config
from jepakit.family.vjepa import TINY
from jepakit.probes.attentive import Attentive, Classify, Patches, Reader, divisor, predict
from jepakit.probes.classifier import AttentiveClassifier
from jepakit.probes.features import gather
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject

SMALL = Attentive(rates=(1e-2, 1e-9), decays=(0.01,), steps=30, batch=32, head_width=3, pixel_patch=2)


def by_hand(model, x, heads):
    """One block of cross-attention, written out head by head."""
    block, b, d = model.pooler.cross_attention_block, len(x), x.shape[2]
    normed = F.layer_norm(x, (d,), block.norm1.weight, block.norm1.bias, 1e-5)
    query = model.pooler.query_tokens.expand(b, 1, d)
    q = block.xattn.q(query)
    k, v = block.xattn.kv(normed).split(d, dim=2)
    width, read = d // heads, []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        weight = (q[..., part] @ k[..., part].transpose(1, 2) / width**0.5).softmax(dim=-1)
        read.append(weight @ v[..., part])
    query = query + torch.cat(read, dim=2)
    hidden = F.layer_norm(query, (d,), block.norm2.weight, block.norm2.bias, 1e-5)
    query = query + block.mlp.fc2(F.gelu(block.mlp.fc1(hidden)))
    return model.linear(query[:, 0])


def test_one_block_is_the_formula_written_out():
    torch.manual_seed(0)
    model, x = AttentiveClassifier(12, 3, 1, 5), torch.randn(2, 9, 12)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    torch.testing.assert_close(model(x), by_hand(model, x, 3), rtol=1e-5, atol=1e-5)


def test_names_are_those_of_the_released_classifiers():
    names = set(AttentiveClassifier(8, 2, 4, 3).state_dict())
    both, norms = ("weight", "bias"), ("norm1", "norm2", "mlp.fc1", "mlp.fc2")
    cross = {f"{layer}.{kind}" for layer in (*norms, "xattn.q", "xattn.kv") for kind in both}
    inner = {f"{layer}.{kind}" for layer in (*norms, "attn.qkv", "attn.proj") for kind in both}
    expected = {"pooler.query_tokens", "linear.weight", "linear.bias"}
    expected |= {f"pooler.cross_attention_block.{name}" for name in cross}
    expected |= {f"pooler.blocks.{block}.{name}" for block in range(3) for name in inner}
    assert names == expected


@pytest.mark.parametrize("depth", [1, 4])
def test_invalid_tokens_are_never_read(depth):
    torch.manual_seed(0)
    model, x = AttentiveClassifier(12, 3, depth, 5), torch.randn(2, 9, 12)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    valid = torch.ones(2, 9, dtype=torch.bool)
    valid[:, 6:] = False
    changed = x.clone()
    changed[:, 6:] = 100 * torch.randn(2, 3, 12)
    assert model(x, valid).equal(model(changed, valid))
    torch.testing.assert_close(model(x, valid), model(x[:, :6]), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(model(x), model(changed), atol=1e-3)


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="5 heads do not divide a width of 12"):
        AttentiveClassifier(12, 5, 1, 3)
    with pytest.raises(ValueError, match="depth=0"):
        AttentiveClassifier(12, 3, 0, 3)
    assert [divisor(192, 32), divisor(100, 32), divisor(16, 32), divisor(48, 16)] == [6, 2, 1, 3]


def test_raw_patches_hold_every_pixel_and_know_their_place():
    x = torch.arange(2 * 3 * 5 * 6, dtype=torch.float32).reshape(2, 3, 5, 6)
    patches = Patches(3, 2)
    tokens = patches(x)
    assert tokens.values.shape == (2, 9, patches.dim)
    assert tokens.extent == (3, 3)
    pixels = tokens.values[..., :12]
    assert pixels[1, 4].sort()[0].equal(x[1, :, 2:4, 2:4].flatten().sort()[0])
    assert pixels.sum() == x.sum()
    places = tokens.values[0, :, 12:]
    assert torch.cdist(places, places).fill_diagonal_(1).min() > 0.1
    assert tokens.coords[0, 5].tolist() == [1, 2]


@pytest.mark.parametrize("name", ["jepa", "raw pixels"])
def test_measure_learns_and_reports_one_head(parts, name):
    subject = Subject(name, Projection(dim=12) if name == "jepa" else None, Splits.of(parts))
    result = SMALL.measure(subject, seed=2)
    assert result.probe == "attentive1"
    assert result.value > 0.7
    assert result.chosen["rate"] == 1e-2
    assert len(result.values) == 1
    assert Config.from_json(result.settings) == SMALL
    again = SMALL.measure(Subject(name, subject.backbone, Splits.of(parts)), seed=2)
    assert (again.value, again.chosen) == (result.value, result.chosen)


def test_the_backbone_stays_as_it_was(parts):
    backbone = Projection().train()
    before = backbone.project.clone()
    Attentive(rates=(1e-2,), decays=(0.0,), steps=5, batch=16, head_width=3, blocks=4).measure(
        Subject("jepa", backbone, Splits.of(parts)), seed=0
    )
    assert backbone.project.equal(before)
    assert backbone.project.grad is None
    assert backbone.training


def test_heads_of_a_grid_do_not_disturb_each_other(parts):
    """The first head of a grid learns what it learns alone, for both begin with the same draw."""
    subject = Subject("jepa", Projection().eval(), Splits.of(parts))
    reader = Reader(subject.backbone, (-1,))
    fitted = []
    for rates in ((1e-3,), (1e-3, 1.0)):
        torch.manual_seed(0)
        probe = Attentive(rates=rates, decays=(0.1,), steps=8, batch=16, head_width=3)
        fitted.append(probe._fit(reader, subject.splits.augmented, subject.classes, 0)[0])
    for alone, beside in zip(fitted[0].parameters(), fitted[1].parameters(), strict=True):
        torch.testing.assert_close(alone, beside, rtol=1e-5, atol=1e-6)


def test_keys_and_values_are_never_made():
    """Of a long row of tokens, the products cost less than a quarter of what keys and values would."""
    from torch.utils.flop_counter import FlopCounterMode

    model, x = AttentiveClassifier(96, 3, 1, 2), torch.randn(1, 640, 96)
    with FlopCounterMode(display=False) as counter:
        model(x)
    assert counter.get_total_flops() < 640 * 2 * 2 * 96 * 96 / 4


def test_tokens_encoded_once_teach_as_much(parts):
    class Once(Projection):
        calls = 0

        def forward(self, *args, **kwargs):
            self.calls += 1
            return super().forward(*args, **kwargs)

    backbone, splits = Once(dim=12), Splits.of(parts)
    result = replace(SMALL, samples="fixed").measure(Subject("jepa", backbone, splits), seed=2)
    assert result.value > 0.7
    batches = [-(-len(part) // SMALL.batch) for part in (splits.train, splits.validation, splits.test)]
    assert backbone.calls == sum(batches)
    assert dict(result.splits) == {name: len(getattr(splits, name)) for name in ("train", "validation", "test")}


def test_the_head_that_is_measured_is_given_and_its_training_watched(parts):
    watched, subject = {}, Subject("jepa", Projection(dim=12), Splits.of(parts))

    def watch(work, pieces, count):
        for done, piece in enumerate(pieces, start=1):
            watched[work] = (done, count)
            yield piece

    head, result = replace(SMALL, samples="fixed", layers=(-2, -1)).fit(subject, 2, watch)
    assert watched == {"encoding training samples": (4, 4), "training heads": (30, 30)}
    assert (head.names, head.layers, head.segments) == (("0", "1", "2"), (-2, -1), 1)
    told = gather(Classify(subject.backbone, head), subject.splits.test, 7)
    torch.testing.assert_close(told.x.sum(dim=1), torch.ones(len(told)))
    assert (told.x.argmax(dim=1) == told.labels).double().mean().item() == result.value


def test_a_classifier_of_another_backbone_is_refused():
    with pytest.raises(ValueError, match="reads tokens of 12 numbers, and this backbone gives 6"):
        Classify(Projection(dim=6), AttentiveClassifier(12, 3, 1, 5))


def test_the_best_head_by_the_test_split_stands_beside(parts):
    result = SMALL.measure(Subject("jepa", Projection(dim=12), Splits.of(parts)), seed=2)
    assert result.value <= result.chosen["best_of_grid_on_test"] <= 1


def test_segments_are_read_together_and_views_averaged():
    """A head reads [b s v c t h w] as it reads the tokens of all segments at once, view by view."""
    torch.manual_seed(0)
    clips = torch.randn(2, 3, 2, 1, 2, 4, 4)
    reader = Reader(Patches(1, 2, axes=3), (-1,))
    read = reader(clips)
    assert (read.views, read.values.shape[:2]) == (2, (4, 12))
    for sample in range(2):
        for view in range(2):
            alone = [reader(clips[sample, segment, view][None]).values[0] for segment in range(3)]
            assert read.values[2 * sample + view].equal(torch.cat(alone))
    head = AttentiveClassifier(reader.encoder.dim, 2, 1, 3).eval()
    nn.init.normal_(head.linear.weight)
    each = torch.stack([head(read.values[[0, 2]]), head(read.values[[1, 3]])]).softmax(dim=-1).mean(dim=0)
    assert predict([head], read)[:, 0].equal(each.argmax(dim=1))


def test_several_levels_are_read_as_more_tokens():
    torch.manual_seed(0)
    backbone = TINY.build().kept.eval()
    x = torch.randn(2, 3, 4, 32, 32)
    one, two = Reader(backbone, (-1,))(x).values, Reader(backbone, (-2, -1))(x).values
    assert two.shape == (2, 2 * one.shape[1], one.shape[2])
    torch.testing.assert_close(two[:, one.shape[1] :], one)
    with pytest.raises(ValueError, match="at least one level"):
        Attentive(layers=())


def test_a_probe_takes_at_least_one_step():
    with pytest.raises(ValueError, match="steps and batch are at least 1, got 0 and 128"):
        Attentive(steps=0)
