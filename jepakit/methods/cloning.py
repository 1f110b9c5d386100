"""The rule of doing what was done: clone the action that led from what is seen to what was seen later."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from jepakit.contracts import Losses, Observation, Step
from jepakit.methods.multiview import evaluating
from jepakit.parts.nn.frames import Frames, by_frame
from jepakit.parts.nn.heads import flops_of
from jepakit.parts.nn.standardize import Standardize


class Cloning(nn.Module):
    """A policy from what is seen and what is to be seen to the next action: a Method that knows no future.

    Batches are {"x": [b c t h w], "actions": [b t-1 a]}, with "proprio" [b t p] where it feels its body. Every frame is
    once where an episode stands, and the goal is any later one of the window, drawn for the global batch: windows are
    as long as episodes, or else no goal is as far away as in the paper. Of a goal it sees the picture alone.
    """

    def __init__(
        self, network: Frames, policy: nn.Module, action: Standardize, body: Standardize | None = None
    ) -> None:
        super().__init__()
        self.network, self.policy, self.action, self.body = network, policy, action, body

    @property
    def backbone(self) -> Frames:
        """What sees."""
        return self.network

    @property
    def kept(self) -> Frames:
        """The same: nothing is averaged."""
        return self.network

    def forward(self, batch: Mapping[str, Tensor], step: Step) -> Losses:
        """The squared error of standardized actions towards goals that were reached."""
        actions, rows = batch["actions"], step.rows
        if self.training:
            self.action.learn(actions)
            if self.body is not None:
                self.body.learn(batch["proprio"])
        seen = self._see(batch["x"])
        count = actions.shape[1]
        now = torch.arange(count)
        share = torch.rand(rows.total, count, generator=step.shared)[rows.first : rows.first + rows.count]
        goal = (now + 1 + (share * (count - now)).floor().long()).to(seen.device)
        wanted = seen.gather(1, goal.unsqueeze(2).expand(-1, -1, seen.shape[2]))
        felt = None if self.body is None else batch["proprio"][:, :-1]
        error = (self._choose(seen[:, :-1], wanted, felt) - self.action(actions)).square().mean()
        flops = 3 * (seen.shape[1] * self.network.flops(1) + count * flops_of(self.policy))
        return Losses({"action": error}, {"gflops": torch.tensor(rows.total * flops / 1e9, dtype=torch.float64)})

    def act(self, now: Observation, goal: Observation) -> Float[Tensor, "b a"]:
        """The next action of each episode, in real units."""
        with torch.no_grad(), evaluating(self):
            seen, wanted = (self._see(each.x[:, :, -1:])[:, 0] for each in (now, goal))
            felt = None if now.known is None else now.known[:, -1]
            return self.action.restore(self._choose(seen, wanted, felt))

    def energy(self, x: Tensor, y: Tensor, z: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """How far the action `z` [b a] is from the one that it would take from the last frame of `x` to that of `y`.

        Without an action: how far its own one is from none at all. A body that it should feel is an average one. Gives
        [b].
        """
        with evaluating(self):
            felt = None if self.body is None else self.body.mean.expand(len(x), -1)
            own = self._choose(self._see(x[:, :, -1:])[:, 0], self._see(y[:, :, -1:])[:, 0], felt)
            other = self.action(torch.zeros_like(own)) if z is None else self.action(z)
            return (own - other).square().mean(dim=1)

    def after_step(self, step: Step) -> None:
        """Nothing follows."""

    def _see(self, clips: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b t d"]:
        return by_frame(self.network(clips)).flatten(2)

    def _choose(
        self, seen: Float[Tensor, "*b d"], wanted: Float[Tensor, "*b d"], felt: Float[Tensor, "*b p"] | None
    ) -> Float[Tensor, "*b a"]:
        """The standardized action. Raises ValueError where a body is to be felt and is not."""
        if self.body is None:
            return self.policy(torch.cat([seen, wanted], dim=-1))
        if felt is None:
            raise ValueError(
                "this policy was cloned from episodes that tell what the body feels, and here nothing is felt"
            )
        return self.policy(torch.cat([seen, wanted, self.body(felt)], dim=-1))
