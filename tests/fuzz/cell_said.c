/*
 * What a cell's own processes tell stepcell through pipes: the child of the
 * set-up, init, and the one that counts. All are ours, and each may have been
 * taken over by what it looks at.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cell/supervise.h"
#include "stepcell/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_news(const char *text, size_t len)
{
	struct err err = {0};

	if (news_judge(text, len, &err) == 0) {
		if (len != 1 || text[0] != NEWS_READY)
			abort();
		return;
	}
	if (err.kind <= ERR_NONE || err.kind >= ERR_KIND_COUNT ||
	    !memchr(err.text, 0, sizeof(err.text)))
		abort();
}

/* The read end of a pipe that holds the bytes, and has ended. */
static int pipe_of(const uint8_t *data, size_t size)
{
	struct err err;
	int ends[2];

	if (pipe_open(ends, &err) < 0 || write_full(ends[1], data, size) < 0)
		abort();
	(void)close(ends[1]);
	return ends[0];
}

static void check_cell(const struct cell *cell)
{
	if (cell->ended || cell->reaped)
		abort(); /* by the word of no pipe */
	if (cell->reported && cell->report.word != INIT_ENDED)
		abort();
	if (cell->killed && cell->why != CELL_OUT_OF_MEMORY && cell->why != CELL_DISK_LIMIT)
		abort();
}

/* A cell of pipes alone: what it could kill has no number. */
static void check_supervisor(const uint8_t *status, size_t status_size, const uint8_t *count,
			     size_t count_size, bool memory)
{
	struct cell cell = {.ns = COUNT_NO_NS,
			    .disk = DISK_NONE,
			    .memory = MEMORY_NONE,
			    .pidfd = -1,
			    .timer = -1,
			    .epoll = -1,
			    .limits = {.memory = 1 << 20}};
	struct counter *counter = memory ? &cell.memory.counter : &cell.disk.counter;
	struct err err = {0};
	bool ended;

	cell.memory.max = memory ? 1 << 20 : 0;
	cell.disk.order.max_bytes = 1 << 20;
	cell.status = pipe_of(status, status_size);
	if (supervise_begin(&cell, &err) < 0 || cell_poll(&cell, &ended, &err) < 0 ||
	    cell_poll(&cell, &ended, &err) < 0 || ended)
		abort();
	check_cell(&cell);
	counter->result = pipe_of(count, count_size);
	if (memory)
		(void)memory_take(&cell.memory, 1);
	else
		(void)disk_is_over(&cell.disk, 1);
	if (counter->result >= 0)
		abort();
	disk_end(&cell.disk);
	memory_end(&cell.memory);
	fd_close(&cell.status);
	fd_close(&cell.timer);
	fd_close(&cell.epoll);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t count = size < sizeof(struct count_use) ? size : sizeof(struct count_use);
	const size_t rest = size - count < 32768 ? size - count : 32768;

	check_news((const char *)data, size);
	check_supervisor(data + count, rest, data, count, size && data[0] & 1);
	return 0;
}
