# Two commands do everything on a fresh machine: `make demo` and `make test`.
# A GPU user names another build of PyTorch: make demo TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cu130"
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV ?= .venv
OUT ?= runs/demo

BIN := $(VENV)/bin
# Small steps on a CPU are bound by fresh memory and by threads that spin: keep freed memory, and let waiting threads sleep.
export OMP_WAIT_POLICY ?= passive

.DEFAULT_GOAL := help
.PHONY: help demo demo-planning test check learning films bench results docs clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

$(VENV)/demo.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "jepakit needs Python 3.11 or newer, $(PYTHON) is %d.%d: make PYTHON=python3.11 ..." % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,onnx,docs,hub,video,worlds,arm,robots]'
	@touch $@

demo: $(VENV)/demo.stamp ## pretrain a small I-JEPA on real pictures without labels, probe it, write a report
	$(BIN)/jepakit train images:demo --out $(OUT)
	$(BIN)/jepakit probe $(OUT)
	$(BIN)/jepakit report $(OUT)

ROOMS ?= runs/rooms_demo
demo-planning: $(VENV)/dev.stamp ## a world model of two rooms learns from pixels and plans to goals: a film and a table
	$(BIN)/jepakit collect two_rooms --policy mixture --episodes 1500 --out $(ROOMS)/data
	$(BIN)/jepakit train worlds:two_rooms --data.root $(ROOMS)/data --steps 1200 --out $(ROOMS)/sight
	$(BIN)/jepakit train worlds:two_rooms_planner --model.source $(ROOMS)/sight --data.trajectories.root $(ROOMS)/data \
		--data.folder $(ROOMS)/latents --steps 4000 --out $(ROOMS)/model
	$(BIN)/jepakit train worlds:two_rooms_bc --data.root $(ROOMS)/data --steps 500 --out $(ROOMS)/cloned
	$(BIN)/jepakit plan $(ROOMS)/model $(ROOMS)/cloned --episodes 20 --video $(ROOMS)/goals.mp4

test: $(VENV)/dev.stamp ## the test suite
	$(BIN)/pytest

check: $(VENV)/dev.stamp ## formatting, lint, types, import floors and the test suite
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pytest

learning: $(VENV)/dev.stamp ## what is learnt, on real data: hours; resumable; writes results/learning/
	$(BIN)/python -m benchmarks.learning
	$(BIN)/python -m benchmarks.video
	$(BIN)/python -m benchmarks.dense
	$(BIN)/python -m benchmarks.anticipation
	$(BIN)/python -m benchmarks.latent
	$(BIN)/python -m benchmarks.foretelling
	$(BIN)/python -m benchmarks.arena
	$(BIN)/python -m benchmarks.lejepa
	$(BIN)/python -m benchmarks.nuisance
	$(BIN)/python -m benchmarks.two_rooms
	$(BIN)/python -m benchmarks.push
	$(BIN)/python -m benchmarks.arm7
	$(BIN)/python -m benchmarks.energies
	$(MAKE) films
	$(BIN)/python -m benchmarks.metaworld

# The simulator of Meta-World pins an old version of MuJoCo, so it has an environment of its own.
FILMS := $(VENV)-films
$(FILMS)/films.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(FILMS)
	$(FILMS)/bin/pip install --quiet --disable-pip-version-check $(TORCH)
	grep -v '^mujoco==' constraints.txt > $(FILMS)/constraints.txt
	$(FILMS)/bin/pip install --quiet --disable-pip-version-check -c $(FILMS)/constraints.txt -e '.[metaworld]'
	@touch $@

films: export MUJOCO_GL ?= osmesa
films: $(FILMS)/films.stamp ## the clips of Meta-World that `make learning` needs; without a screen, apt-get install libosmesa6
	$(FILMS)/bin/python -m benchmarks.metaworld_clips

bench: $(VENV)/dev.stamp ## speed, as ratios in one run; writes results/benchmarks/
	$(BIN)/python -m benchmarks

results: $(VENV)/dev.stamp ## results/summary.json and the tables of the docs, from the raw files
	$(BIN)/python -m benchmarks.summary
	$(BIN)/python -m benchmarks.tables

docs: $(VENV)/dev.stamp ## the site, into site/
	$(BIN)/mkdocs build --strict

clean: ## remove the environment and what was built; runs and results stay
	rm -rf $(VENV) $(FILMS) site dist build
