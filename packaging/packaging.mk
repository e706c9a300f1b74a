# The packaged binary; docs/packaging.md says what each of these proves. Included by the Makefile.
# OLD: a directory for a root with an older C library. RECORD: dist/*-sources.json of an earlier build, to build from
# the same sources again; empty: from what Debian has now. PROFILES: a folder of profiles to ship in the packages.

PACKAGING_WORK ?= build/packaging
OLD ?= build/old-python
RECORD ?=
PROFILES ?=
SHIPPED = $(if $(PROFILES),--profiles $(PROFILES))
PYTHON_FOR_PACKAGES ?= python3

.PHONY: package package-here package-test package-lock windows

package: ## Linux: folder, .tar.gz, .deb, .rpm, wheel, for glibc 2.30 up (needs root; the first time 20 minutes)
	@packaging/linux/old-python $(OLD) $(RECORD)
	@$(PYTHON_FOR_PACKAGES) packaging/packages.py --work $(PACKAGING_WORK) --root $(OLD) $(SHIPPED) \
		folder selftest extras bill archive packages wheel

package-here: ## the same with the Python at hand, for systems no older than this one
	@$(PYTHON_FOR_PACKAGES) packaging/packages.py --work $(PACKAGING_WORK) $(SHIPPED) \
		folder selftest extras bill archive packages wheel

package-test: $(VENV)/.for-work package ## make package; installs, tries and removes it in a Debian without Python; builds twice (needs root)
	@SEMSCHECK_ARCHIVE="$$(ls -t dist/semscheck-*-linux-*.tar.gz | head -n 1)" $(BIN)/python -m pytest tests/packaging
	@$(PYTHON_FOR_PACKAGES) packaging/linux/installed.py --root build/without-python dist
	@$(PYTHON_FOR_PACKAGES) packaging/packages.py --work $(PACKAGING_WORK) --root $(OLD) $(SHIPPED) verify

package-lock: ## locks what packages are built from again, with hashes
	@packaging/lock $(PACKAGING_WORK)

windows: ## Windows: folder, .zip and .msi, built and tried under Wine (needs root)
	@$(PYTHON_FOR_PACKAGES) packaging/windows/under_wine.py $(SHIPPED)
