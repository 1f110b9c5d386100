"""Every model that foretells is asked alike, sees no future, and is told good from bad by the places it imagines."""

from dataclasses import replace

import pytest
import torch

from jepakit.data.branching import Branching
from jepakit.evals.foretelling import ForetellingEval, InPixels, foreteller_of, gather_futures
from jepakit.family import ijepa, lvjepa
from jepakit.methods.foretelling import Foretelling
from jepakit.rivals import next_frames, pixel_diffusion, videomae, vq_video

SMALL = {
    "lvjepa": lvjepa.SMALL,
    "no_z": replace(lvjepa.SMALL, latent="none"),
    "next_frames": replace(next_frames.TINY, frames=8, tubelet=4, normalize_pixels=False),
    "vq_video": vq_video.SMALL,
    "pixel_diffusion": replace(pixel_diffusion.SMALL, steps=3),
}
DATA = Branching(sprites="digits")
ASKED = ForetellingEval(data=DATA, pasts=12, draws=6, probe_pasts=60)


@pytest.fixture(params=SMALL)
def untrained(request):
    torch.manual_seed(0)
    return SMALL[request.param].build().eval()


def test_what_is_imagined_follows_from_the_past(untrained):
    clips = torch.randn(4, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    other = clips.clone()
    other[:, :, 4:] += 5
    foreteller = foreteller_of(untrained)
    with torch.no_grad():
        true = foreteller.represent(clips)
        first, second = (foreteller.imagine(clip, 3, torch.Generator().manual_seed(0)) for clip in (clips, other))
        assert not torch.allclose(true, foreteller.represent(other))
    assert torch.equal(first, second)
    assert first.shape[0] == 4
    assert first.shape[2:] == true.shape[1:]


def test_an_untrained_model_foretells_nothing(untrained):
    found = ASKED.measure(untrained)
    assert found["place_error"] > 5
    assert found["precision"] < 0.3
    assert len(found["best_by_step"]) == len(found["each_by_step"]) == 4


class Oracle(Foretelling):
    """Knows all futures of the test clips, and draws one or all of them, or their mean."""

    def __init__(self, kind):
        method = pixel_diffusion.SMALL.build()
        super().__init__(method.backbone, method.predictor.tokenizer, 4)
        self.kind, self.at = kind, 0
        self.futures, _ = gather_futures(DATA.split("test"), ASKED.pasts)

    def imagine(self, clip, count, generator):
        futures = self.futures[self.at : self.at + len(clip), :, :, 4:]
        self.at += len(clip)
        match self.kind:
            case "all":
                return futures.repeat(1, count // 3, 1, 1, 1, 1)
            case "one":
                return futures[:, :1].repeat(1, count, 1, 1, 1, 1)
            case "mean":
                return futures.mean(dim=1, keepdim=True).repeat(1, count, 1, 1, 1, 1)

    learn = judge = draw = foretelling_flops = None


@pytest.fixture(scope="module")
def figures():
    return {kind: ASKED.measure(Oracle(kind)) for kind in ("all", "one", "mean")}


def test_who_draws_what_may_come_is_as_good_as_the_probe(figures):
    found = figures["all"]
    assert found["probe_error"] < 1.5
    assert found["place_error"] == pytest.approx(found["probe_error"], abs=0.3)
    assert found["coverage"] > 0.9
    assert found["precision"] > 0.9


def test_who_draws_one_future_misses_the_others(figures):
    found = figures["one"]
    assert found["coverage"] == pytest.approx(1 / 3, abs=0.05)
    assert found["precision"] > 0.9
    assert found["place_error"] > figures["all"]["place_error"] + 2


def test_who_draws_the_mean_draws_none_of_them(figures):
    assert figures["mean"]["coverage"] < 0.2
    assert figures["mean"]["precision"] < 0.5
    by_step = figures["mean"]["each_by_step"]
    assert by_step[-1] > by_step[0] > figures["all"]["each_by_step"][0]


def test_pixels_are_those_of_the_future():
    clips, places = gather_futures(DATA.split("test"), 2)
    assert places.shape == (2, 3, 4, 2)
    torch.manual_seed(0)
    parts = InPixels(pixel_diffusion.SMALL.build()).represent(clips[:, 0])
    assert torch.equal(parts, clips[:, 0, :, 4:].mean(dim=1).flatten(2))


@pytest.mark.parametrize(
    ("model", "words"),
    [(videomae.TINY, "train with normalize_pixels=False"), (ijepa.TINY, "MaskedJEPA imagines no future")],
)
def test_models_that_cannot_be_asked_are_refused(model, words):
    with pytest.raises(ValueError, match=words):
        foreteller_of(model.build())


def test_no_more_pasts_than_there_are():
    with pytest.raises(ValueError, match="this part has 5"):
        gather_futures(replace(DATA, test=5).split("test"), 6)
