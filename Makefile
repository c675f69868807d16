# stepcell: `make help` lists what there is.
VARIANT ?= release
BUILD := build/$(VARIANT)
PREFIX ?= /usr/local
DESTDIR ?=
T ?= *#		make unit T='base_*' runs those alone
TIME ?= 60#	seconds for each fuzz driver

# What Debian must provide: BASE to build, run and check; TOOLS for the other gates.
BASE := gcc libc6-dev make pkg-config git ca-certificates xz-utils zstd procps iproute2 uidmap \
	libseccomp-dev libcap-dev libarchive-dev libyaml-dev libcurl4-openssl-dev libjansson-dev \
	libsqlite3-dev libssl-dev libpcre2-dev libzstd-dev zlib1g-dev libcmocka-dev bats mmdebstrap \
	patchelf python3 nodejs busybox-static
TOOLS := clang clang-format clang-tidy cppcheck shellcheck universal-ctags valgrind lcov \
	bubblewrap strace mandoc libcap2-bin crun runc firejail e2fsprogs libarchive-tools
# SERVERS: what the end-to-end tests talk with, and those that put something there.
SERVERS := docker-registry skopeo umoci apache2-utils openssl
# VM: what `make vm` alone needs.
VM := qemu-system-x86 cpio busybox-static
PKGS := libseccomp libcap libarchive yaml-0.1 libcurl jansson sqlite3 libcrypto libpcre2-8

CC_release := gcc
CC_san := gcc
CC_cov := gcc
CC_fuzz := clang
CC := $(CC_$(VARIANT))
FLAGS_release := -O2 -D_FORTIFY_SOURCE=2
# What gcc says about truncation depends on its optimiser: it is heard at -O2 alone.
FLAGS_san := -O1 -Wno-format-truncation -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
FLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -Wno-error
FLAGS_cov := -O0 --coverage -Wno-format-truncation

# Asked once, and only when something is compiled: `make deps` must work before pkg-config is there.
pkg = $(or $(PKG_$(1)),$(eval PKG_$(1) := $(shell pkg-config --$(1) $(PKGS)))$(PKG_$(1)))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wwrite-strings -Wformat=2 -Wundef -Wimplicit-fallthrough -Werror
CPPFLAGS = -D_GNU_SOURCE -Iinclude $(call pkg,cflags)
CFLAGS := -std=gnu17 -g $(WARN) $(FLAGS_$(VARIANT)) -fPIC -fstack-protector-strong -fvisibility=hidden
LDFLAGS := -pie -Wl,--as-needed -Wl,-z,relro,-z,now,-z,noexecstack $(filter -fsanitize% --coverage,$(FLAGS_$(VARIANT)))

# What these two bring along (libxml2, ICU and libstdc++ for formats that nobody asks for) took the
# loader two thirds of a start. Linked in is what is used of them; the formats that libarchive can
# only look up by name are left out.
LINKED_IN := archive crypto pcre2-8
NO_FORMATS := 7zip cpio cpio_bin cpio_newc cpio_odc cpio_pwb iso9660 mtree mtree_classic shar \
	shar_dump warc xar zip v7tar ar_bsd ar_svr4
LDLIBS = $(NO_FORMATS:%=-Wl,--defsym=archive_write_set_format_%=0) \
	$(filter-out $(LINKED_IN:%=-l%),$(call pkg,libs)) $(LINKED_IN:%=-l:lib%.a) -lzstd -lz -lm

# The library is the cell and what it needs of base; while its number is 0, its structs may change.
LIB_BUILD := $(BUILD)/lib
LIB := $(LIB_BUILD)/libstepcell
LIB_SONAME := libstepcell.so.0
LIB_VERSION := 0.1.0
LIB_PKGS := libseccomp libcap yaml-0.1 libcrypto

SRC := $(wildcard src/*/*.c)
OBJ := $(SRC:src/%.c=$(BUILD)/%.o)
LIB_OBJ := $(filter-out $(BUILD)/cli/%,$(OBJ))
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/$(T).c))
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/$(T).c))
CASES := $(wildcard tests/cases/$(T).bats)
E2E := $(wildcard tests/e2e/$(T).bats)
# What takes longest begins first: else all the others have ended, and one processor waits for it.
first = $(filter $(1),$(2)) $(filter-out $(1),$(2))
E2E_LONG := $(call first,%/demo.bats %/image.bats %/pipeline.bats,$(wildcard tests/e2e/long/$(T).bats))
ESCAPE := $(call first,%/terminals.sh %/exhaust.sh %/services.sh,$(wildcard tests/escape/*.sh))

STEPCELL := $(abspath $(BUILD)/stepcell)
# Half of what end-to-end tests and attacks take they wait for signals, registries and clocks: one more
# runs beside those that have a processor.
JOBS_THAT_WAIT := $${TAP_JOBS:-$$(($$(nproc) + 1))}
TAP := STEPCELL=$(STEPCELL) tests/tools/tap $(BUILD)/tap
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=$(shell nproc)
endif
Q := $(if $(V),,@)
SUB := --no-print-directory $(if $(V),,-s)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

.PHONY: all help deps check unit cases e2e escape vm faults soak lint tidy san fuzz bench cov demo install clean fmt
.SECONDARY:
all: $(BUILD)/stepcell ## build stepcell (VARIANT=release|san|cov|fuzz)

$(BUILD)/stepcell: $(OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: src/%.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libstepcell-all.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

# One object: members of base come in as the cell asks for them, and what no public header shows
# (-fvisibility=hidden) is local to it, so that nothing of ours can meet a user's own names.
LIB_BASE := $(filter-out $(BUILD)/base/home.o,$(filter $(BUILD)/base/%,$(OBJ))) $(LIB_BUILD)/home.o
$(LIB).o: $(filter $(BUILD)/cell/%,$(OBJ)) $(LIB_BASE)
	$(Q)rm -f $(@D)/base.a && ar rcs $(@D)/base.a $(LIB_BASE)
	$(Q)$(CC) -r -nostdlib -o $@ $(filter $(BUILD)/cell/%,$^) $(@D)/base.a
	$(Q)objcopy --localize-hidden $@

$(LIB).a: $(LIB).o
	$(Q)rm -f $@ && ar rcs $@ $^

$(LIB_BUILD)/$(LIB_SONAME): $(LIB).o
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(@F),--no-undefined $(filter-out -pie,$(LDFLAGS)) -o $@ $^ \
		$(shell pkg-config --libs $(LIB_PKGS))

# Where the library finds its filters is a matter of PREFIX: the one object that is compiled for it.
$(LIB_BUILD)/home.o: src/base/home.c $(LIB_BUILD)/prefix
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) -DDATA_HOME='"$(PREFIX)/share/stepcell"' -MMD -MP -c -o $@ $<
$(LIB_BUILD)/prefix: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(PREFIX)' | cmp -s - $@ || echo '$(PREFIX)' >$@
FORCE:

# A unit test may include its subject's private headers: "cell/cgroup.h".
$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libstepcell-all.a
	$(call say,TEST,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(BUILD)/libstepcell-all.a $(LDLIBS) -lcmocka

$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/libstepcell-all.a
	$(call say,FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) -fsanitize=fuzzer -MMD -MP $(LDFLAGS) -o $@ $< $(BUILD)/libstepcell-all.a $(LDLIBS)

deps: build/deps-BASE build/deps-SERVERS build/deps-TOOLS ## install what is missing from Debian (apt)
build/deps-SERVERS: build/deps-BASE # apt is one at a time
build/deps-TOOLS build/deps-VM: build/deps-SERVERS
build/deps-%: Makefile
	$(Q)tests/tools/deps $($*)
	$(Q)mkdir -p $(@D) && touch $@

# The gates that bootstrap a bare machine start make again, so that nothing is compiled before.
check: build/deps-SERVERS ## unit tests, cases, short end-to-end tests
	$(Q)$(MAKE) $(SUB) all $(UNIT)
	$(Q)TAP_JOBS=$(JOBS_THAT_WAIT) $(TAP)/check $(UNIT) $(CASES) $(E2E)

unit: $(UNIT) ## the unit tests alone (T='base_*' for some)
	$(Q)$(TAP)/unit $(UNIT)

cases: all
	$(Q)$(TAP)/cases $(CASES)

e2e: build/deps-SERVERS ## the longer end-to-end tests: real toolchain images, real pipelines
	$(Q)$(MAKE) $(SUB) all && rm -rf $(BUILD)/toolchains
	$(Q)TAP_TIMEOUT=1200 $(TAP)/e2e $(E2E_LONG)

escape: build/deps-TOOLS ## attack every wall from inside
	$(Q)$(MAKE) $(SUB) all
	$(Q)TAP_TIMEOUT=900 TAP_JOBS=$(JOBS_THAT_WAIT) $(TAP)/escape $(ESCAPE); status=$$?; \
	tests/escape/rows $(BUILD)/tap/escape/*.tap && exit $$status

vm: build/deps-TOOLS build/deps-VM ## cells and attacks on Linux 6.1 with cgroup v2 alone, in a virtual machine
	$(Q)$(MAKE) $(SUB) all $(filter $(BUILD)/unit/cell_%,$(UNIT))
	$(Q)tests/vm/run $(BUILD)/tap/vm

faults: build/deps-TOOLS ## fail every call of a cell's set-up and of a run's, and crash the store at each (ERRORS=, EVERY=10, SUBJECTS=)
	$(Q)$(MAKE) $(SUB) all
	$(Q)TAP_SHOW=1 TAP_JOBS=1 TAP_TIMEOUT=7200 $(TAP)/faults tests/faults/run.sh tests/faults/store.sh

SOAK := $(BUILD)/soak/soak
$(SOAK): tests/faults/soak.c tests/unit/cell_fixture.h $(BUILD)/libstepcell-all.a
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libstepcell-all.a $(LDLIBS) -lcmocka
soak: build/deps-TOOLS ## 10,000 cells in a row, 200 at once: nothing is left (CELLS=, CELLS_AT_ONCE=)
	$(Q)$(MAKE) $(SUB) all $(SOAK)
	$(Q)TAP_SHOW=1 TAP_TIMEOUT=3000 $(TAP)/soak tests/faults/soak.sh

lint: build/deps-TOOLS ## formatting, static analysis, layers, sizes, words
	$(Q)TAP_SHOW=1 TAP_TIMEOUT=600 $(TAP)/lint tests/tools/lint

# One stamp a file; the object stands for the headers. The analyser's patience is bounded: on these
# sources it finds the same with a tenth of its default, in a tenth of the time.
PATIENCE := -Xclang -analyzer-config -Xclang max-nodes=20000
tidy: $(SRC:src/%.c=build/release/tidy/%)
build/release/tidy/%: src/%.c .clang-tidy build/release/%.o
	$(Q)mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(CPPFLAGS) -Isrc -std=gnu17 $(PATIENCE) 2>/dev/null
	$(Q)touch $@

# Valgrind sees reads of bytes nobody wrote, which the sanitizers do not; it knows neither clone3
# nor openat2, so it runs what is pure.
PURE := $(filter $(addprefix $(BUILD)/unit/,base_% workflow_% policy_%),$(filter-out %_files,$(UNIT)))
san: build/deps-TOOLS ## the tests under ASan, UBSan and valgrind
	$(Q)$(MAKE) $(SUB) VARIANT=san san-run
	$(Q)$(MAKE) $(SUB) VARIANT=release valgrind-run
san-run: all $(UNIT)
	$(Q)TAP_TIMEOUT=600 $(TAP)/san $(UNIT) $(CASES)
valgrind-run: $(PURE)
	$(Q)TAP_TIMEOUT=600 TAP_WRAP=tests/tools/valgrind $(TAP)/valgrind $(PURE)

fuzz: build/deps-TOOLS ## fuzz every parser of outside bytes, TIME=60 seconds each
	$(Q)$(MAKE) $(SUB) VARIANT=fuzz fuzz-run
fuzz-run: $(FUZZ)
	$(Q)TAP_TIMEOUT=$$(($(TIME) + 120)) TAP_WRAP='tests/tools/fuzz $(TIME)' $(TAP)/fuzz $(FUZZ)

# The phases of a start are told by functions that the linker puts around the cell's own.
WRAPPED := cgroup_open overlay_mount setup_walk supervise_begin write_full cgroup_usage cgroup_close
$(BUILD)/bench/start: $(filter-out %/language.c %/keep.c,$(wildcard tests/bench/*.[ch])) $(BUILD)/libstepcell-all.a
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) $(LDFLAGS) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $(filter %.c %.a,$^) $(LDLIBS)

$(BUILD)/bench/language $(BUILD)/bench/keep: $(BUILD)/bench/%: tests/bench/%.c $(BUILD)/libstepcell-all.a
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

bench: build/deps-TOOLS ## measure against other sandboxes and bare system calls
	$(Q)$(MAKE) $(SUB) all $(BUILD)/bench/start $(BUILD)/bench/language $(BUILD)/bench/keep
	$(Q)STEPCELL=$(STEPCELL) tests/bench/language.sh $(BUILD)/bench/language
	$(Q)STEPCELL=$(STEPCELL) tests/bench/run.sh $(BUILD)/bench/start

cov: build/deps-TOOLS ## which lines the tests reach
	$(Q)$(MAKE) $(SUB) VARIANT=cov cov-run
# Inside a cell gcov finds no place to write and says so, which some tests take for the command's words.
cov-run: all $(UNIT)
	$(Q)find $(BUILD) -name '*.gcda' -delete
	-$(Q)$(TAP)/cov $(UNIT) $(CASES) $(E2E)
	$(Q)tests/tools/cov $(BUILD)

demo: build/deps-BASE ## from nothing to a pipeline run: tests/projects/abi into out/
	$(Q)$(MAKE) $(SUB) all
	$(Q)STEPCELL=$(STEPCELL) tests/tools/demo

INTO := $(DESTDIR)$(PREFIX)
install: all $(LIB).a $(LIB_BUILD)/$(LIB_SONAME) ## into PREFIX (and below DESTDIR)
	install -d $(INTO)/share/stepcell $(INTO)/share/doc/stepcell $(INTO)/include/stepcell
	install -D $(BUILD)/stepcell $(INTO)/bin/stepcell
	cp -R policies rootfs $(INTO)/share/stepcell
	install -m 644 README.md $(wildcard docs/*.md) docs/example.c $(INTO)/share/doc/stepcell
	install -D -m 644 docs/stepcell.1 $(INTO)/share/man/man1/stepcell.1
	install -D -m 644 docs/libstepcell.3 $(INTO)/share/man/man3/libstepcell.3
	install -m 644 include/stepcell/cell.h include/stepcell/err.h $(INTO)/include/stepcell
	install -D -m 644 -t $(INTO)/lib $(LIB).a $(LIB_BUILD)/$(LIB_SONAME)
	ln -sf $(LIB_SONAME) $(INTO)/lib/libstepcell.so
	install -d $(INTO)/lib/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(LIB_VERSION)|; s|@REQUIRES@|$(LIB_PKGS)|' \
		src/cell/stepcell.pc.in >$(INTO)/lib/pkgconfig/stepcell.pc

fmt: ## format every C file
	$(Q)git ls-files '*.[ch]' | xargs clang-format -i

clean: ## remove what was built
	rm -rf build out

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' Makefile

-include $(OBJ:.o=.d) $(LIB_BUILD)/home.d $(UNIT:=.d) $(FUZZ:=.d)
