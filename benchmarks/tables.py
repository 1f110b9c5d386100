"""Tables of the README and of the page of results, written from results/summary.json: no figure is typed.

`python -m benchmarks.tables` rewrites what stands between the marks and names the claims that were not measured yet.
The tables of trials and of kept tokens are made from raw files, for these are no claims.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import ROOT
from benchmarks.search import trials

PAGES = ("README.md", "docs/results.md")
MARK = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

Claims = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """A claim in words, and the mark that it has to reach ("at least" or "at most" a number in the claim's unit)."""

    claim: str
    words: str
    least: float | None = None
    most: float | None = None

    def reached(self, value: float) -> str:
        """Whether the mark is reached, in a word; nothing where there is none."""
        if self.least is None and self.most is None:
            return ""
        good = (self.least is None or value >= self.least) and (self.most is None or value <= self.most)
        return "yes" if good else "**no**"

    def mark(self, unit: str) -> str:
        """The mark with its unit."""
        parts = [("at least", self.least), ("at most", self.most)]
        return " and ".join(f"{words} {figure(number, unit)}" for words, number in parts if number is not None)


SPEED = (
    Row("speed.ijepa_step.share_of_peak", "training step of ViT-S/16, share of what the machine's GEMM reaches", 0.75),
    Row("speed.ijepa_step.share_of_onednn", "the same step, share of oneDNN's rate, the fastest GEMM here"),
    Row("speed.tiny_step.ratio", "training step of the demo, against the plain eager formulation", 1.3),
    Row(
        "speed.vjepa2_step.ratio",
        "training step of V-JEPA 2, against a table in every block and masks by the clip",
        1.1,
    ),
    Row("speed.vjepa2_step.share_of_peak", "the same step, share of what the machine's GEMM reaches"),
    Row("speed.vjepa2_step.share_of_onednn", "the same step, share of oneDNN's rate"),
    Row("speed.masks_2d.ratio", "multi-block masks, against the plain algorithm", 50),
    Row("speed.masks_3d.ratio", "both families of masks of clips, against the plain algorithm", 10),
    Row("speed.encoder_vs_hf.ratio", "inference of ViT-B/16, against Hugging Face transformers", 1.05),
    Row("speed.video_encoder_vs_hf.ratio", "inference of V-JEPA 2 ViT-B/16, against Hugging Face transformers", 1.05),
    Row("speed.sigreg.ratio", "SIGReg forward and backward, against its formula in real numbers", 2.5),
    Row("memory.sigreg.ratio", "memory of the same, times less", 20),
    Row("speed.sigreg.share_of_step", "SIGReg, share of a step of ViT-S/16 (derived)", most=0.1),
    Row(
        "distributed.regularizers.max_error",
        "largest difference of any regularizer on several ranks from one",
        most=1e-9,
    ),
    Row("speed.int8.ratio", "inference in int8, against float32", 1.5),
    Row("speed.loading.ratio", "JPEG to a random crop, against Pillow at equal pixels", 1.5),
    Row("speed.decode.ratio", "16 frames of a video as RGB, against the fastest other decoder that is installed", 0.9),
    Row("speed.watching.share", "share of a step that watching for collapse takes", most=0.02),
    Row("memory.ijepa_step.saving", "memory of a training step, saved against eager attention", 0.18),
    Row("memory.clip_of_64.kept", "memory of a step on a clip of 64 frames, ViT-S/16"),
    Row("memory.clip_of_64.recomputed", "the same with checkpoint_activations"),
)
CONTESTANTS = {
    "ijepa": "I-JEPA", "lejepa": "LeJEPA", "mae": "MAE", "simclr": "SimCLR", "moco": "MoCo v3", "byol": "BYOL",
    "simsiam": "SimSiam", "vicreg": "VICReg", "barlow": "Barlow Twins", "dino": "DINO", "ibot": "iBOT", "msn": "MSN",
    "data2vec": "data2vec", "random_init": "random init", "raw": "raw pixels",
}  # fmt: skip
UNTRAINED = ("random_init", "raw")
ASKED = {
    "arena.{}.linear": "linear", "arena.{}.knn": "kNN", "arena.{}.lowshot1": "1 % of labels",
    "energy.{}.auroc": "energy: AUROC", "energy.{}.retrieval": "energy: 1 of 16",
}  # fmt: skip
NUISANCE = {
    "vjepa": "V-JEPA", "videomae": "VideoMAE", "next_frames": "next frames in pixels", "random_init": "random init",
}  # fmt: skip
NOISES = {
    "nuisance.{}.0.content": "motion, no noise", "nuisance.{}.30.content": "motion, noise 30",
    "nuisance.{}.60.content": "motion, noise 60", "nuisance.{}.30.noise": "noise, 30",
    "nuisance.{}.60.noise": "noise, 60",
}  # fmt: skip
LEJEPA = (
    Row("lejepa.linear", "linear probe, in the arena above"),
    Row("lejepa.grid_runs", "trainings of the grid: rates, architectures, trade-offs"),
    Row("lejepa.collapsed_runs", "of these, collapsed", most=0),
    Row("lejepa.loss_probe_spearman", "Spearman's correlation of the training loss with kNN over the grid"),
)
WIDE = {"contrastive": "SimCLR", "vicreg": "VICReg", "sigreg": "SIGReg"}
WIDTHS = {f"scaling.dim.{{}}.{dim}": str(dim) for dim in (16, 64, 256, 1024)}
FUTURES = (
    Row("lvjepa.modes.coverage", "futures that some z foretells"),
    Row("lvjepa.modes.precision", "z whose future may come"),
    Row("lvjepa.no_z.coverage", "futures that are foretold without z"),
    Row("lvjepa.z_bits", "what z tells, in bits"),
    Row("lvjepa.shortcut.detected", "z without a limit is seen to be a shortcut"),
)
CUTS = {"first": "the first ones, as the released code does", "random": "random ones", "pad": "all, padded"}
"""What is kept of masks that differ in length, by `rectangular`."""
RELIABILITY = (
    Row("faults.sigkill.trials", "trainings killed at random moments and resumed", 20),
    Row("faults.sigkill.identical", "all of them ended with weights identical to the uninterrupted run", 1),
    Row("demo.seconds", "the demo, from the first step to the report", most=600),
)
ABLATION = (
    Row("ablation.masks.multiblock", "multi-block masks, the paper's numbers"),
    Row("ablation.masks.single", "a single target block"),
    Row("ablation.masks.random", "random masks"),
    Row("ablation.targets.scale", "smaller targets"),
    Row("ablation.targets.count", "fewer targets"),
    Row("ablation.targets.pixels", "pixels instead of latent targets"),
    Row("ablation.context.scale", "a smaller context"),
    Row("ablation.context.overlap_kept", "targets left in the context"),
    Row("ablation.crop.none", "without random resized crop"),
)
MOTION = (
    Row("vjepa.motion.attentive", "V-JEPA"),
    Row("videomae.motion.attentive", "VideoMAE: the same encoder with pixel targets"),
    Row("frames.motion.attentive", "I-JEPA, frame by frame"),
    Row("random_init.motion.attentive", "random init"),
    Row("raw.motion.attentive", "raw pixels, attentive probe"),
    Row("raw.motion.linear", "raw pixels, linear probe"),
    Row("efficiency.vjepa_over_videomae.seconds", "V-JEPA over VideoMAE to tell half of the motions right: seconds"),
    Row("efficiency.vjepa_over_videomae.flop", "the same: operations"),
    Row("efficiency.vjepa_over_videomae.samples", "the same: samples"),
)
ROBOT = tuple(
    Row(f"{subject}.metaworld.{figure}", f"{name}, {words}")
    for subject, name in {
        "vjepa": "V-JEPA",
        "videomae": "VideoMAE",
        "frames": "I-JEPA, frame by frame",
        "still": "I-JEPA, the middle frame alone",
        "random_init": "random init",
        "raw": "raw pixels",
    }.items()
    for figure, words in {
        "attentive": "all tasks",
        "camera": "all tasks, unseen camera",
        "scenes": "tasks of one scene",
    }.items()
)
STILL = (
    Row("vjepa.images.attentive", "V-JEPA, which never saw a still picture"),
    Row("ijepa.images.attentive", "I-JEPA on the pictures"),
    Row("omnimae.images.attentive", "VideoMAE on both, as OmniMAE"),
    Row("random_init.images.attentive", "random init"),
    Row("raw.images.attentive", "raw pixels"),
)
CLIP_ABLATION = (
    Row("vjepa.ablation.short_long", "short- and long-range masks, multi-block, made rectangular at random"),
    Row("vjepa.ablation.short_long.short", "short-range masks alone"),
    Row("vjepa.ablation.short_long.long", "long-range masks alone"),
    Row("vjepa.ablation.masks.random_tube", "random tubes"),
    Row("vjepa.ablation.masks.causal", "causal masks"),
    Row("vjepa.ablation.rectangular.first", "made rectangular by the first indices"),
    Row("vjepa.ablation.rectangular.pad", "padded"),
)
FORESIGHT = (
    Row("anticipation.recall5", "V-JEPA 2, encoder and predictor"),
    Row("anticipation.encoder_only", "its encoder alone"),
    Row("anticipation.predictor_only", "its predictor alone"),
    Row("anticipation.random_init", "random init, encoder and predictor"),
    Row("anticipation.prior", "the commonest actions"),
    Row("anticipation.last_action", "what most often follows the last action"),
)
DENSE = tuple(
    Row(f"dense.{subject}.{figure}", f"{name}, {words}")
    for figure, words in {"miou": "mean IoU of segmentation", "depth_rmse": "RMSE of depth"}.items()
    for subject, name in {
        "vjepa2": "V-JEPA 2",
        "vjepa21": "V-JEPA 2.1",
        "hidden_only": "V-JEPA 2.1 without its dense loss",
        "random_init": "random init",
        "raw": "raw pixels",
    }.items()
)
VIDEO = (*MOTION, *ROBOT, *STILL, *CLIP_ABLATION, *FORESIGHT, *DENSE)
COLLAPSE = (
    Row("collapse.no_stopgrad.rank", "effective rank at the end, without average and stop-gradient"),
    Row("collapse.false_alarms", "runs meant to be healthy in which the alarm rang"),
    Row("collapse.misses", "runs meant to collapse in which it did not"),
)
SETS = {"fashion": "Fashion-MNIST", "emoji": "emoji, unseen things", "openclipart": "Open Clip Art"}
SUBJECTS = {
    "ijepa": "I-JEPA",
    "ijepa_long": "I-JEPA, three times as long",
    "random_init": "random init",
    "raw": "raw pixels",
    "supervised": "supervised from scratch",
}
PROTOCOLS = {"knn": "kNN", "linear": "linear", "lowshot12": "12 labels per class", "lowshot1": "1 % of labels"}
SCORES = {
    "ijepa": {name: PROTOCOLS[name] for name in ("knn", "linear", "lowshot1")},
    "supervised": {"full": "all labels", "lowshot1": PROTOCOLS["lowshot1"]},
}
"""What a trial of the search is judged by, by its subject."""
HEADLINE_SPEED = (
    "speed.ijepa_step.share_of_peak",
    "speed.ijepa_step.share_of_onednn",
    "speed.tiny_step.ratio",
    "speed.encoder_vs_hf.ratio",
)
HEADLINE = (*(row for row in SPEED if row.claim in HEADLINE_SPEED), *RELIABILITY[1:])


def main() -> None:
    """Rewrites the tables of all pages and says which claims are missing."""
    claims = read_claims(ROOT / "results" / "summary.json")
    for page in PAGES:
        path = ROOT / page
        path.write_text(renewed(path.read_text(), claims))
        print(f"tables written: {page}")
    if missing := sorted(expected() - claims.keys()):
        print(f"{len(missing)} claims are missing: {', '.join(missing)}")


def read_claims(path: Path) -> Claims:
    """Claims by name; none if nothing was measured yet."""
    return json.loads(path.read_text()) if path.exists() else {}


def renewed(text: str, claims: Claims) -> str:
    """A page with all of its tables made from `claims`. Raises ValueError for a table that nobody knows."""

    def table(found: re.Match[str]) -> str:
        if found["name"] not in TABLES:
            raise ValueError(f"there is no table {found['name']!r}; there are {', '.join(TABLES)}")
        return found[1] + TABLES[found["name"]](claims) + "\n" + found[3]

    return MARK.sub(table, text)


def expected() -> set[str]:
    """Every claim that the tables have a place for."""
    rows = {row.claim for row in (*SPEED, *RELIABILITY, *ABLATION, *COLLAPSE, *VIDEO, *FUTURES, *LEJEPA)}
    rows |= {*asked_of(CONTESTANTS, ASKED), *asked_of(NUISANCE, NOISES), *asked_of(WIDE, WIDTHS)}
    return rows | {cell for name in SETS for subject in SUBJECTS for cell in cells(name, subject) if cell}


def cells(name: str, subject: str) -> list[str | None]:
    """The claims of one line of the table of learning; None where there is no such thing."""
    if subject == "ijepa_long" and name != "openclipart":
        return [None] * len(PROTOCOLS)
    if subject == "supervised":
        return [None, f"{name}.supervised.full", None, f"{name}.supervised.lowshot1"]
    return [f"{name}.{subject}.{protocol}" for protocol in PROTOCOLS]


def learning(claims: Claims) -> str:
    """Data sets and subjects by protocols."""
    lines = []
    for name, title in SETS.items():
        for subject, words in SUBJECTS.items():
            line = cells(name, subject)
            if any(line):
                lines.append([title, words, *("" if cell is None else measured(claims, cell) for cell in line)])
    wanted = [cell for name in SETS for subject in SUBJECTS for cell in cells(name, subject) if cell]
    return grid(["data", "", *PROTOCOLS.values()], lines) + footnotes(claims, wanted)


def listed(rows: Sequence[Row]) -> Callable[[Claims], str]:
    """A table of single claims: figure, mark, whether it is reached, and the command."""

    def table(claims: Claims) -> str:
        lines = []
        for row in rows:
            claim = claims.get(row.claim)
            mark = row.mark(claim["unit"] if claim else default_unit(row.claim))
            reached = row.reached(claim["value"]) if claim else ""
            command = f"`{claim['command']}`" if claim else ""
            lines.append([row.words, measured(claims, row.claim), mark, reached, command])
        return grid(["", "measured", "mark", "reached", "command"], lines) + footnotes(
            claims, [row.claim for row in rows]
        )

    return table


def crossed(rows: Mapping[str, str], columns: Mapping[str, str]) -> Callable[[Claims], str]:
    """A table of claims that are named by a row and a column."""
    wanted = asked_of(rows, columns)

    def cell(claims: Claims, name: str) -> str:
        return measured(claims, name) if name in wanted else ""

    def table(claims: Claims) -> str:
        lines = [[words, *(cell(claims, column.format(row)) for column in columns)] for row, words in rows.items()]
        return grid(["", *columns.values()], lines) + footnotes(claims, wanted)

    return table


def asked_of(rows: Mapping[str, str], columns: Mapping[str, str]) -> list[str]:
    """The claims of such a table: the "{}" of a column stands for the row. What was not trained has no energy."""
    every = [(row, column) for row in rows for column in columns]
    return [column.format(row) for row, column in every if not (column.startswith("energy") and row in UNTRAINED)]


def headline(claims: Claims) -> str:
    """A few claims for the first screen."""
    lines = [[row.words, measured(claims, row.claim), row.mark(default_unit(row.claim))] for row in HEADLINE]
    return grid(["", "measured", "mark"], lines)


def others(claims: Claims) -> str:
    """All claims that no other table has a place for, so that nothing measured is hidden."""
    rest = sorted(claims.keys() - expected())
    if not rest:
        return "None."
    return grid(
        ["claim", "measured", "command"], [[f"`{n}`", measured(claims, n), f"`{claims[n]['command']}`"] for n in rest]
    )


def search(claims: Claims) -> str:
    """Every trial of the search; it stands in files of its own, not among the claims."""
    return tried(list(trials()), read_trials(ROOT / "results" / "search"))


def read_trials(folder: Path) -> Claims:
    """The raw files of the search by the name of the trial."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def tried(names: Sequence[str], found: Claims) -> str:
    """A table for each data set and subject: trials by scores, the best of each column bold, missing ones named."""
    parts = [name.split(".", 2) for name in names]
    groups = dict.fromkeys((data, subject) for data, subject, _ in parts)
    tables = []
    for data, subject in groups:
        members = {change: f"{data}.{subject}.{change}" for *group, change in parts if group == [data, subject]}
        title = f"**{SETS[data]}, {SUBJECTS[subject]}**: `python -m benchmarks.search {data}.{subject}`"
        tables.append(f"{title}\n\n{ranked(members, found, SCORES[subject])}")
    return "\n\n".join(tables) + footnotes(found, names, "trials")


def ranked(members: Mapping[str, str], found: Claims, scores: Mapping[str, str]) -> str:
    """Trials by what they changed; `members` says under which name each was measured."""
    known = [found[name]["scores"] for name in members.values() if name in found]
    best = {score: max((each[score] for each in known), default=None) for score in scores}

    def cell(name: str, score: str) -> str:
        if name not in found:
            return "missing"
        value = found[name]["scores"][score]
        return f"**{figure(value, 'share')}**" if value == best[score] else figure(value, "share")

    lines = [[f"`{change}`", *(cell(name, score) for score in scores)] for change, name in members.items()]
    return grid(["trial", *scores.values()], lines)


def kept(claims: Claims) -> str:
    """What each way of cutting keeps of every time step: counts in a raw file, not among the claims."""
    path = ROOT / "results" / "benchmarks" / "masks_3d.json"
    return kept_by_step(json.loads(path.read_text())) if path.exists() else "Not measured yet."


def kept_by_step(raw: Mapping[str, Any]) -> str:
    """Tokens of the context of each time step, by family and way of cutting."""
    counts = {name: found["context"] for name, found in raw["rows"]["kept"].items()}
    lines = []
    for name, steps in counts.items():
        family, way = name.split(".")
        lines.append([family, f"`{way}`: {CUTS[way]}", *(f"{count:.1f}" for count in steps)])
    steps = max(map(len, counts.values()))
    head = ["family", "tokens kept of each time step", *map(str, range(1, steps + 1))]
    return f"{grid(head, lines)}\n\nCommand: `{raw['command']}`.{footnotes({'kept': raw}, ['kept'])}"


TABLES: dict[str, Callable[[Claims], str]] = {
    "headline": headline,
    "learning": learning,
    "ablation": listed(ABLATION),
    "motion": listed(MOTION),
    "robot": listed(ROBOT),
    "still": listed(STILL),
    "clip-ablation": listed(CLIP_ABLATION),
    "foresight": listed(FORESIGHT),
    "dense": listed(DENSE),
    "arena": crossed(CONTESTANTS, ASKED),
    "lejepa": listed(LEJEPA),
    "widths": crossed(WIDE, WIDTHS),
    "nuisance": crossed(NUISANCE, NOISES),
    "futures": listed(FUTURES),
    "collapse": listed(COLLAPSE),
    "speed": listed(SPEED),
    "kept": kept,
    "reliability": listed(RELIABILITY),
    "search": search,
    "others": others,
}


def measured(claims: Claims, name: str) -> str:
    """The figure with its interval, or that it is missing."""
    if name not in claims:
        return "missing"
    claim = claims[name]
    value, low, high = (figure(claim[key], claim["unit"]) for key in ("value", "low", "high"))
    if len(claim["seeds"]) == 1:
        return f"{value} (one seed)"
    if claim["low"] == claim["high"]:
        return value
    return f"{value} ({low} to {high})"


def figure(value: float, unit: str) -> str:
    """A number as people read it."""
    if unit.startswith("share"):
        return f"{100 * value:.1f} %"
    match unit:
        case "accuracy":
            return f"{100 * value:.1f} %"
        case "%":
            return f"{value:.1f} %"
        case "boolean" | "bool":
            return "yes" if value else "no"
        case "times" | "ratio":
            return f"{value:.3g} times"
        case "count" | "effective rank" | "":
            return f"{value:.4g}"
        case "seconds":
            return f"{value:.0f} s"
        case "MB":
            return f"{value:.0f} MB"
    return f"{value:.3g} {unit}"


def default_unit(claim: str) -> str:
    """The unit of a claim that was not measured yet, as its name tells it."""
    endings = {"ratio": "times", "seconds": "seconds", "trials": "count", "identical": "boolean"}
    return endings.get(claim.rpartition(".")[2], "share")


def grid(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def footnotes(claims: Claims, wanted: Sequence[str], what: str = "figures") -> str:
    """Machine and revision of what is there, and how much is missing."""
    there = [claims[name] for name in wanted if name in claims]
    notes = []
    if there:
        machines = sorted({f"{claim['machine']['cpu']}, {claim['machine']['cores']} cores" for claim in there})
        revisions = sorted({revision for claim in there for revision in claim["git"].split(", ")})
        notes.append(f"Machine: {'; '.join(machines)}. Revision: {', '.join(revisions)}.")
    if len(there) < len(wanted):
        notes.append(f"Not measured yet: {len(wanted) - len(there)} of {len(wanted)} {what} of this table.")
    return "".join(f"\n\n{note}" for note in notes)


if __name__ == "__main__":
    main()
