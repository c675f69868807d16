/* What a service says: kept with the run, masked; its last lines are kept at hand. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

static void take_line(void *arg, const struct line *line)
{
	struct service *s = arg;
	auto_strbuf struct strbuf clean = STRBUF(2 * (LIMIT_LOG_LINE + LIMIT_MASK_BYTES));
	char **slot = &s->last[s->line_count % SERVICE_TAIL];

	mask_piece(s->job->run->mask, &s->tail, line->text, line->len, !line->continues, &clean);
	free(*slot);
	*slot = strndup(clean.text, 1000);
	s->line_count += *slot != NULL;
	service_event(s, "service-log");
	journal_text(s->job->run->journal, "text", clean.text);
	(void)journal_end(s->job->run->journal, &s->job->run->fatal);
	strbuf_adds(&clean, line->continues ? "" : "\n");
	if (s->log_file >= 0 && write_full(s->log_file, clean.text, clean.len) < 0)
		fd_close(&s->log_file); /* the journal goes on without it */
}

int service_log_open(struct service *s, struct err *err)
{
	struct arena *a = s->job->arena;
	auto_strbuf struct strbuf job = STRBUF(200), name = STRBUF(200);
	const char *folder;

	name_make_safe(s->job->plan->id, &job);
	name_make_safe(s->container.name, &name);
	folder = arena_printf(a, "%s/logs/%s", journal_dir(s->job->run->journal), job.text);
	s->log_path = arena_printf(a, "%s/service-%s.log", folder, name.text);
	if (mkdir_all(folder, 0700, err) < 0)
		return err_wrap(err, "log folder");
	s->log_file = open(s->log_path,
			   O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->log_file < 0)
		return err_sys(err, "cannot create the log '%s'", s->log_path);
	mask_tail_init(&s->tail);
	lines_init(&s->lines, s->job->run->policy->limits.log, take_line, s);
	return 0;
}

bool service_log_drain(struct service *s, bool all)
{
	char chunk[64 * 1024];
	ssize_t n;

	while (s->log >= 0 && (n = read(s->log, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (!lines_feed(&s->lines, chunk, (size_t)n))
			return true;
		if (!all)
			return false;
	}
	fd_close(&s->log);
	return false;
}

void service_log_close(struct service *s)
{
	if (!s->lines.fn)
		return;
	lines_end(&s->lines);
	lines_release(&s->lines);
	mask_tail_release(&s->tail);
	fd_close(&s->log);
	fd_close(&s->log_file);
	s->lines.fn = NULL;
}

void service_log_say(struct service *s, const char *text)
{
	take_line(s, &(struct line){.text = text, .len = strlen(text)});
}
