"""Layouts: connected, as open as they should be, packed without loss; ways against SciPy's shortest paths."""

import torch
from scipy import ndimage, sparse

from jepakit.worlds import mazes

LAYOUTS = mazes.draw_layouts(8, 0, 12)


def test_layouts_are_connected_and_open_enough():
    for walls in LAYOUTS:
        assert ndimage.label(~walls.numpy())[1] == 1
    free = 1 - LAYOUTS.float().mean(dim=(1, 2))
    assert free.min() >= 0.49
    assert free.max() <= 0.81
    assert len(LAYOUTS.flatten(1).unique(dim=0)) == 12


def test_a_layout_is_a_function_of_its_number():
    mazes.draw_layouts.cache_clear()
    assert torch.equal(mazes.draw_layouts(8, 5, 2), LAYOUTS[5:7])


def test_packing_loses_nothing():
    for cells in (3, 4, 8, 9):
        walls = torch.rand(50, cells, cells, generator=torch.Generator().manual_seed(cells)) < 0.5
        packed = mazes.pack(walls)
        assert packed.shape == (50, -(-(cells**2) // 16))
        assert packed.dtype == torch.float32
        assert torch.equal(mazes.unpack(packed, cells), walls)
        rows, columns = torch.meshgrid(torch.arange(-1, cells + 1), torch.arange(-1, cells + 1), indexing="ij")
        asked = mazes.is_wall(packed[:, None, None].expand(-1, *rows.shape, -1), *(
            axis.expand(50, -1, -1) for axis in (rows, columns)
        ), cells)  # fmt: skip
        assert torch.equal(asked, torch.nn.functional.pad(walls, (1, 1, 1, 1), value=True))


def test_ways_are_shortest_paths():
    walls = torch.rand(6, 5, 5, generator=torch.Generator().manual_seed(1)) < 0.35
    for layout, steps in zip(walls, mazes.steps_between(walls), strict=True):
        free = ~layout.flatten()
        cells = torch.arange(25).view(5, 5)
        pairs = torch.cat([
            torch.stack([cells[:, :-1].flatten(), cells[:, 1:].flatten()]),
            torch.stack([cells[:-1].flatten(), cells[1:].flatten()]),
        ], dim=1)  # fmt: skip
        pairs = pairs[:, free[pairs].all(dim=0)]
        graph = sparse.coo_matrix((torch.ones(pairs.shape[1]).numpy(), pairs.numpy()), shape=(25, 25))
        wanted = torch.from_numpy(sparse.csgraph.shortest_path(graph, directed=False, unweighted=True))
        wanted[torch.isinf(wanted) | ~free[:, None] | ~free] = -1
        assert torch.equal(steps, wanted.long())
