# make demo [STUDIES="DIR ..."]   the daemon at work, beside a PACS, on drawn or on your studies
# make quick                      lint and most unit tests, side by side on two cores (tests/quick)
# make test                       everything a change must pass (tests/check)
# make coverage                   the same, counting which lines and branches ran: takes longer
# make soak                       the long runs
# make clean                      remove the environment and what demo and tests left

PYTHON ?= python3
STUDIES ?=
BIN := .venv/bin
TORCH := $(shell sed -n 's/^ *"\(torch==[0-9.]*\)",$$/\1/p' pyproject.toml | head -n 1)

.PHONY: demo quick test coverage soak clean
.DELETE_ON_ERROR:

demo: .venv/run.done
	$(BIN)/python -m tests.demo $(STUDIES)

quick: .venv/all.done
	tests/quick

test: .venv/all.done
	tests/check

coverage: .venv/all.done
	tests/check --cov --cov-report=term:skip-covered

soak: .venv/all.done
	$(BIN)/pytest -m slow

.venv/base.done:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

# What the daemon needs; no torch.
.venv/run.done: .venv/base.done pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[cpu]'
	touch $@

# torch goes first and alone: its exact pin is a CPU build where there is no GPU, while a range
# beside other requirements may draw several gigabytes of CUDA.
.venv/all.done: .venv/run.done
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet --editable '.[cpu,training,export,dev]'
	touch $@

clean:
	rm -rf .venv demo-output .coverage .coverage.* *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
