/* matrix: a strategy's matrix to its combinations. */
#pragma once

#include "stepcell/diag.h"
#include "stepcell/node.h"

struct combination {
	const struct node *values; /* a map */
	const char *label; /* "3.10, ubuntu-latest": the values before extras were included */
};

/* `matrix` is evaluated: no ${{ }} is left. False with diags when it cannot be. */
bool matrix_build(struct arena *a, const struct node *matrix, struct place at, struct diags *diags,
		  struct combination **out, size_t *count);
