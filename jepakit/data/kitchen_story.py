"""What happens in a kitchen seen from above: a dot goes about six things and does one of five acts to one of them.

What is done next depends on what was done last (a Markov chain) and on how things stand: only what is held can be put
or shaken, only what is closed can be taken or opened, only what is open can be closed. Things and acts are as uneven
as in real kitchens: the first thing is used six times as often as the last. Before each act the dot goes to where it
will be done, so that the way it goes tells of the thing, and how that stands, of the act.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

VERBS = ("take", "put", "open", "close", "shake")
TAKE, PUT, OPEN, CLOSE, SHAKE = range(5)
NOUNS = ("jar", "box", "can", "tin", "bag", "pot")
CELLS = 4
"""Things stand in the cells of a board of so many rows and columns, one in each at most."""
APPROACH, ACT = (1.0, 2.5), (0.75, 1.25)
"""How many seconds the dot is on its way, and how many an act takes."""

_USE = 1 / np.arange(1, len(NOUNS) + 1)  # Zipf's law
_OPENED = (0.2, 0.8, 0.3, 0.7, 0.4, 0.6)  # of the acts to a closed thing, which share is to open it; the rest: take it
_SHAKEN = 0.3  # of the acts to a thing in hand; the rest: put it down
_NEXT, _SAME, _LEFT_OPEN = 4.0, 0.2, 2.5  # how much likelier: the neighbor in the list, the same again, an open one


@dataclass(frozen=True)
class Act:
    """Frames `start` to `stop` (not included) show the act."""

    verb: int
    noun: int
    start: int
    stop: int


@dataclass(frozen=True)
class Story:
    """Everything that is to be seen, frame by frame; places are rows and columns in sides of a frame.

    `openness` is 0 for a closed thing and 1 for an open one. `held` is the number of the thing in hand, -1 for none.
    """

    acts: tuple[Act, ...]
    dot: Float[np.ndarray, "t 2"]
    things: Float[np.ndarray, "t k 2"]
    openness: Float[np.ndarray, "t k"]


class Kitchen:
    """How things stand while a story is being told."""

    def __init__(self, frames: int, fps: int, generator: Generator) -> None:
        self.fps, self.generator = fps, generator
        self.dot = np.empty((frames, 2))
        self.things = np.empty((frames, len(NOUNS), 2))
        self.openness = np.zeros((frames, len(NOUNS)))
        cells = generator.permutation(CELLS * CELLS)
        self.cells, free = cells[: len(NOUNS)].copy(), cells[-1]
        self.opened = np.zeros(len(NOUNS), dtype=bool)
        self.held, self.last = -1, int(generator.integers(len(NOUNS)))
        self.hand, self.now = self._place(int(free)), 0

    def tell(self) -> Story:
        """Act after act, until the frames are filled; an act that would not be whole is left out."""
        acts = []
        while (act := self._act()) is not None:
            acts.append(act)
        return Story(tuple(acts), self.dot, self.things, self.openness)

    def _act(self) -> Act | None:
        verb, noun = self._choose()
        way, length = (round(self.fps * self.generator.uniform(*seconds)) for seconds in (APPROACH, ACT))
        cell = self.cells[noun] if self.held < 0 else self._free_cell()
        self._go(self._place(int(cell)), way)
        start, stop = self.now, self.now + length
        if stop > len(self.dot):
            self._rest(len(self.dot) - self.now)
            return None
        self._do(verb, noun, int(cell), length)
        return Act(verb, noun, start, stop)

    def _choose(self) -> tuple[int, int]:
        """The next act: a step of the chain."""
        if self.held >= 0:
            return (SHAKE if self.generator.random() < _SHAKEN else PUT), self.held
        weights = _USE * np.where(self.opened, _LEFT_OPEN, 1.0)
        weights[(self.last + 1) % len(NOUNS)] *= _NEXT
        weights[self.last] *= _SAME
        noun = int(self.generator.choice(len(NOUNS), p=weights / weights.sum()))
        if self.opened[noun]:
            return CLOSE, noun
        return (OPEN if self.generator.random() < _OPENED[noun] else TAKE), noun

    def _go(self, to: Float[np.ndarray, "2"], frames: int) -> None:
        """A straight way at an even pace; what is held comes along."""
        end = min(self.now + frames, len(self.dot))
        share = np.arange(1, end - self.now + 1)[:, None] / frames
        self.dot[self.now : end] = self.hand + share * (to - self.hand)
        self._stand(end)
        self.hand = self.dot[end - 1] if end > self.now else self.hand

    def _do(self, verb: int, noun: int, cell: int, frames: int) -> None:
        """What is opened or closed changes bit by bit, what is shaken goes to and fro; hands take and put at once."""
        first, end = self.now, self.now + frames
        share = np.arange(1, frames + 1) / frames
        if verb == TAKE:
            self.held = noun
        self._rest(frames)
        if verb in (OPEN, CLOSE):
            self.openness[first:end, noun] = share if verb == OPEN else 1 - share
            self.opened[noun] = verb == OPEN
        elif verb == SHAKE:
            self.things[first:end, noun, 1] += 0.06 * np.where(np.arange(frames) % 4 < 2, 1, -1)
        elif verb == PUT:
            self.held, self.cells[noun] = -1, cell
            self.things[end - 1, noun] = self._place(cell)
        self.last = noun

    def _rest(self, frames: int) -> None:
        end = self.now + frames
        self.dot[self.now : end] = self.hand
        self._stand(end)

    def _stand(self, end: int) -> None:
        """Where everything is, up to the frame `end`, given where the dot is; time goes on to there."""
        span = slice(self.now, end)
        self.things[span] = np.stack([self._place(int(cell)) for cell in self.cells])
        self.openness[span] = self.opened
        if self.held >= 0:
            self.things[span, self.held] = self.dot[span] + IN_HAND
        self.now = end

    def _free_cell(self) -> int:
        taken = [cell for thing, cell in enumerate(self.cells.tolist()) if thing != self.held]
        return int(self.generator.choice([cell for cell in range(CELLS * CELLS) if cell not in taken]))

    @staticmethod
    def _place(cell: int) -> Float[np.ndarray, "2"]:
        return (np.array(divmod(cell, CELLS)) + 0.5) / CELLS


IN_HAND = np.array([-0.08, 0.0])
"""What is held is seen a little above the dot."""
