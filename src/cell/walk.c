/* walk: the rows of a set-up, one after another; the first that fails is the end. */
#include <unistd.h>

#include "inside.h"
#include "stepcell/fd.h"

_Noreturn void setup_walk(struct setup *s, const struct setup_row *table, size_t count)
{
	struct err err = {0};

	for (size_t i = 0; i < count; i++) {
		if (table[i].run(s, &err) == 0)
			continue;
		(void)err_wrap(&err, "%s", table[i].doing);
		(void)write_full(s->news, &err, sizeof(err));
		break;
	}
	_exit(125);
}
