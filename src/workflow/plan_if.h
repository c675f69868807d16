/* plan_if: what a condition says before anything has run. */
#pragma once

#include "stepcell/workflow.h"

enum tri { TRI_NO, TRI_YES, TRI_UNKNOWN };

/* How a job's ancestors stand. */
enum ancestry {
	ANCESTRY_NONE,    /* it needs nothing */
	ANCESTRY_RUN,     /* all of them run */
	ANCESTRY_DEPENDS, /* not known yet */
	ANCESTRY_SKIPPED, /* at least one is skipped */
	ANCESTRY_IDLE,    /* none of them runs, so that none can fail */
};

struct verdict {
	enum tri tri;
	bool has_status;   /* the condition asks about its ancestors itself */
	const char *words; /* "github.ref == 'refs/heads/main' is false (github.ref is ...)" */
};

/* The job's condition, which it has. False with the reason in `e` when it cannot be evaluated. */
bool plan_condition(struct arena *a, const struct job *job, const struct node *contexts,
		    enum ancestry ancestry, struct verdict *out, struct expr_err *e);
