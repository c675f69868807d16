/* A service's root, command and cell. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

static struct node *make_env(struct service *s, const struct account *account)
{
	struct arena *a = s->job->arena;
	struct node *env = node_map(a);
	const struct node *own = s->container.env;

	node_set_text(a, env, "PATH",
		      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	node_set_text(a, env, "HOME", account->home);
	container_env(a, &s->image, env);
	for (size_t i = 0; own && i < own->count; i++)
		node_set(a, env, own->pairs[i].key->text, own->pairs[i].value);
	return env;
}

static const char *cell_name(struct service *s)
{
	auto_strbuf struct strbuf name = STRBUF(64);

	for (const char *p = s->container.name; *p && name.len < 60; p++)
		strbuf_addc(&name, (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ? *p
				   : *p >= 'A' && *p <= 'Z' ? (char)(*p + 32)
							    : '-');
	return arena_strdup(s->job->arena, name.len ? name.text : "service");
}

/* The image with the job's names and accounts above it, and what the server writes above that. */
static struct cell_overlay *make_root(struct service *s, const struct account *account,
				      struct err *err)
{
	struct arena *a = s->job->arena;
	const struct image_mount *from = &s->image.mounts[0];
	const char *layer = arena_printf(a, "%s/layer", s->dir);
	struct cell_overlay *root = arena_alloc(a, sizeof(*root));
	struct cell_layer *layers = arena_array(a, from->layer_count + 1, sizeof(*layers));
	const struct hosts hosts = service_hosts(s);

	*root = (struct cell_overlay){.at = "/",
				      .layers = layers,
				      .layer_count = from->layer_count + 1,
				      .upper = arena_printf(a, "%s/upper", s->dir)};
	layers[0].path = layer;
	memcpy(layers + 1, from->layers, from->layer_count * sizeof(*layers));
	return mkdir_all(s->dir, 0700, err) < 0 ||
			       container_layer(a, &s->image, account, &hosts, &s->container, layer,
					       err) < 0 ||
			       cell_upper_make(service_owner(s), root->upper, err) < 0
		       ? NULL
		       : root;
}

static struct service_inside *make_inside(struct service *s, const struct account *account,
					  struct err *err)
{
	struct arena *a = s->job->arena;
	struct service_inside *in = arena_alloc(a, sizeof(*in));
	const struct container *c = &s->container;
	const char *workdir =
		c->workdir ? c->workdir : container_config_text(&s->image, "WorkingDir");

	s->health = container_health_of(a, &s->image, c);
	*in = (struct service_inside){
		.argv = container_argv(a, &s->image, c->entrypoint, &c->command, err),
		.env = launch_env_list(a, make_env(s, account)),
		.workdir = workdir && *workdir == '/' ? workdir : "/",
		.health = s->health.argv,
		.health_timeout_ms = s->health.timeout_ms,
	};
	return in->argv ? in : NULL;
}

static int start_cell(struct service *s, const struct cell_overlay *root,
		      struct service_inside *inside, struct err *err)
{
	struct cell_bind *binds;
	const size_t bind_count = container_binds(s->job->arena, &s->container, &binds);
	int out[2], ask[2], answer[2];

	if (pipe_open(out, err) < 0)
		return -1;
	s->log = out[0];

	auto_fd int w = out[1];

	if (pipe_open(ask, err) < 0)
		return -1;
	s->ask = ask[1];

	auto_fd int orders = ask[0];

	if (pipe_open(answer, err) < 0)
		return -1;
	s->answer = answer[0];

	auto_fd int answers = answer[1];
	const int fds[] = {orders, answers};
	struct cell_spec spec = launch_spec(s->job);

	spec.name = cell_name(s);
	spec.owner = service_owner(s);
	spec.audit = s->job->run->options->audit;
	spec.overlays = root;
	spec.overlay_count = 1;
	spec.binds = binds;
	spec.bind_count = bind_count;
	spec.fn = service_inside;
	spec.fn_arg = inside;
	spec.env = inside->env;
	spec.stdout_fd = spec.stderr_fd = w;
	spec.fds = fds;
	spec.fd_count = COUNT(fds);
	spec.limits = launch_limits(&s->container.limits, 0);
	if (fd_nonblock(s->log, err) < 0 || fd_nonblock(s->answer, err) < 0 ||
	    fd_nonblock(s->ask, err) < 0)
		return -1;
	return cell_start(&spec, &s->cell, NULL, err) < 0 ? image_blame(s->container.image, err)
							  : 0;
}

int service_start_cell(struct service *s, struct err *err)
{
	struct arena *a = s->job->arena;
	const struct container *c = &s->container;
	const char *user = c->user ? c->user : container_config_text(&s->image, "User");
	const struct account account = account_of(a, &s->image, user);
	struct cell_overlay *root;
	struct service_inside *inside;

	s->dir = arena_printf(a, "%s/service-%zu", s->job->dir, (size_t)(s - s->job->services));
	root = make_root(s, &account, err);
	inside = root ? make_inside(s, &account, err) : NULL;
	if (!inside || service_log_open(s, err) < 0 || start_cell(s, root, inside, err) < 0)
		return -1;
	if (account.root)
		service_log_say(
			s, "stepcell: the image wants to be root, and is uid 1001 without rights");
	return 0;
}
