# Each command sets up what it needs first.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-next test-oldest test-image flink test-flink peer test-peer lint format types wheel lock clean

bin := .venv/bin
ARGS ?=
# A file's tests stay together: what they share costs more than they do. In the order of
# tests/conftest.py, not by number.
pytest := $(bin)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14
	@echo
	@echo 'ARGS="..."        passed on to the demo or to pytest: make test ARGS="-k graph"'
	@echo 'STACK=1.16|1.21   the TFX of .venv; without it, the one that is there, or the newest that runs here'

setup: ## make .venv (the other commands do it by themselves)
	@scripts/setup.sh

demo: setup ## run the whole pipeline on handwritten digits
	@$(bin)/nsl-tfx demo $(ARGS)

test: setup ## run all tests
	@$(pytest) $(ARGS)

test-fast: setup ## run the tests that neither import TFX nor take long
	@$(pytest) -m "not tfx and not slow" $(ARGS)

test-next: ## run all tests on TFX 1.21, in a Debian 13 folder (as root)
	@scripts/next.sh test $(ARGS)

test-oldest: ## run all tests on the oldest releases that setup.py allows, in .uv/oldest
	@scripts/oldest.sh $(ARGS)

flink: ## put Flink and Beam's job server in .uv/flink, for the tests and benchmarks on a cluster
	@scripts/flink.sh

test-flink: ## run components on a Flink cluster of this machine
	@scripts/flink.sh test $(ARGS)

test-image: setup ## run the Dockerfile's steps, in Debian 12 folders (as root)
	@NSL_TFX_IMAGE=run $(bin)/pytest tests/kubeflow/test_dockerfile.py $(ARGS)

peer: ## install NSL, FAISS, pynndescent, Foolbox and ART in .uv, for the benchmarks to compare with
	@scripts/peer.sh

test-peer: peer ## hold the attacks to Foolbox and ART, in .uv/attacks-peer
	@.uv/attacks-peer/bin/python -m pytest tests/attacks/test_peers.py $(ARGS)

lint: setup ## check style
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; fi

format: setup ## correct style where that can be done automatically
	@$(bin)/ruff check --fix .
	@$(bin)/ruff format .

types: setup ## check types
	@$(bin)/mypy -p nsl_tfx

wheel: setup ## build dist/ and check it in a clean environment
	@rm -rf dist
	@scripts/build.sh dist
	@NSL_TFX_DIST=dist $(bin)/pytest tests/setup/test_wheel.py

lock: ## renew requirements/*.txt
	@scripts/lock.sh

clean: ## remove what these commands made here
	@rm -rf .venv .uv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
