#!/usr/bin/env bats
# libstepcell: a program outside of the source tree, with nothing but what `make install` puts there.
# shellcheck disable=SC2154,SC2016,SC2046 # run sets status, output and stderr; pkg-config answers in words

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	local top variant
	top=$(cd "$(dirname "$STEPCELL")/../.." && pwd)
	variant=$(basename "$(dirname "$STEPCELL")")
	user_open
	export prefix=$user_home/prefix
	[ "$variant" = release ] || return 0
	make -s -C "$top" install PREFIX="$prefix" LIB_BUILD="$BATS_FILE_TMPDIR/lib"
	cp "$prefix/share/doc/stepcell/example.c" "$user_home/"
	chmod -R a+rX "$prefix"
}

teardown_file() { user_close; }

setup() {
	export STEPCELL_HOME=$BATS_TEST_TMPDIR/home PKG_CONFIG_PATH=$prefix/lib/pkgconfig
	unset STEPCELL_DATA
	[ -e "$prefix/lib/libstepcell.a" ] || cannot "the library is not built with this variant's instruments"
	cd "$user_home" || return 1
}

# compile NAME SOURCE [--static]: by what pkg-config says, as a user of the library would.
compile() {
	local how=(--cflags --libs)
	[ "${3-}" != --static ] || how+=(--static)
	gcc -Wall -Wextra -Werror ${3+-static} -o "$1" "$2" $(pkg-config "${how[@]}" stepcell)
	chmod a+rx "$1"
}

# callers COMMAND...: it is to be true for the caller, and for an ordinary user.
callers() {
	"$@" env LD_LIBRARY_PATH="$prefix/lib"
	[ "$(id -u)" != 0 ] || "$@" as_user env LD_LIBRARY_PATH="$prefix/lib"
}

# declared: the functions of the headers that were installed.
declared() {
	cat "$prefix"/include/stepcell/*.h | grep -oE '^[a-z].*\b(cell|err)_[a-z_]+\(' | grep -v '^typedef' |
		grep -oE '[a-z_]+\($' | tr -d '(' | sort -u
}

example_runs() {
	run --separate-stderr "$@" ./example sh -c 'id -u; ls /home; exit 7'
	exits 0
	[ "$output" = $'1001\nfailed, exit code 7' ]
	run --separate-stderr "$@" ./example sh -c 'echo x >/tmp/x || echo x >/usr/x'
	says "Read-only file system" failed
	run --separate-stderr "$@" ./example sh -c 'kill -KILL $$'
	says "signalled, exit code -1"
	run --separate-stderr "$@" ./example no-such-command
	exits 125
	says "cannot run 'no-such-command'"
}

@test "the example is under 40 lines" {
	[ "$(wc -l <example.c)" -lt 40 ]
}

@test "a program of the shared library runs a command and prints its verdict" {
	compile example example.c
	ldd example | grep -q libstepcell.so.0 || LD_LIBRARY_PATH=$prefix/lib ldd example | grep -q libstepcell.so.0
	callers example_runs
}

@test "and one of the static library, which needs no library when it runs" {
	compile example example.c --static
	run ldd example
	[ "$status" != 0 ]
	callers example_runs
}

@test "what a spec asks for beyond the defaults: a layer to write to, a filter by name, a terminal" {
	cat >more.c <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>
		#include <stepcell/cell.h>

		static int fail(const struct err *err)
		{
			fprintf(stderr, "%s\n", err->text);
			return 1;
		}

		int main(void)
		{
			static const char *const argv[] = {"sh", "-c", "tty; stty size; echo x >/tmp/x && cat /tmp/x", NULL};
			char upper[] = "upper-XXXXXX", path[4096], data[4200], text[256];
			struct cell_overlay root = {.at = "/"};
			struct cell_spec spec = {.argv = argv, .seccomp = "default", .overlays = &root, .overlay_count = 1, .pty = true};
			struct cell_result result;
			struct cell *cell = NULL;
			struct err err = {0};
			ssize_t n;

			if (!mkdtemp(upper) || !realpath(upper, path))
				return 1;
			snprintf(data, sizeof(data), "%s/upper", path);
			if (cell_owner_open(NULL, &spec.owner, &err) < 0 || cell_upper_make(spec.owner, data, &err) < 0)
				return fail(&err);
			root.upper = data;
			if (cell_start(&spec, &cell, NULL, &err) < 0 || cell_wait(cell, &result, &err) < 0)
				return fail(&err);
			while ((n = read(cell_pty(cell), text, sizeof(text))) > 0)
				fwrite(text, 1, (size_t)n, stdout);
			puts(cell_verdict_name(result.verdict));
			cell_release(&cell);
			cell_owner_close(&spec.owner);
			snprintf(data, sizeof(data), "%s/upper/data/tmp/x", path);
			return access(data, F_OK);
		}
	END
	compile more more.c
	more_runs() {
		run --separate-stderr "$@" ./more
		exits 0
		says /dev/pts/0 $'x\r\npassed'
	}
	callers more_runs
}

@test "a worker finds its filter in the installation" {
	cat >worker.c <<-'END'
		#include <stdio.h>
		#include <unistd.h>
		#include <stepcell/cell.h>

		static int look(void *arg, const int *fds, size_t count)
		{
			(void)arg;
			return count != 1 || write(fds[0], "sealed\n", 7) != 7 || access("/etc", F_OK) == 0;
		}

		int main(void)
		{
			const int out[] = {1};
			struct err err = {0};
			const struct cell_work work = {.name = "look", .fn = look, .fds = out, .fd_count = 1};

			if (cell_worker(&work, &err) == 0)
				return 0;
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
	END
	compile worker worker.c
	worker_runs() {
		run --separate-stderr "$@" ./worker
		exits 0
		says sealed
	}
	callers worker_runs
}

@test "both libraries show the functions of cell.h and err.h, and no other name" {
	declared >names
	grep -qx cell_start names && grep -qx err_fail names
	nm -D --defined-only "$prefix/lib/libstepcell.so.0" | awk '{ print $3 }' | sort -u >exported
	diff names exported
	nm -g --defined-only "$prefix/lib/libstepcell.a" | awk 'NF == 3 { print $3 }' | sort -u >exported
	diff names exported
}

@test "the shared library needs what a cell needs, and nothing of the rest" {
	readelf -d "$prefix/lib/libstepcell.so.0" | sed -n 's/.*NEEDED.*\[\(.*\)\.so.*/\1/p' | sort >needed
	[ "$(tr '\n' ' ' <needed)" = "libc libcap libcrypto libseccomp libyaml-0 " ]
}

@test "pkg-config names the prefix, and what a static program needs beside it" {
	[ "$(pkg-config --variable=prefix stepcell)" = "$prefix" ]
	[ "$(pkg-config --libs stepcell)" = "-L$prefix/lib -lstepcell " ] || [ "$(pkg-config --libs stepcell)" = "-L$prefix/lib -lstepcell" ]
	[[ "$(pkg-config --libs --static stepcell)" == *-lseccomp*-lcap*-lyaml*-lcrypto* ]]
}

@test "the manual names every function" {
	local name
	for name in $(declared); do
		grep -qE "^\\.It Fn $name( |\$)" "$prefix/share/man/man3/libstepcell.3" || { echo "no word about $name"; return 1; }
	done
}
