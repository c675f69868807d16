/* What a step used, for the journal. */
#include "runner/run.h"

void usage_write(struct journal *j, struct arena *a, const struct cell_result *r)
{
	const struct {
		const char *key;
		uint64_t value;
	} usage[] = {
		{"wall_us", r->usage.wall_us},
		{"user_us", r->usage.user_us},
		{"system_us", r->usage.system_us},
		{"peak_memory", r->usage.peak_memory},
		{"peak_pids", r->usage.peak_pids},
		{"read_bytes", r->usage.read_bytes},
		{"written_bytes", r->usage.written_bytes},
	};
	const struct {
		const char *key;
		enum cell_means means;
	} means[] = {
		{"memory", r->means.memory}, {"cpus", r->means.cpus}, {"io", r->means.io},
		{"pids", r->means.pids},     {"disk", r->means.disk}, {"files", r->means.files},
	};
	struct node *used = node_map(a), *by = node_map(a);

	for (size_t i = 0; i < sizeof(usage) / sizeof(usage[0]); i++)
		node_set(a, used, usage[i].key, node_number(a, (double)usage[i].value));
	for (size_t i = 0; i < sizeof(means) / sizeof(means[0]); i++)
		node_set_text(a, by, means[i].key, cell_means_name(means[i].means));
	if (r->exit_code >= 0)
		journal_number(j, "exit", r->exit_code);
	if (r->signal)
		journal_number(j, "signal", r->signal);
	if (r->survivors)
		journal_number(j, "survivors", r->survivors);
	journal_node(j, "usage", used);
	journal_node(j, "means", by);
}
