/* registry_wait: when to try again. What a place asks for is heard, up to a point. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "image/registry_parts.h"

#define TRIES          5
#define FIRST_WAIT_MS  250
#define LONGEST_WAIT_S 120 /* whoever asks for more is asked by the next run */

/* From three quarters to five quarters: those who failed together should not come back together. */
static uint64_t jitter(uint64_t ms)
{
	uint16_t dice = 0;

	(void)!getrandom(&dice, sizeof(dice), 0);
	return ms * 3 / 4 + ms / 2 * dice / UINT16_MAX;
}

static void sleep_ms(uint64_t ms)
{
	const struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	(void)nanosleep(&time, NULL);
}

static void say(struct registry *r, const struct err *why, uint64_t ms)
{
	char text[600];

	(void)snprintf(text, sizeof(text), "%.500s; trying again in %.1f s", why->text,
		       (double)ms / 1000);
	r->news.note(r->news.arg, text);
}

int registry_wait(struct registry *r, struct patience *p, const struct ask *ask, struct err *err)
{
	uint64_t ms = FIRST_WAIT_MS;
	int64_t asked = -1;

	if (!ask->again || ++p->tries >= TRIES)
		return -1;
	for (unsigned i = 1; i < p->tries; i++)
		ms *= 2;
	ms = jitter(ms);
	if (ask->retry_after)
		asked = http_retry_after(r->api, ask->retry_after, (int64_t)time(NULL));
	if (asked > LONGEST_WAIT_S)
		return err_wrap(err, "it asks to be left alone for %" PRId64 " seconds", asked);
	if (asked >= 0 && (uint64_t)asked * 1000 > ms)
		ms = (uint64_t)asked * 1000;
	say(r, err, ms);
	sleep_ms(ms);
	return 0;
}
