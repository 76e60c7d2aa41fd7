# Logboat. Each target does its own set-up; the second time is quick.
PYTHON ?= python3
BIN := .venv/bin
DOCS_BIN := .venv-docs/bin
BOARD ?= pi
BASE ?= raspios
OUT ?= build/image
PREFIX ?= /usr/local
# Tests mostly wait, for other processes and for one another; three to a processor keep it busy.
WORKERS ?= $(shell n=$$((3 * $$(nproc))); echo $$((n < 12 ? n : 12)))
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# Everything here starts many Python processes; where this is set, each compiles all of its sources again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test torture bench lint docs lock clean network-tools broker card-tools nmcli image image-lock \
  image-test image-torture image-tools guest-tools peers

help:            ## list these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

install: .venv/.ready    ## the `logboat` command on this computer: a link in /usr/local/bin, as root or by sudo
	@as=$(AS_ROOT); if mkdir -p "$(PREFIX)/bin" 2>/dev/null && [ -w "$(PREFIX)/bin" ]; then as=; fi; \
	  $$as mkdir -p "$(PREFIX)/bin" && $$as ln -sfn "$(abspath $(BIN))/logboat" "$(PREFIX)/bin/logboat" && \
	  echo "installed $(PREFIX)/bin/logboat, which runs $(abspath $(BIN))/logboat"

demo: .venv/.ready broker  ## a small fleet on this machine for a minute, with a proof that no data is missing
	@$(BIN)/logboat demo $(ARGS)

test: peers .venv/.ready network-tools card-tools broker nmcli  ## unit, property and fault tests (about 10 minutes on 2 cores)
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not torture and not image and not assistant" $(ARGS)

torture: .venv/.ready network-tools card-tools broker  ## the full counts of kills and faults
	@$(BIN)/python -m pytest -m "torture and not image" -s $(ARGS)

home-assistant-test: .venv/.ready broker  ## a real Home Assistant shows a vessel; installs it once (about 5 minutes)
	@$(BIN)/python -m pytest -n 0 -m assistant $(ARGS) tests/homeassistant

bench: .venv/.ready broker  ## measurements of rates, bytes and memory
	@$(BIN)/python -m tests.bench $(ARGS)

image: .venv/.ready image-tools   ## a card's image in build/image: BOARD=pi|virt BASE=raspios|debian, as root or by sudo
	@$(AS_ROOT) $(abspath $(BIN))/python -m provisioning.image --board $(BOARD) --base $(BASE) --output $(OUT) $(ARGS)

image-lock: ARGS := --write-lock
image-lock: image        ## the same, and lock the versions of packages that the archive has now

image-test: .venv/.ready image-tools guest-tools   ## boot the image in QEMU and try to break it (long)
	@$(AS_ROOT) $(abspath $(BIN))/python -m pytest -n 0 -m "image and not torture" -v $(ARGS) tests/image

image-torture: .venv/.ready image-tools guest-tools   ## the full counts of power cuts (long)
	@$(AS_ROOT) $(abspath $(BIN))/python -m pytest -n 0 -m "image and torture" -s $(ARGS) tests/image

lint: .venv/.ready       ## ruff, mypy --strict, and the rules about which folder may import which
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache && \
	  $(BIN)/python -m tests.prose

docs: .venv-docs/.ready  ## this documentation as a site, in build/site; fails on a dead link
	@NO_MKDOCS_2_WARNING=1 $(DOCS_BIN)/mkdocs --quiet build --strict && $(PYTHON) -m tests.docs.site build/site

lock: .venv/.ready       ## pin the newest allowed versions, with hashes, into the lock files
	@$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --group docs -o requirements-docs.lock

clean:           ## forget the virtual environment and caches
	rm -rf .venv .venv-docs .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

# The virtual environment: what requirements-dev.lock names, hashes checked, and this checkout in it.
.venv/.ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Logboat needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.13 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory debian-python3-venv
	@echo "setting up .venv (once) …"
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What makes the site has an environment of its own: what requirements-docs.lock names, hashes checked.
.venv-docs/.ready: requirements-docs.lock
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory debian-python3-venv
	@echo "setting up .venv-docs (once) …"
	@rm -rf .venv-docs && $(PYTHON) -m venv .venv-docs
	@$(DOCS_BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

# The real peers that tests talk to are built once for this machine, in the background: tests that need none run
# meanwhile, those that need one wait for it. It says what it builds, and nothing if all is there.
peers:
	@$(PYTHON) -m tests.interop.builds </dev/null &

# Tests build networks of their own, as root. Without these they are skipped, and fail where CI is set.
network-tools:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  command -v ip >/dev/null || $(MAKE) --no-print-directory debian-iproute2; \
	  command -v nft >/dev/null || $(MAKE) --no-print-directory debian-nftables; fi || true

# A real MQTT broker. What needs it says so, and goes on without, if there is none; its service is not wanted.
broker:
	@PATH="$$PATH:/usr/sbin"; command -v mosquitto >/dev/null || \
	  { $(MAKE) --no-print-directory debian-mosquitto && \
	    { systemctl disable --now mosquitto >/dev/null 2>&1 || true; }; } || true

# Tests make small cards: partitions and file systems in files. Without these they are skipped likewise.
card-tools:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then export PATH="$$PATH:/usr/sbin:/sbin"; \
	  command -v mcopy >/dev/null || $(MAKE) --no-print-directory debian-mtools; \
	  command -v mkfs.vfat >/dev/null || $(MAKE) --no-print-directory debian-dosfstools; \
	  command -v debugfs >/dev/null || $(MAKE) --no-print-directory debian-e2fsprogs; \
	  command -v sfdisk >/dev/null || $(MAKE) --no-print-directory debian-fdisk; fi || true

# NetworkManager's own tool reads the profiles that tests make. Unpacked only: installed, the package would take
# over this machine's networks.
NMCLI := build/nmcli
nmcli:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  ! command -v nmcli >/dev/null && ! [ -x $(NMCLI)/usr/bin/nmcli ]; then \
	  echo "unpacking Debian's nmcli …"; rm -rf $(NMCLI) && mkdir -p $(NMCLI).new/partial && \
	  apt-get -qq update && apt-get -qq -y --no-install-recommends --download-only \
	    -o Dir::Cache::archives=$(abspath $(NMCLI).new) install network-manager >/dev/null && \
	  for package in $(NMCLI).new/*.deb; do dpkg -x $$package $(NMCLI).new/root; done && \
	  mv $(NMCLI).new/root $(NMCLI) && rm -rf $(NMCLI).new; fi || true

# What an image is made with. Other architectures' programs run by emulation while their root is made.
image-tools:
	@command -v mmdebstrap >/dev/null || $(MAKE) --no-print-directory debian-mmdebstrap
	@command -v git >/dev/null || $(MAKE) --no-print-directory debian-git
	@command -v curl >/dev/null || $(MAKE) --no-print-directory debian-curl
	@[ "$(BOARD)" != pi ] || [ "$$(uname -m)" = aarch64 ] || command -v qemu-aarch64-static >/dev/null || \
	  $(MAKE) --no-print-directory debian-qemu-user-static

# What boots an image and looks into it.
guest-tools: network-tools
	@export PATH="$$PATH:/usr/sbin:/sbin"; \
	  command -v qemu-system-x86_64 >/dev/null || $(MAKE) --no-print-directory debian-qemu-system-x86; \
	  command -v qemu-system-aarch64 >/dev/null || $(MAKE) --no-print-directory debian-qemu-system-arm; \
	  command -v qemu-aarch64-static >/dev/null || $(MAKE) --no-print-directory debian-qemu-user-static; \
	  command -v nbdkit >/dev/null || $(MAKE) --no-print-directory debian-nbdkit; \
	  command -v mcopy >/dev/null || $(MAKE) --no-print-directory debian-mtools; \
	  command -v ssh >/dev/null || $(MAKE) --no-print-directory debian-openssh-client

# A Debian package that set-up needs: by apt as root, through sudo where there is one, else a clear word.
debian-%:
	@command -v apt-get >/dev/null || { echo "please install your system's equivalent of Debian's package '$*', then try again" >&2; exit 1; }
	@if [ "$$(id -u)" = 0 ]; then as=; elif command -v sudo >/dev/null; then as=sudo; \
	  else echo "please run as root: apt-get install $*" >&2; exit 1; fi; \
	  echo "installing Debian's $* …"; \
	  $$as apt-get -qq update && $$as env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $* >/dev/null
