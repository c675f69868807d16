/*
 * report: views of a journal. They know its events and nothing else.
 *
 * The events, with their keys ("?" may be absent):
 *   run-started   run workflow event ref sha run_id run_number policy image actions?: {OWNER/REPO@REF: tree}
 *   warning       text
 *   plan          jobs: [{id name needs}]
 *   job-started   job name image
 *   job-skipped   job name why
 *   job-ended     job name verdict seconds why? peak_memory artifacts: [names] url?
 *                 verdict: success failure cancelled; why: first reason of a failure;
 *                 url: of the job's environment
 *   service-started job service image
 *   service-ready job service seconds     its health check passed
 *   service-log   job service text        one line of what it says, as log is of a step
 *   service-ended job service verdict why? tail?: [lines] log
 *                 why: it was not to end; verdict: a cell's, stopped or unhealthy
 *   step-started  job step name
 *   step-skipped  job step name why
 *   log           job step text            one line, masked, controls kept
 *   group         job step name            and group-ended
 *   annotation    job step level message file? line? end_line? col? end_col? title? code? matcher?
 *                 level: error warning notice; matcher: the problem matcher that found it in the line before
 *   step-ended    job step name verdict conclusion seconds exit? signal? usage{...} means{...} survivors? log
 *                 annotations?: {error? warning? notice?}, all there were, kept or not
 *                 verdict: a cell's; conclusion: success failure cancelled skipped
 *   artifact      job name path bytes files skipped digest
 *   audit         job step|service refused: [{call arguments? answer? program? count}]
 *   network       job step allowed: [{host count}] refused: [{call arguments? answer? count}]
 *                 what a proxy decided
 *   summary       job step text file joined    Markdown of GITHUB_STEP_SUMMARY; where it and its job's lie
 *   run-ended     verdict seconds jobs: [{id name verdict seconds peak_memory artifacts why?}]
 *
 * An event that would be longer than LIMIT_JOURNAL_LINE has `cut`: true, the
 * beginnings of its texts, and no lists.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "stepcell/node.h"

struct report_terminal;

/*
 * Lines for a person: on a terminal a live step list with elapsed time, else
 * plain and complete. `quiet` keeps failures and the summary alone.
 */
struct report_terminal *report_terminal_new(FILE *out, bool live, bool colour, bool quiet);
void report_terminal_event(void *terminal, const struct node *event);
/* Redraw elapsed times; called about four times a second when live. */
void report_terminal_tick(struct report_terminal *t);
void report_terminal_free(struct report_terminal **t);

/* The journal as it is: one event a line. `arg` is a FILE. */
void report_json_event(void *file, const struct node *event);

/* An entry of an audit: "socket(family=17 type=3 protocol=0) EPERM, 2 times, by ping". */
void report_refused(const struct node *refused, struct strbuf *out);

/* `text` with every byte a terminal would act on made visible (C0, DEL, C1), but tab. */
void report_escape(const char *text, size_t len, struct strbuf *out);
