/* record: the journal of a run, one JSON object a line, appended as things happen. One writer, many
 * readers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stepcell/err.h"
#include "stepcell/node.h"

struct journal;

/*
 * A new run below `home`/runs: its folder (0700) is made with logs/, artifacts/
 * and layers/. The journal is locked while it is open, so that a reader can
 * tell a run that goes on from one that died.
 */
int journal_create(const char *home, struct journal **out, struct err *err);
void journal_close(struct journal **journal);

const char *journal_id(const struct journal *j);  /* "20261123-081852-4f2a": sorts by time */
const char *journal_dir(const struct journal *j); /* absolute */

/* Called with every event after it is written. The event is the viewer's until it returns. */
typedef void journal_view(void *arg, const struct node *event);
void journal_watch(struct journal *j, journal_view *view, void *arg);

/*
 * Append an event: `type` ("run-started", "job-ended", ...), and pairs that the
 * builder adds; "at" (milliseconds since the epoch) is added here. Writing is
 * buffered per event and never partial; a full disk is an error of the run, an
 * event that is too long is none: it is cut (report.h).
 *
 *	journal_begin(j, "step-ended");
 *	journal_text(j, "job", id);
 *	journal_number(j, "seconds", 1.5);
 *	journal_end(j);
 */
void journal_begin(struct journal *j, const char *type);
void journal_text(struct journal *j, const char *key, const char *value); /* NULL: left out */
void journal_number(struct journal *j, const char *key, double value);
void journal_flag(struct journal *j, const char *key, bool value);
void journal_node(struct journal *j, const char *key, const struct node *value); /* likewise */
int journal_end(struct journal *j, struct err *err);

/*
 * Read a journal back, event by event. A last line without its end is left
 * out; a line that is no event becomes a `warning` that says which.
 */
int journal_read(const char *dir, journal_view *view, void *arg, struct err *err);

/* ---- the runs that are kept ---- */

struct kept_run {
	const char *id, *dir;
	const char *workflow, *event, *ref, *policy; /* NULL where the journal does not say */
	const char *verdict; /* of run-ended; else "running", or "lost" when its stepcell died */
	double started;      /* milliseconds since the epoch */
	double seconds;
};

/* Every run below `home`/runs, newest first. */
int runs_list(const char *home, struct arena *a, struct kept_run **out, size_t *count,
	      struct err *err);

/* One run by its id, by a beginning of it that no other has, or "last". */
int runs_find(const char *home, struct arena *a, const char *ref, struct kept_run *out,
	      struct err *err);
