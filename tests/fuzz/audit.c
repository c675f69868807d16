/* A refused call as the kernel describes it to the responder, and the table that init shares with stepcell. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cell/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHUNK (sizeof(struct seccomp_data) + 16)

/* The policy of steps; loaded once. */
static const struct seccomp_filter *policy(void)
{
	static struct seccomp_filter filter;
	struct err err;

	if (!filter.code &&
	    seccomp_filter_load("policies/seccomp/default.yml", NULL, &filter, &err) < 0)
		abort();
	return &filter;
}

static uint64_t sum_of(const struct audit_table *table)
{
	uint64_t sum = table->others;

	for (uint32_t i = 0; i < table->count; i++)
		sum += table->rows[i].count;
	return sum;
}

static void note(struct audit_table *table, const struct seccomp_filter *filter,
		 const uint8_t *chunk)
{
	struct seccomp_notif asked = {0};
	char program[17] = "";
	uint32_t answer;

	memcpy(&asked.data, chunk, sizeof(asked.data));
	memcpy(program, chunk + sizeof(asked.data), 16);
	answer = audit_note(table, filter, &asked, program);
	if (answer == 0 || answer > SECCOMP_RET_DATA)
		abort(); /* an answer that lets the call be taken for made */
}

static void check_read(const struct audit_table *table)
{
	static struct cell_audit out;

	audit_read(table, &out);
	if (out.count > CELL_REFUSALS)
		abort();
	for (size_t i = 0; i < out.count; i++) {
		const struct cell_refusal *r = &out.rows[i];

		if (!memchr(r->call, 0, sizeof(r->call)) ||
		    !memchr(r->arguments, 0, sizeof(r->arguments)) ||
		    !memchr(r->answer, 0, sizeof(r->answer)) ||
		    !memchr(r->program, 0, sizeof(r->program)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct audit_table table;
	uint64_t calls = 0;

	memset(&table, 0, sizeof(table));
	for (size_t at = 0; at + CHUNK <= size; at += CHUNK, calls++)
		note(&table, policy(), data + at);
	if (table.count > CELL_REFUSALS || sum_of(&table) != calls)
		abort();
	check_read(&table);

	/* a filter and a table of any bytes */
	if (size >= CHUNK + 8) {
		const size_t insns = (size - CHUNK) / sizeof(struct sock_filter);
		struct sock_filter *code = calloc(insns, sizeof(*code));

		memcpy(code, data + CHUNK, insns * sizeof(*code));
		memset(&table, 0, sizeof(table));
		note(&table, &(struct seccomp_filter){code, insns}, data);
		free(code);
	}
	memcpy(&table, data, size < sizeof(table) ? size : sizeof(table));
	check_read(&table);
	return 0;
}
