"""Masks that depend on what is masked: clips tell more about themselves than pictures do."""

from jaxtyping import Float
from torch import Generator, Tensor

from jepakit.contracts import Masker, Rows
from jepakit.tokens import Split


class ModalMasker:
    """One masker for clips and one for pictures, which are clips of a single time step (OmniMAE, 2206.08356).

    Without one for pictures it has no question about them, and whoever asks finds that out by `asks`.
    """

    def __init__(self, video: Masker, image: Masker | None) -> None:
        self.video, self.image = video, image

    def __call__(
        self, coords: Float[Tensor, "b n p"], extent: tuple[int, ...] | None, generator: Generator, rows: Rows
    ) -> Split:
        """What the masker of this modality asks. Raises ValueError for tokens that are neither clips nor pictures."""
        if (masker := self._of(extent)) is None:
            raise ValueError("these masks are of clips alone, and a picture was to be masked")
        return masker(coords, extent, generator, rows)

    def asks(self, extent: tuple[int, ...] | None) -> bool:
        """Whether there is a question about such tokens. Raises ValueError as a call does."""
        return self._of(extent) is not None

    def _of(self, extent: tuple[int, ...] | None) -> Masker | None:
        if extent is None or len(extent) != 3:
            raise ValueError(f"clips and pictures are told apart by their time steps, these tokens have {extent}")
        return self.image if extent[0] == 1 else self.video
