/* What is said about an exec when it has ended. */
#include <stdio.h>

#include "cli/exec.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/report.h"
#include "stepcell/util.h"

void exec_note_missing(const struct exec *x)
{
	for (unsigned wall = 0; wall < CELL_WALL_COUNT; wall++)
		if (x->missing & (1U << wall))
			log_warn("this host gives no %s; 'stepcell doctor' says what mends it",
				 cell_wall_name(1U << wall));
}

void exec_note_verdict(const struct cell_result *r)
{
	if (r->init_killed)
		log_warn("the cell's init was killed");
	if (r->verdict > CELL_SIGNALLED)
		log_warn("%s", cell_verdict_name(r->verdict));
	if (r->pids_refused && r->verdict != CELL_PIDS_LIMIT)
		log_note("the command could not start some processes: it ran into its limit");
	if (r->survivors)
		log_note("%u process%s outlived the command and %s killed", r->survivors,
			 r->survivors == 1 ? "" : "es", r->survivors == 1 ? "was" : "were");
}

void exec_note_refused(const struct node *refused)
{
	for (size_t i = 0; i < refused->count; i++) {
		auto_strbuf struct strbuf line = STRBUF(KIB);

		report_refused(refused->items[i], &line);
		log_note("refused: %s", line.text);
	}
}

static const struct node *usage_node(struct arena *a, const struct cell_usage *u)
{
	const struct {
		const char *key;
		uint64_t value;
	} counts[] = {
		{"wall_us", u->wall_us},
		{"user_us", u->user_us},
		{"system_us", u->system_us},
		{"peak_memory", u->peak_memory},
		{"peak_pids", u->peak_pids},
		{"read_bytes", u->read_bytes},
		{"written_bytes", u->written_bytes},
	};
	struct node *map = node_map(a);

	for (size_t i = 0; i < COUNT(counts); i++)
		node_set(a, map, counts[i].key, node_number(a, (double)counts[i].value));
	return map;
}

static const struct node *means_node(struct arena *a, const struct cell_result *r)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "memory", cell_means_name(r->means.memory));
	node_set_text(a, map, "cpus", cell_means_name(r->means.cpus));
	node_set_text(a, map, "io", cell_means_name(r->means.io));
	node_set_text(a, map, "pids", cell_means_name(r->means.pids));
	node_set_text(a, map, "disk", cell_means_name(r->means.disk));
	node_set_text(a, map, "files", cell_means_name(r->means.files));
	return map;
}

static const struct node *missing_node(struct arena *a, unsigned missing)
{
	struct node *list = node_list(a);

	for (unsigned wall = 0; wall < CELL_WALL_COUNT; wall++)
		if (missing & (1U << wall))
			node_add(a, list, node_string(a, cell_wall_name(1U << wall)));
	return list;
}

void exec_print_json(const struct exec *x, const struct cell_result *r, const struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	struct arena *a = x->arena;
	struct node *map = node_map(a), *refused = node_list(a);

	if (r->pids_refused)
		node_add(a, refused, node_string(a, "processes"));
	for (size_t i = 0; i < x->refused->count; i++)
		node_add(a, refused, x->refused->items[i]);
	node_set_text(a, map, "verdict", cell_verdict_name(r->verdict));
	node_set(a, map, "exit", r->exit_code < 0 ? node_null() : node_number(a, r->exit_code));
	node_set(a, map, "signal", r->signal ? node_number(a, r->signal) : node_null());
	node_set(a, map, "usage", usage_node(a, &r->usage));
	node_set(a, map, "refused", refused);
	node_set(a, map, "survivors", node_number(a, r->survivors));
	node_set(a, map, "means", means_node(a, r));
	node_set(a, map, "missing", missing_node(a, x->missing));
	if (err->kind)
		node_set_text(a, map, "error", err->text);
	json_write(&text, map);
	(void)puts(text.text);
}
