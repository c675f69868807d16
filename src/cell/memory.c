#include "memory.h"

#define PERIOD_MS 1000
#define SHARE     10 /* of the time, that counting may take: one part in so many */

int memory_count(struct memory *m, uint64_t now, bool hint, struct err *err)
{
	if (!m->max || m->counter.pidfd >= 0)
		return 0;
	if (!m->next)
		m->next = now + PERIOD_MS;
	m->order.memory = true;
	m->order.urgent = hint;
	if (now + (hint ? PERIOD_MS : 0) < m->next)
		return 0;
	return counter_start(&m->counter, &m->order, now, err);
}

uint64_t memory_take(struct memory *m, uint64_t now)
{
	struct count_use use = {0};

	const bool whole = counter_take(&m->counter, &use) && !use.late;

	m->took = now > m->counter.begun ? now - m->counter.begun : 0;
	m->next = now + PERIOD_MS + SHARE * m->took;
	/* init has found too much, and nobody can say that it is less */
	if (!whole && m->order.urgent && use.memory <= m->max)
		return m->max + 1;
	return use.memory;
}

void memory_end(struct memory *m)
{
	counter_stop(&m->counter);
	*m = MEMORY_NONE;
}
