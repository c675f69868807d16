#include "runner/answer.h"

#include "stepcell/fd.h"

int answer_say(int fd, const struct answer *answer)
{
	return write_full(fd, answer, sizeof(*answer)) < 0 || answer->err.kind != ERR_NONE;
}

int answer_hear(int *fd, struct answer *out, struct err *err)
{
	int got = read_full(*fd, out, sizeof(*out));

	fd_close(fd);
	if (got < 0)
		return err_fail(err, ERR_SYSTEM, "the cell ended without an answer");
	out->err.text[sizeof(out->err.text) - 1] = '\0';
	out->summary.blob.hex[DIGEST_HEX] = '\0';
	if (out->err.kind == ERR_NONE)
		return 0;
	/* its words, not its judgement: what the error is to the run is ours to say */
	return err_fail(err, ERR_USAGE, "%s", out->err.text);
}
