#include "stepcell/clock.h"

uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t now_ms(void)
{
	return now_us() / 1000;
}

uint64_t ms_left(uint64_t end_ms)
{
	const uint64_t now = now_ms();

	return now < end_ms ? end_ms - now : 0;
}
