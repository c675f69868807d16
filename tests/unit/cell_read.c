/* Files of a running cell: read as its step would, and no file but its. */
#include "cell_fixture.h"
#include "unprivileged.h"

#include <sys/wait.h>

/* Each row is a path, and what reading it gives. */
static const struct {
	const char *path, *text, *error;
} rows[] = {
	{"/home/runner/f", "content\n", NULL},
	{"/tmp/../home/runner/./f", "content\n", NULL},
	{"/home/runner/link", "content\n", NULL},
	{"/home/runner/empty", "", NULL},
	{"/home/runner/out", NULL, "cannot open '/home/runner/out': No such file or directory"},
	{"/../../../../../../home/runner/f", "content\n", NULL},
	{"/home/runner/closed", NULL, "cannot open '/home/runner/closed': Permission denied"},
	{"/home/runner/pipe", NULL, "'/home/runner/pipe' is no regular file"},
	{"/home/runner", NULL, "'/home/runner' is no regular file"},
	{"/dev/zero", NULL, "'/dev/zero' is no regular file"},
	{"/home/runner/large", NULL, "'/home/runner/large' is larger than 4096 bytes"},
	{"/proc/1/comm", "", NULL}, /* what has no length has no text */
	{"/home/runner/magic", NULL, NULL},
	{"", NULL, NULL},
};

/* `secret` is a file of the host; a link of the step's leads to it. */
static const char script[] =
	"cd /home/runner; echo content >f; ln -s /home/runner/f link; : >empty; "
	"ln -s /etc/stepcell-test-secret out; echo no >closed; chmod 0 closed; mkfifo pipe; "
	"head -c 5000 /dev/zero >large; ln -s /proc/1/root/etc/passwd magic; echo ready; "
	"cat pipe >/dev/null";

static void check_row(const struct cell *cell, size_t i)
{
	char buf[4096 + 1];
	struct err err = {0};
	size_t len = 0;
	int r = cell_read(cell, rows[i].path, buf, sizeof(buf) - 1, &len, &err);

	if (!rows[i].text) {
		assert_int_equal(r, -1);
		if (rows[i].error)
			assert_string_equal(err.text, rows[i].error);
		return;
	}
	if (r < 0)
		fail_msg("%s: %s", rows[i].path, err.text);
	buf[len] = '\0';
	assert_string_equal(buf, rows[i].text);
}

static void check_all(void)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	struct cell_result result;
	struct cell *cell = NULL;
	struct err err = {0};
	struct world w;
	size_t len;
	int ends[2];
	char word[6];

	world_make(&w);
	MUST(pipe_open(ends, &err));
	w.spec.argv = argv;
	w.spec.stdout_fd = ends[1];
	MUST(cell_start(&w.spec, &cell, NULL, &err));
	(void)close(ends[1]);
	assert_int_equal(read_full(ends[0], word, sizeof(word)), 0);
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(cell, i);
	cell_kill(cell, CELL_CANCELLED);
	check_row(cell, 0); /* its last words may name a file */
	MUST(cell_wait(cell, &result, &err));
	assert_int_equal(cell_read(cell, "/home/runner/f", word, sizeof(word), &len, &err), -1);
	cell_release(&cell);
	(void)close(ends[0]);
	world_drop(&w);
}

static void test_read(void **state)
{
	(void)state;
	check_all();
}

static void test_read_as_user(void **state)
{
	(void)state;
	as_user(check_all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_as_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
