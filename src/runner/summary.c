/* What steps write for the summary: Markdown, kept with the run, by step and joined by job. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/utf8.h"

/* summaries/JOB/NNN.md, and summaries/JOB.md. */
static int paths(const struct step_run *step, char *own, char *joined, struct err *err)
{
	auto_strbuf struct strbuf job = STRBUF(200), text = STRBUF(PATH_MAX - 16);
	const char *dir = journal_dir(step->job->run->journal);

	name_make_safe(step->job->plan->id, &job);
	strbuf_addf(&text, "%s/summaries/%s", dir, job.text);
	if (text.full)
		return err_fail(err, ERR_SYSTEM, "path too long: '%s'", dir);
	if (mkdir_all(text.text, 0700, err) < 0)
		return -1;
	(void)snprintf(joined, PATH_MAX, "%s.md", text.text);
	(void)snprintf(own, PATH_MAX, "%s/%03u.md", text.text, step->number);
	return 0;
}

static int append(const char *path, const struct strbuf *text, struct err *err)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || write_full(fd, text->text, text->len) < 0)
		return err_sys(err, "cannot write '%s'", path);
	return 0;
}

int summary_keep(struct step_run *step, const char *text, size_t len, struct err *err)
{
	struct run *run = step->job->run;
	auto_strbuf struct strbuf valid = STRBUF(3 * LIMIT_SUMMARY),
				  clean = STRBUF(LIMIT_JOURNAL_LINE);
	char own[PATH_MAX], joined[PATH_MAX];

	if (!len)
		return 0;
	(void)utf8_clean(text, len, SIZE_MAX, true, &valid);
	mask_line(run->mask, valid.text, valid.len, &clean);
	/* or the next one would begin in its last line */
	if (clean.len && clean.text[clean.len - 1] != '\n')
		strbuf_addc(&clean, '\n');
	if (paths(step, own, joined, err) < 0 || append(own, &clean, err) < 0 ||
	    append(joined, &clean, err) < 0)
		return -1;
	output_begin(step, "summary");
	journal_text(run->journal, "text", clean.text);
	journal_text(run->journal, "file", own);
	journal_text(run->journal, "joined", joined);
	output_done(run);
	return 0;
}
