/* What a cell costs while it runs: processor time of the same work, and memory. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "cell/supervise.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

/* ---- the same work, on the host and inside ---- */

#define LOADS 21

static double cpu_ms(void)
{
	return (double)clock_us(CLOCK_PROCESS_CPUTIME_ID) / 1e3;
}

/*
 * As a suite of tests works: it computes, and between times asks the kernel
 * for small things. Says how much of a processor that took.
 */
static int work(void *arg, const int *fds, size_t fd_count)
{
	double begun = cpu_ms(), x = 1;
	struct stat st;

	(void)arg;
	for (int i = 0; i < 1500; i++) {
		for (int k = 0; k < 6000; k++)
			x = sqrt(x + k);
		(void)syscall(SYS_getppid);
		(void)stat("/usr/bin/true", &st);
		if (i % 10 == 0) {
			int fd = open("/usr/bin/true", O_RDONLY | O_CLOEXEC);
			char bytes[512];

			(void)!read(fd, bytes, sizeof(bytes));
			fd_close(&fd);
		}
	}
	begun = cpu_ms() - begun + (x < 0);
	return fd_count != 1 || write_full(fds[0], &begun, sizeof(begun)) < 0;
}

static double hear(int *ends)
{
	double ms = 0;

	fd_close(&ends[1]);
	if (read_full(ends[0], &ms, sizeof(ms)) < 0)
		exit(1);
	fd_close(&ends[0]);
	return ms;
}

static double work_on_host(void)
{
	int ends[2];
	pid_t pid;
	double ms;

	if (pipe(ends) < 0)
		exit(1);
	pid = fork();
	if (pid == 0)
		_exit(work(NULL, &ends[1], 1));
	ms = hear(ends);
	(void)waitpid(pid, NULL, 0);
	return ms;
}

static double work_inside(struct bench *b)
{
	struct cell_result result;
	struct cell *cell = NULL;
	struct cell_spec spec;
	int ends[2];
	double ms;

	if (pipe(ends) < 0)
		exit(1);
	world_uppers(b);
	world_spec(b, &spec);
	spec.argv = NULL;
	spec.fn = work;
	spec.fds = &ends[1];
	spec.fd_count = 1;
	MUST(cell_start(&spec, &cell, NULL, &b->err));
	ms = hear(ends);
	MUST(cell_wait(cell, &result, &b->err));
	cell_release(&cell);
	world_drop_uppers(b);
	return ms;
}

void load_report(struct bench *b)
{
	double host[LOADS], inside[LOADS], ratio[LOADS];

	for (size_t i = 0; i < LOADS; i++) {
		host[i] = work_on_host();
		inside[i] = work_inside(b);
		ratio[i] = inside[i] / host[i];
	}
	(void)printf("work bound by the processor, with 50,000 small system calls a second\n"
		     "  host %.1f ms, cell %.1f ms, cell / host %.3f (goal 1.02)\n",
		     median(host, LOADS), median(inside, LOADS), median(ratio, LOADS));
}

/* ---- memory ---- */

#define SLEEPERS 50

/* A process' share of what is in memory, in KiB. */
static unsigned long pss(pid_t pid)
{
	char path[48], line[256];
	unsigned long kib = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %lu", &kib) == 1)
			break;
	if (f)
		(void)fclose(f);
	return kib;
}

static struct cell *sleeper(struct bench *b, size_t number)
{
	static const char *const argv[] = {"/usr/bin/sleep", "600", NULL};
	struct cell *cell = NULL;
	struct cell_spec spec;
	static struct cell_overlay overlays[2];
	char uppers[2][128];

	world_spec(b, &spec);
	memcpy(overlays, spec.overlays, sizeof(overlays));
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(uppers[i], sizeof(uppers[i]), "%s/sleeper-%zu-%zu", b->dir, number,
			       i);
		MUST(cell_upper_make(b->owner, uppers[i], &b->err));
		overlays[i].upper = uppers[i];
	}
	spec.overlays = overlays;
	spec.argv = argv;
	MUST(cell_start(&spec, &cell, NULL, &b->err));
	return cell;
}

void memory_report(struct bench *b)
{
	struct cell *cells[SLEEPERS];
	unsigned long alone = pss(getpid()), supervisor, inits = 0;

	for (size_t i = 0; i < SLEEPERS; i++)
		cells[i] = sleeper(b, i);
	supervisor = pss(getpid());
	for (size_t i = 0; i < SLEEPERS; i++)
		inits += pss(cells[i]->pid);
	(void)printf("memory, with %d cells that sleep (Pss: what is shared is shared out)\n"
		     "  an init %.2f MiB; the supervisor %.2f MiB (alone %.2f); "
		     "both, per cell %.2f MiB (goal 2)\n",
		     SLEEPERS, (double)inits / SLEEPERS / 1024, (double)supervisor / 1024,
		     (double)alone / 1024, (double)(supervisor + inits) / SLEEPERS / 1024);
	for (size_t i = 0; i < SLEEPERS; i++)
		cell_release(&cells[i]);
}
