/*
 * Where the time of a start goes. The linker puts the functions below around
 * the cell's own (--wrap, in the Makefile): production carries no trace point.
 * Each notes the time, in memory that parent and child share.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "cell/birth.h"
#include "cell/cgroup.h"
#include "cell/inside.h"
#include "cell/overlay.h"
#include "cell/supervise.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

#define MAX_MARKS 128

static struct marks {
	unsigned count;
	struct {
		const char *what; /* which has ended now */
		double at;
	} list[MAX_MARKS];
} * marks; /* NULL: nobody asks */

static void note(const char *what)
{
	unsigned i = marks ? __atomic_fetch_add(&marks->count, 1, __ATOMIC_SEQ_CST) : MAX_MARKS;

	if (i >= MAX_MARKS)
		return;
	marks->list[i].what = what;
	marks->list[i].at = real_ms();
}

#define WRAP(type, name, parameters)                                                               \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters

WRAP(int, cgroup_open,
     (const char *state, const char *name, const struct cell_limits *limits, struct cgroup **out,
      struct err *err))
{
	int r = __real_cgroup_open(state, name, limits, out, err);

	note("making the cgroups");
	return r;
}

WRAP(int, overlay_mount,
     (struct cell_owner * owner, const struct cell_overlay *overlay, struct err *err))
{
	int r = __real_overlay_mount(owner, overlay, err);

	note("mounting overlays");
	return r;
}

WRAP(_Noreturn void, setup_walk, (struct setup * s, const struct setup_row *table, size_t count))
{
	struct err err = {0};

	note("clone3, with its namespaces");
	for (size_t i = 0; i < count && table[i].run(s, &err) == 0; i++)
		note(table[i].doing);
	_exit(125);
}

WRAP(int, supervise_begin, (struct cell * cell, struct err *err))
{
	note("execve");
	return __real_supervise_begin(cell, err);
}

/* Init's report; everything else that is written is shorter or longer. */
WRAP(int, write_full, (int fd, const void *buf, size_t len))
{
	if (len == sizeof(struct init_report))
		note("the command itself");
	return __real_write_full(fd, buf, len);
}

WRAP(void, cgroup_usage, (struct cgroup * cg, struct cell_usage *out))
{
	note("the end of init and its namespaces");
	__real_cgroup_usage(cg, out);
}

WRAP(void, cgroup_close, (struct cgroup * *cg))
{
	note("verdict and usage");
	__real_cgroup_close(cg);
	note("removing the cgroups");
}

/* ---- the table ---- */

#define MAX_ROUNDS 9000
#define SHORT_MS   0.03

static struct phase {
	const char *what;
	double times[MAX_ROUNDS];
} phases[MAX_MARKS];
static size_t phase_count;

static struct phase *phase_of(const char *what)
{
	for (size_t i = 0; i < phase_count; i++)
		if (strcmp(phases[i].what, what) == 0)
			return &phases[i];
	phases[phase_count].what = what;
	return &phases[phase_count++];
}

static void one_round(struct bench *b, size_t round)
{
	double last;

	world_uppers(b);
	marks->count = 0;
	last = real_ms();
	run_cell(b);
	note("the rest");
	for (unsigned i = 0; i < marks->count && i < MAX_MARKS; i++) {
		phase_of(marks->list[i].what)->times[round] += marks->list[i].at - last;
		last = marks->list[i].at;
	}
	world_drop_uppers(b);
}

void phases_report(struct bench *b, size_t rounds)
{
	double sum = 0, shorts = 0;

	marks = mmap(NULL, sizeof(*marks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (marks == MAP_FAILED)
		exit(1);
	for (size_t i = 0; i < rounds; i++)
		one_round(b, i);
	(void)munmap(marks, sizeof(*marks));
	marks = NULL;
	(void)printf("where the time of a cell goes: medians, in the order of the start\n");
	for (size_t i = 0; i < phase_count; i++) {
		double ms = median(phases[i].times, rounds);

		sum += ms;
		if (ms < SHORT_MS)
			shorts += ms;
		else
			(void)printf("  %-45s %6.3f ms\n", phases[i].what, ms);
	}
	(void)printf("  %-45s %6.3f ms\n  %-45s %6.3f ms\n", "what is shorter, together", shorts,
		     "all", sum);
}
