/* clock: times that are compared with each other; unless a clock is named, nobody can set it. */
#pragma once

#include <stdint.h>
#include <time.h>

uint64_t clock_us(clockid_t clock);

uint64_t now_us(void);
uint64_t now_ms(void);

/* Until `end_ms`; 0 when that is over. */
uint64_t ms_left(uint64_t end_ms);
