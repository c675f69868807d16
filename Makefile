# stepcell: `make help` lists what there is.
VARIANT ?= release
BUILD := build/$(VARIANT)
PREFIX ?= /usr/local
DESTDIR ?=
PKGS := libseccomp libcap libarchive yaml-0.1 libcurl jansson sqlite3 libcrypto

CC_release := gcc
CC_san := gcc
CC_cov := gcc
CC_fuzz := clang
CC := $(CC_$(VARIANT))
FLAGS_release := -O2 -D_FORTIFY_SOURCE=2
FLAGS_san := -O1 -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
FLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
FLAGS_cov := -O0 --coverage

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wwrite-strings -Wformat=2 -Wundef -Wimplicit-fallthrough -Werror
CPPFLAGS := -D_GNU_SOURCE -Iinclude $(shell pkg-config --cflags $(PKGS))
CFLAGS := -std=gnu17 -g $(FLAGS_$(VARIANT)) $(WARN) -fPIC -fstack-protector-strong -fvisibility=hidden
LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack $(filter -fsanitize% --coverage,$(FLAGS_$(VARIANT)))
LDLIBS := $(shell pkg-config --libs $(PKGS))

SRC := $(wildcard src/*/*.c)
OBJ := $(SRC:src/%.c=$(BUILD)/%.o)
LIB_OBJ := $(filter-out $(BUILD)/cli/%,$(OBJ))
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

.PHONY: all help deps check e2e escape lint san fuzz bench cov demo install clean fmt unit
all: $(BUILD)/stepcell

$(BUILD)/stepcell: $(OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: src/%.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libstepcell-all.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

# A unit test may include its subject's private headers: "cell/cgroup.h".
$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libstepcell-all.a
	$(call say,TEST,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(BUILD)/libstepcell-all.a $(LDLIBS) -lcmocka

$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/libstepcell-all.a
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) -fsanitize=fuzzer -MMD -MP $(LDFLAGS) -o $@ $< $(BUILD)/libstepcell-all.a $(LDLIBS)

unit: $(UNIT)
	$(Q)for t in $(UNIT); do $$t || exit 1; done

clean:
	rm -rf build out

-include $(OBJ:.o=.d) $(UNIT:=.d) $(FUZZ:=.d)
