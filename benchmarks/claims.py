"""Which claims there are, in words, and the marks that they have to reach: the rows of all tables."""

from collections.abc import Mapping
from dataclasses import dataclass


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
    Row(
        "speed.masks_3d.ratio",
        "both families of masks of clips, cut as the released code does (`first`), against the plain algorithm",
        10,
    ),
    Row("speed.masks_3d.random.ratio", "the same, cut at random, as is the default here", 10),
    Row("speed.encoder_vs_hf.ratio", "inference of ViT-B/16, against Hugging Face transformers", 1.05),
    Row("speed.video_encoder_vs_hf.ratio", "inference of V-JEPA 2 ViT-B/16, against Hugging Face transformers", 1.05),
    Row("speed.sigreg.ratio", "SIGReg forward and backward, against its formula in real numbers", 2.5),
    Row("speed.sigreg.least", "the same at the size where it is least", 2),
    Row("memory.sigreg.ratio", "memory of the same, times less", 20),
    Row("speed.sigreg.share_of_step", "SIGReg, share of a step of ViT-S/16 (derived)", most=0.1),
    Row(
        "distributed.regularizers.max_error",
        "largest difference of any regularizer on several ranks from one",
        most=1e-9,
    ),
    Row("speed.cem_horizon2.ratio", "imagining two steps with V-JEPA 2-AC, against a plain loop", 1.7),
    Row("speed.pose.ratio", "400 poses moved, against SciPy one by one", 50),
    Row(
        "speed.plan.cpu_seconds",
        "a plan of CEM, 300 samples, 30 iterations, 5 blocks; predictor of 0.48 million parameters",
        most=1.0,
    ),
    Row("planners.lqr.max_gap", "largest gap of any planner to the optimum of a linear system", most=0.01),
    *(
        Row(f"worlds.{name}.frames_per_second", f"frames a second, {words}, acting and drawing")
        for name, words in {
            "two_rooms": "TwoRooms",
            "diverse_maze": "DiverseMaze",
            "push": "Push",
            "arm7": "Arm7",
        }.items()
    ),
    *(
        Row(f"training.{name}.frames_per_second", f"frames a second, {words}")
        for name, words in {
            "two_rooms": "learning worlds:two_rooms",
            "two_rooms_planner": "its planner, from latents",
            "arm7": "learning arm:world_model",
        }.items()
    ),
    Row("speed.int8.ratio", "inference in int8, against float32", 1.5),
    Row("speed.loading.ratio", "JPEG to a random crop, against Pillow at equal pixels", 1.5),
    Row("speed.allocator.ratio", "training a small world model, freed memory kept against given back"),
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
NOT_ASKED = {"arena.supervised.segmentation"} | {
    f"energy.{row}.{asked}" for row in ("random_init", "raw") for asked in ("auroc", "retrieval")
}
"""What was not trained has no energy, and labels of whole pictures train nobody to say what is where."""
ASKED = {
    "arena.{}.linear": "linear", "arena.{}.knn": "kNN", "arena.{}.lowshot1": "1 % of labels",
    "arena.{}.attentive": "attentive",
    "energy.{}.auroc": "energy: AUROC", "energy.{}.retrieval": "energy: 1 of 16",
}  # fmt: skip
AUGMENTED = {
    "dino": "DINO as published", "dino_crops": "DINO, crops alone", "dino_plain": "DINO, no augmentation",
    "simclr": "SimCLR as published", "simclr_crops": "SimCLR, crops alone", "simclr_plain": "SimCLR, no augmentation",
    "ijepa": "I-JEPA: crops alone",
}  # fmt: skip
PROBED = {claim: words for claim, words in ASKED.items() if claim.startswith("arena")}
COUNTED = {
    "ijepa": "I-JEPA", "lejepa": "LeJEPA", "mae": "MAE", "ibot": "iBOT", "dino": "DINO",
    "dino_crops": "DINO, crops alone",
    "simclr": "SimCLR", "simclr_crops": "SimCLR, crops alone", "random_init": "random init", "raw": "raw pixels",
    "supervised": "supervised from scratch",
}  # fmt: skip
COUNTS = {
    "arena.{}.count": "how many", "arena.{}.distance": "how near", "arena.{}.segmentation": "what is where (mean IoU)",
}  # fmt: skip
SOONER = tuple(
    Row(f"efficiency.ijepa_over_{rival}.{kind}", f"I-JEPA over {name} until 75 % are told right: {words}")
    for rival, name in (("mae", "MAE"), ("ibot", "iBOT"))
    for kind, words in (("seconds", "CPU-seconds"), ("flop", "operations"), ("samples", "samples"))
)
JUDGES = {
    "vjepa": "V-JEPA, camera motion", "vjepa_token": "the same, answers normalized token by token",
    "videomae": "VideoMAE, the same", "vjepa2": "V-JEPA 2, scenes", "vjepa21": "V-JEPA 2.1, the same",
    "omnimae": "OmniMAE, camera motion", "lvjepa": "latent-variable JEPA, branching clips",
    "next_frames": "next frames in pixels, the same", "vq_video": "codes of patches, the same",
    "pixel_diffusion": "diffusion of pixels, the same", "pldm": "PLDM, two rooms",
}  # fmt: skip
JUDGED = {"energy.{}.auroc": "AUROC", "energy.{}.retrieval": "1 of 16"}
NUISANCE = {
    "vjepa": "V-JEPA", "videomae": "VideoMAE", "next_latents": "next latents, a JEPA",
    "next_frames": "next frames in pixels", "random_init": "random init",
    "random_next": "random init of next latents", "raw": "raw pixels",
}  # fmt: skip
NOISES = {
    **{f"nuisance.{{}}.{share}.content": f"heading, {share} % flicker" for share in (0, 50, 75)},
    **{f"nuisance.{{}}.{share}.noise": f"one tile, {share} %" for share in (50, 75)},
}
SUMMED_UP = {row: NUISANCE[row] for row in ("next_latents", "random_next")}
REMEMBERED = {f"nuisance.{{}}.{share}.noise_summed_up": f"one tile, {share} % flicker" for share in (50, 75)}
LEJEPA = (
    Row("lejepa.linear", "linear probe, in the arena above"),
    Row("lejepa.grid_runs", "trainings of the grid: rates, architectures, trade-offs"),
    Row("lejepa.collapsed_runs", "of these, collapsed, in their features or embeddings", most=0),
    Row("lejepa.control_collapsed", "a training without SIGReg, which has to collapse: collapsed", 1),
    Row("lejepa.loss_probe_spearman", "Spearman's correlation of less loss with a better linear probe, over the grid"),
    Row("lejepa.loss_probe_spearman.checkpoints", "the same over the checkpoints of a training, mean over trainings"),
)
WIDE = {"contrastive": "SimCLR", "vicreg": "VICReg", "sigreg": "SIGReg"}
WIDTHS = {
    **{f"scaling.dim.{{}}.{dim}": f"{dim}, linear" for dim in (16, 64, 256, 1024)},
    **{f"scaling.dim.{{}}.{dim}.rank": f"{dim}, rank" for dim in (16, 64, 256, 1024)},
}
FUTURES = (
    Row("lvjepa.modes.coverage", "futures that some z foretells"),
    Row("lvjepa.modes.precision", "z whose future may come"),
    Row("lvjepa.no_z.coverage", "futures that are foretold without z"),
    Row("lvjepa.z_bits", "what z tells, in bits"),
    Row("lvjepa.no_z.best_of.1", "from a future to what is foretold without z"),
    *(Row(f"lvjepa.best_of.{count}", f"to the nearest of {count} z") for count in (1, 2, 4, 8, 16)),
    Row("lvjepa.energy.came", "energy of the future that came"),
    Row("lvjepa.energy.another", "energy of the future of another past"),
    Row("lvjepa.auroc", "how often it is less for a future that may come than for that of another past"),
    Row("lvjepa.shortcut.auroc", "the same where z has no limit"),
    Row("lvjepa.shortcut.bits", "what z without a limit tells, in bits"),
    Row("lvjepa.shortcut.detected", "z without a limit is seen to be a shortcut"),
    Row("lvjepa.shortcut.false_alarm", "z with a limit is said to be one", most=0),
    Row("lvjepa.become.least_apart", "of four things that may come, the two most alike: how far apart"),
)
KINDS = {
    "become": "one of 8 codes, searched: things that become one of four", "categorical": "8 categories, inferred",
    "categorical_ema": "the same, an average of the network answers",
    "quantized": "8 codes, inferred", "gaussian": "8 numbers with noise", "sparse": "16 numbers, few of them not 0",
}  # fmt: skip
OF_KINDS = {
    "lvjepa.{}.coverage": "futures that some z foretells", "lvjepa.{}.precision": "z whose future may come",
    "lvjepa.{}.z_bits": "what z tells", "lvjepa.{}.neglect": "neglect of the past",
}  # fmt: skip
FORETELLERS = {
    "lvjepa": "latent-variable JEPA", "no_z": "JEPA without z", "next_frames": "next frames in pixels",
    "vq_video": "codes of patches, one by one", "pixel_diffusion": "diffusion of pixels",
}  # fmt: skip
FORETOLD = {
    "foretell.{}.place_error": "error of the place", "foretell.{}.coverage": "futures that are foretold",
    "foretell.{}.precision": "draws that may come", "foretell.{}.probe_error": "error of the probe itself",
}  # fmt: skip
ROOMS = (
    Row("two_rooms.cem.success", "planning with PLDM, CEM", 0.9),
    Row("two_rooms.mppi.success", "the same, MPPI"),
    Row("two_rooms.oracle_dynamics.success", "planning with the true simulator, CEM"),
    Row("two_rooms.bc.success", "goal-conditioned behavior cloning, goals up to 60 steps ahead in its data"),
    Row("two_rooms.random.success", "random actions", most=0.1),
    Row("two_rooms.replan.1.success", "CEM, planning again after each decision (4 steps)"),
    Row("two_rooms.replan.k.success", "after four decisions"),
    Row("two_rooms.replan.open_loop.success", "never"),
    Row("two_rooms.poor_data.cem.success", "CEM, from episodes that never passed the door"),
    Row("two_rooms.poor_data.bc.success", "cloning of these"),
    Row("two_rooms.poor_data.random.success", "random actions in the same episodes"),
    Row("two_rooms.changed_cost.keep_out.cem.success", "CEM, not to enter a zone on the way, without new training"),
    Row("two_rooms.changed_cost.keep_out.careless.success", "CEM that does not know of the zone"),
    Row("two_rooms.changed_cost.keep_out.oracle_dynamics.success", "the true simulator, not to enter the zone"),
    Row("two_rooms.changed_cost.keep_out.random.success", "random actions that do not enter the zone"),
    Row("two_rooms.changed_cost.sign_flipped.cem.success", "CEM, to get 32 pixels away from the picture's place"),
    Row("two_rooms.changed_cost.sign_flipped.oracle_dynamics.success", "the true simulator, the same"),
    Row("two_rooms.changed_cost.sign_flipped.random.success", "random actions, the same"),
)
_ARM_TASKS = {
    "reach": ("reach a place", 0.9), "grasp": ("grasp and lift, with sub-goals", 0.4),
    "reach_with_object": ("carry to a place", None), "pick_place_subgoals": ("pick and place, with sub-goals", 0.3),
    "pick_place_final": ("pick and place, the final picture alone", None),
}  # fmt: skip
_ARM_ACTORS = {
    "cem": "planning with PLDM to a picture",
    "bc": "cloning, to the same picture, goals up to 32 steps ahead in its data",
    "cem_felt_and_seen": "planning, told the picture and the pose of the hand in it (not in the paper)",
    "cem_felt": "planning, told that pose alone", "oracle_dynamics": "planning with the true simulator",
    "random": "random actions",
}  # fmt: skip
PUSHES = (
    Row("push.cem.success", "planning with PLDM, CEM"),
    Row("push.oracle_dynamics.success", "planning with the true simulator, CEM"),
    Row("push.bc.success", "goal-conditioned behavior cloning, goals up to 60 steps ahead in its data"),
    Row("push.random.success", "random actions"),
)
ARM = (
    *(
        Row(f"arm7.{task}.{who}.success", f"{words}: {actor}", mark if who == "cem" else None)
        for task, (words, mark) in _ARM_TASKS.items()
        for who, actor in _ARM_ACTORS.items()
    ),
    Row("arm7.energy_minimum.error", "from the action of least energy to the true one, along the table"),
    Row("arm7.energy_minimum.no_move", "from no movement to the true one"),
    *(
        Row(f"arm7.shift.{name}.success", f"reach and grasp what is seen, {words}")
        for name, words in {
            "none": "as in training", "camera": "another camera", "scene": "another table and floor",
            "object": "another thing", "embodiment": "another arm",
        }.items()
    ),
    *(
        Row(f"arm7.shift.{name}.drop", f"lost to {words}, on the same episodes")
        for name, words in {
            "camera": "another camera", "scene": "another table and floor", "object": "another thing",
            "embodiment": "another arm",
        }.items()
    ),
    Row("arm7.video.rank", "effective rank of V-JEPA 2 after its videos of the arm"),
)  # fmt: skip
ARM_LEARNERS = {
    "pretrained": "frozen V-JEPA 2, pretrained on video", "random": "frozen random V-JEPA 2",
    "scratch": "end to end, from scratch", "bc": "cloning, end to end, goals up to 32 steps ahead in its data",
}  # fmt: skip
ARM_COUNTS = {
    **{f"arm7.data_{count}.{{}}.success": f"reach, {count} trajectories" for count in (50, 200, 1_000, 6_000)},
    **{f"arm7.data_{count}.grasp.{{}}.success": f"grasp, {count}" for count in (50, 200, 1_000, 6_000)},
}
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
MOVED = {
    "vjepa": "V-JEPA",
    "videomae": "VideoMAE, the same encoder with pixel targets",
    "frames": "I-JEPA, frame by frame",
    "random_init": "random init",
    "raw": "raw pixels",
}
MOTION = (
    *(
        Row(f"{subject}.motion.{probe}", f"{name}, {probe} probe")
        for probe in ("attentive", "linear")
        for subject, name in MOVED.items()
    ),
    Row("efficiency.vjepa_over_videomae.seconds", "V-JEPA over VideoMAE to tell 80 % of the motions right: seconds"),
    Row("efficiency.vjepa_over_videomae.flop", "the same: operations"),
    Row("efficiency.vjepa_over_videomae.samples", "the same: samples"),
)
ROBOT = tuple(
    Row(f"{subject}.metaworld.{figure}", f"{name}, {words}")
    for subject, name in {
        "vjepa": "V-JEPA, answers normalized over the clip",
        "vjepa_token": "V-JEPA, answers as published",
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
    Row("vjepa.ablation.target.token", "answers normalized token by token, as published"),
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
    Row("anticipation.random_init", "a random encoder alone"),
    Row("anticipation.predictor_only", "its predictor alone"),
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
HEADLINE_SPEED = {
    f"speed.{name}" for name in
    ("ijepa_step.share_of_peak", "ijepa_step.share_of_onednn", "tiny_step.ratio", "encoder_vs_hf.ratio")
}  # fmt: skip
HEADLINE = (*(row for row in SPEED if row.claim in HEADLINE_SPEED), *RELIABILITY[1:])


def asked_of(rows: Mapping[str, str], columns: Mapping[str, str]) -> list[str]:
    """The claims of such a table: the "{}" of a column stands for the row."""
    return [claim for row in rows for column in columns if (claim := column.format(row)) not in NOT_ASKED]


def figure(value: float, unit: str) -> str:
    """A number as people read it."""
    if unit.startswith(("share", "accuracy")):
        return f"{100 * value:.1f} %"
    match unit:
        case "%":
            return f"{value:.1f} %"
        case "boolean" | "bool":
            return "yes" if value else "no"
        case "times" | "ratio":
            return f"{value:.3g} times"
        case "count" | "effective rank" | "":
            return f"{value:.4g}"
        case "frames a second":
            return f"{value:,.0f} frames a second"
        case "seconds":
            return f"{value:.0f} s"
        case "MB":
            return f"{value:.0f} MB"
    return f"{value:.3g} {unit}"
