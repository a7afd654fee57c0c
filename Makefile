# The two commands are `make demo` and `make test`; `make help` lists the rest.
# Each step leaves a stamp and is done again only when the files that it depends on have changed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
EXTRAS := ros,synth,train,bag,dev
# Further arguments: of the demo, of pytest, of pip.
ARGS ?=
PYTEST_ARGS ?=
PIP_ARGS ?=

# The wheels in .venv and an apt ROS must not meet in one process: nothing of a sourced ROS set-up, and
# of an active virtual environment, reaches the recipes. ros2_ws/env.sh sets what they need.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
unexport AMENT_CURRENT_PREFIX LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
IN_ROS := source ros2_ws/env.sh &&

workspace_files := $(shell find ros2_ws/src launch rviz -type f -not -name '*.pyc' -not -path '*.egg-info/*' 2>/dev/null)
checked_python := ivlm_core tests launch .ci ros2_ws/src

# A clone that was moved has a .venv whose scripts name the old place: it is made anew.
ifneq ($(shell cat $(STAMPS)/place 2>/dev/null),$(CURDIR)/$(VENV))
$(shell rm -f $(STAMPS)/venv)
endif

.PHONY: help demo test lint format env ws clean

help: ## list the targets
	@echo "make TARGET"
	@grep -E '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 12
	@echo 'variables: PYTHON=/path/to/python3.12 (3.11 to 3.13)   ARGS="--view" (of the demo)'
	@echo '           PYTEST_ARGS="tests/geometry -x"             PIP_ARGS="--index-url ..."'

demo: ws ## start node and replayed camera, print what they say; ARGS=--view keeps it running for RViz
	@echo "==> demo"
	@$(IN_ROS) $(BIN)/python -m ivlm_ros.demo $(ARGS)

test: lint ws ## check style and types, run all tests
	@echo "==> tests"
	@$(IN_ROS) .ci/run_tests.sh $(BIN)/python $(PYTEST_ARGS)

lint: env ## check style (ruff) and types (mypy)
	@echo "==> style and types"
	@$(BIN)/ruff check $(checked_python) || { echo "ruff found the above; 'make format' mends what can be mended by itself" >&2; exit 1; }
	@$(BIN)/ruff format --check --quiet $(checked_python) || { echo "not formatted: the files that '$(BIN)/ruff format --check' names; run 'make format'" >&2; exit 1; }
	@$(BIN)/mypy

format: env ## mend style where that can be done by itself
	@$(BIN)/ruff check --fix $(checked_python)
	@$(BIN)/ruff format $(checked_python)

env: $(STAMPS)/mended ## make .venv with the package, its ROS wheels and the development tools

ws: ros2_ws/install/.stamp ## build ros2_ws with colcon

clean: ## undo: remove .venv, the built workspace, and what the programs wrote
	rm -rf $(VENV) ros2_ws/build ros2_ws/install ros2_ws/log build *.egg-info demo_output
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# --- steps ---------------------------------------------------------------------------------------

$(STAMPS)/venv: .ci/make_venv.sh .ci/pick_python.sh .ci/system_packages.sh
	@echo "==> Python environment in $(VENV)"
	@.ci/make_venv.sh $(VENV)
	@touch $@

$(STAMPS)/env: $(STAMPS)/venv pyproject.toml constraints.txt
	@echo "==> the package, its ROS wheels and tools (some minutes the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt $(PIP_ARGS) -e '.[$(EXTRAS)]' || \
	  { echo "Installing failed (see above). What was loaded is kept: run make again once the network answers. Behind a proxy or mirror: PIP_ARGS='--index-url URL' or PIP_INDEX_URL." >&2; exit 1; }
	@touch $@

$(STAMPS)/mended: $(STAMPS)/env .ci/mend_cmake_exports.py
	@echo "==> mending the CMake exports of the ROS wheels"
	@$(BIN)/python .ci/mend_cmake_exports.py
	@touch $@

ros2_ws/install/.stamp: $(STAMPS)/mended .ci/build_workspace.sh ros2_ws/env.sh $(workspace_files)
	@echo "==> building ros2_ws"
	@.ci/build_workspace.sh || { echo "colcon build failed (see above; full log: ros2_ws/log/latest_build). If .venv was changed by hand: make clean, then again." >&2; exit 1; }
	@touch $@
