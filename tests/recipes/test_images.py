"""Recipes state the published numbers, and their schedules really end where they say."""

import pytest

from jepakit.config import Config
from jepakit.recipes import images
from jepakit.recipes.find import find, shipped
from jepakit.train.run import Run

PUBLISHED = {
    "ijepa_vith14_in1k": (187_500, 40 / 300),
    "ijepa_vith16_448_in1k": (187_500, 40 / 300),
    "ijepa_vitl16_in1k": (375_000, 40 / 600),
    "ijepa_vitb16_in1k": (375_000, 40 / 600),
    "ijepa_vith14_in22k": (457_512, 3 / 66),
    "ijepa_vitg16_in22k": (305_008, 3 / 44),
}


@pytest.mark.parametrize("name", shipped())
def test_every_recipe_is_a_valid_run_that_survives_json(name):
    run = find(name)()
    run.validate()
    assert Config.from_json(run.to_json()) == run


@pytest.mark.parametrize(("name", "numbers"), PUBLISHED.items())
def test_published_recipes(name, numbers):
    """Paper 2301.08243, appendix A.1: rate 2e-4 to 1e-3 to 1e-6, decay 0.04 to 0.4, EMA 0.996 to 1."""
    run: Run = getattr(images, name)()
    steps, warmup = numbers
    rate, decay = run.optimizer.rates(), run.optimizer.decays()
    assert run.steps == steps
    assert run.batch == 2048
    assert rate(0.0) == pytest.approx(2e-4)
    assert rate(warmup) == pytest.approx(1e-3)
    assert rate(1.0) == pytest.approx(1e-6, rel=1e-9)
    assert (decay(0.0), decay(1.0)) == (pytest.approx(0.04), pytest.approx(0.4))
    assert run.model.momentum == (0.996, 1.0)
    assert (run.model.block_scale, run.model.context_scale, run.model.blocks) == ((0.15, 0.2), (0.85, 1.0), 4)
    assert run.data.augment.scale == (0.3, 1.0)
    assert not run.data.augment.flip


def test_going_on_is_slower_than_starting_from_noise():
    run, new = images.ijepa_continued(), images.ijepa_vith14_in1k()
    highest = max(run.optimizer.rates()(progress / 100) for progress in range(101))
    assert highest <= new.optimizer.peak / 10
    assert run.model.momentum[0] > new.model.momentum[0]


def test_a_recipe_in_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from jepakit.recipes.images import ijepa_vitb16_in1k\n\ndef run():\n    return ijepa_vitb16_in1k()\n"
    )
    assert find(f"{path}:run")() == images.ijepa_vitb16_in1k()


@pytest.mark.parametrize("name", ["ijepa_tiny", "images:nothing", "nowhere:run", "./missing.py:run"])
def test_a_recipe_that_is_not_there(name):
    with pytest.raises(ValueError, match=r"recipe|import"):
        find(name)
