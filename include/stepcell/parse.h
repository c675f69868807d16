/* parse: text to numbers, strictly: no sign, no space, nothing behind. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits only. Returns 0, or -1 when it is none or out of range. */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* Bytes: 4096, 64KiB, 512MiB, 2GiB, 1TiB (also k, M, G as powers of 1024). */
int parse_size(const char *text, uint64_t *out);

/* Milliseconds: 250ms, 2s, 30m, 6h, 7d; a bare number is seconds. */
int parse_duration(const char *text, uint64_t *ms);
