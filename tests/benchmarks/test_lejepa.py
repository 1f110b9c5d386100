"""The loss that ranks is told alike for all trade-offs, of the steps before a checkpoint, and less of it is better."""

from benchmarks import lejepa


def line(step, prediction, regularizer, share):
    return {
        "step": step,
        "loss": 0.0,
        "terms": {"prediction": (1 - share) * prediction, "regularizer": share * regularizer},
    }


def test_losses_of_several_trade_offs_are_told_under_one():
    told = [
        lejepa.loss_at([{"watch": {}}, line(10, 3.0, 5.0, share), line(20, 9.0, 9.0, share)], 15, share)
        for share in (0.02, 0.1)
    ]
    assert [round(value, 9) for value in told] == [round(0.98 * 3 + 0.02 * 5, 9)] * 2


def test_less_loss_with_a_better_probe_is_a_correlation_of_one():
    points = [{"loss": 3.0, "linear": 0.1}, {"loss": 2.0, "linear": 0.5}, {"loss": 1.0, "linear": 0.9}]
    assert lejepa.ranked_alike(points) == 1
    assert lejepa.ranked_alike([{**point, "loss": -point["loss"]} for point in points]) == -1


def test_widths_claim_the_rank_of_the_embedding_too():
    cell = lejepa.cells()["scaling.dim.sigreg.64.seed0"]
    assert cell.claims == {"scaling.dim.sigreg.64": "linear", "scaling.dim.sigreg.64.rank": "embedding_rank"}
    method = cell.run.model.build()
    data = lejepa.replace(lejepa.DATA, views=None).split("test")
    assert 1 < lejepa.embedding_rank(method, data) <= 64
