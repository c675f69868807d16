/* plan_parts: what the files of the plan share. */
#pragma once

#include "stepcell/workflow.h"
#include "workflow/expr.h"

/* Does a tree of templates name a context that is not in `contexts`? */
bool plan_uses_unknown(struct arena *a, const struct node *n, const struct node *contexts);

/* "github.event.action" of a chain of properties that starts at a context; false when it is none. */
bool plan_path_text(const struct expr_node *n, struct strbuf *out);

/* needs.NAME of what the job does not need: null, whatever runs. */
bool plan_is_foreign_need(const struct job *job, const struct expr_node *n);

/* The paths that a job's keys name and that nobody knows before other jobs have run. */
const struct node *plan_unknown(struct arena *a, const struct planned_job *j,
				const struct node *contexts);
