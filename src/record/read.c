/* read: journals back to events. A journal may be torn, or written by somebody else. */
#include "stepcell/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/lines.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"

void line_reader_init(struct line_reader *r, const char *name, journal_view *view, void *arg)
{
	*r = (struct line_reader){.view = view, .arg = arg, .name = name};
	r->rest = STRBUF(LIMIT_JOURNAL_LINE);
}

void line_reader_release(struct line_reader *r)
{
	strbuf_release(&r->rest);
}

static void emit_warning(struct line_reader *r, struct arena *a, const char *why)
{
	struct node *event = node_map(a);

	node_set_text(a, event, "type", "warning");
	node_set_text(a, event, "text", why);
	r->view(r->arg, event);
}

static void emit_line(struct line_reader *r)
{
	auto_arena struct arena *a = arena_new();
	struct err err = {0};
	const struct node *event = json_parse(a, r->name, r->rest.text, r->rest.len, &err);

	if (event && node_text(node_get(event, "type")))
		r->view(r->arg, event);
	else
		emit_warning(r, a, arena_printf(a, "line %u of the journal is no event", r->line));
}

static void end_line(struct line_reader *r)
{
	r->line++;
	if (r->rest.full) {
		auto_arena struct arena *a = arena_new();

		emit_warning(r, a, arena_printf(a, "line %u of the journal is too long", r->line));
	} else if (r->rest.len) {
		emit_line(r);
	}
	strbuf_clear(&r->rest);
}

void line_reader_feed(struct line_reader *r, const char *bytes, size_t len)
{
	while (len) {
		const char *end = memchr(bytes, '\n', len);
		size_t n = end ? (size_t)(end - bytes) : len;

		strbuf_add(&r->rest, bytes, n);
		if (!end)
			return;
		end_line(r);
		bytes += n + 1;
		len -= n + 1;
	}
}

int journal_read(const char *dir, journal_view *view, void *arg, struct err *err)
{
	auto_fd int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct line_reader reader;
	char chunk[65536];
	struct stat st;
	ssize_t n;

	if (folder < 0)
		return err_sys(err, "cannot open the run '%s'", dir);

	auto_fd int fd =
		openat(folder, "journal.ndjson", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "cannot open the journal of '%s'", dir);
	if (!S_ISREG(st.st_mode))
		return err_fail(err, ERR_USAGE, "the journal of '%s' is not a file", dir);
	line_reader_init(&reader, "journal", view, arg);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
		line_reader_feed(&reader, chunk, n < 0 ? 0 : (size_t)n);
	line_reader_release(&reader);
	return n < 0 ? err_sys(err, "cannot read the journal of '%s'", dir) : 0;
}
