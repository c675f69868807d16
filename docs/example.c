/* example: run a command on the host's programs in a cell, show what it prints, say how it ended. */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <stepcell/cell.h>

int main(int argc, char **argv)
{
	struct cell_result result;
	struct cell *cell = NULL;
	struct err err = {0};
	char text[4096];
	ssize_t n = 1;
	bool ended;
	int out[2];

	if (argc < 2 || pipe(out) < 0)
		return 2;
	const struct cell_spec spec = {
		.argv = (const char *const *)argv + 1,
		.stdout_fd = out[1],
		.stderr_fd = out[1],
		.limits = {.memory = 256 << 20, .pids = 64, .wall_ms = 10 * 1000},
	};
	if (cell_start(&spec, &cell, NULL, &err) < 0)
		return fprintf(stderr, "%s\n", err.text), 125;
	(void)close(out[1]); /* the cell has its own: end of file when its last process is dead */
	struct pollfd fds[] = {{cell_fd(cell), POLLIN, 0}, {out[0], POLLIN, 0}};
	while (n > 0 && poll(fds, 2, -1) > 0 && cell_poll(cell, &ended, &err) == 0)
		if (fds[1].revents && (n = read(out[0], text, sizeof(text))) > 0)
			(void)fwrite(text, 1, (size_t)n, stdout);
	if (cell_wait(cell, &result, &err) < 0)
		return fprintf(stderr, "%s\n", err.text), 125;
	printf("%s, exit code %d\n", cell_verdict_name(result.verdict), result.exit_code);
	cell_release(&cell);
	return 0;
}
