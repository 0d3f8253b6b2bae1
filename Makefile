# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0

# The door. Meson and Ninja do the work; each target here does its own set-up.
BUILD ?= build
ASAN := $(BUILD)/asan
CLANG := $(BUILD)/clang
FUZZ := $(BUILD)/fuzz
RELEASE := $(BUILD)/release
PREFIX ?= /usr/local

setup = prefix=$$(tools/deps.sh --prefix); \
	env $${prefix:+PKG_CONFIG_PATH="$$prefix/lib/pkgconfig"} $(1) \
	meson setup --prefix=$(PREFIX) $${prefix:+-Dopenssl_private=true} $(2) >$(BUILD)/setup.log 2>&1 || \
	{ tail -n 30 $(BUILD)/setup.log; exit 4; }

.PHONY: all deps adapters check check-full demo city python web bench figures install clean tidy format fuzz

all: $(RELEASE)/build.ninja
	@ninja --quiet -C $(RELEASE)

deps:
	@tools/deps.sh

$(RELEASE)/build.ninja: | deps
	@mkdir -p $(BUILD)
	@$(call setup,,$(RELEASE))

$(ASAN)/build.ninja: | deps
	@mkdir -p $(BUILD)
	@$(call setup,,$(ASAN) --buildtype=debugoptimized -Db_sanitize=address$(comma)undefined -Dsanitized=true -Db_lundef=false)

$(CLANG)/build.ninja: | deps
	@mkdir -p $(BUILD)
	@$(call setup,CC=clang-14,$(CLANG))

$(FUZZ)/build.ninja: | deps
	@mkdir -p $(BUILD)
	@$(call setup,CC=clang-14,$(FUZZ) --buildtype=debugoptimized -Db_sanitize=address$(comma)undefined -Dsanitized=true -Dfuzzer=true -Db_lundef=false)

comma := ,

# It builds what it checks itself, so that a build that fails is counted.
check: deps
	@BUILD=$(BUILD) tools/check.sh

# The same with the SDKs of others, and what takes root, a mirror of the distribution and minutes: container images,
# their commands run inside.
check-full: deps adapters
	@BUILD=$(BUILD) KETSEAL_ADAPTERS=$$(tools/adapters.sh $(RELEASE)) tools/check.sh
	@tools/deps.sh --deploy
	@deploy/check.sh $(RELEASE)

tidy: all
	@tools/tidy.py
	@tools/tidy.py --headers $(RELEASE)

format: deps
	@command -v clang-format-14 >/dev/null || { echo 'make format needs clang-format-14' >&2; exit 4; }
	@git ls-files -z --cached --others --exclude-standard '*.c' '*.h' | xargs -0 clang-format-14 -i

# Qiskit and Cirq, for jobs that name them: minutes, once. Prints where they are.
adapters: all
	@tools/adapters.sh $(RELEASE)

# A wheel with the library inside, in $(BUILD)/python.
python: all
	@python/wheel.sh $(RELEASE) $(BUILD)/python

# The verifier as a page, one file: build/web/verify.html (docs/verify-page.md).
web: $(RELEASE)/build.ninja
	@toolchain=$$(tools/deps.sh --web) && web/build.py $(RELEASE) "$$toolchain" $(BUILD)/web
	@sha256sum $(BUILD)/web/verify.html

demo: all
	@examples/demo.sh $(RELEASE)

# A city's sensors learn together; an impostor, a replay, a poisoner, an altered machine are caught (docs/city.md).
# Flags of the script by C: make city C='--keep kept'.
city: all
	@examples/city.sh $(C) $(RELEASE)

bench: all
	@bench/run.sh $(RELEASE)

# The six figures of the paper, and that of a quantum link, from what is measured now; their data as CSV beside them.
figures: all
	@rm -f $(BUILD)/figures/traces.csv*
	@KETSEAL=$(RELEASE)/src/cli/ketseal scripts/run_trng_benchmark $(BUILD)/figures
	@KETSEAL=$(RELEASE)/src/cli/ketseal scripts/run_pqc_tls_benchmark $(BUILD)/figures
	@KETSEAL=$(RELEASE)/src/cli/ketseal scripts/run_dataset_building $(BUILD)/figures
	@KETSEAL=$(RELEASE)/src/cli/ketseal scripts/run_anomaly_IF $(BUILD)/figures
	@$(RELEASE)/src/cli/ketseal qkd simulate --distance=0:180:10 --seed=1 --out=$(BUILD)/figures

install: $(RELEASE)/build.ninja
	@meson configure $(RELEASE) -Dprefix=$(PREFIX)
	@meson install --quiet -C $(RELEASE)

# make fuzz T=json S=60: one fuzzer for S seconds. What it finds stays in build/fuzz.
S ?= 60
fuzz: $(FUZZ)/build.ninja
	@test -n "$(T)" || { echo 'usage: make fuzz T=<name> S=<seconds>; names: see tests/fuzz/meson.build' >&2; exit 2; }
	@ninja --quiet -C $(FUZZ) tests/fuzz/fuzz_$(T)
	@mkdir -p $(FUZZ)/corpus/$(T)
	@$(FUZZ)/tests/fuzz/fuzz_$(T) -max_total_time=$(S) -timeout=10 -print_final_stats=1 \
		-artifact_prefix=$(FUZZ)/$(T)- $(FUZZ)/corpus/$(T) tests/fuzz/corpus/$(T)

clean:
	rm -rf $(BUILD)
