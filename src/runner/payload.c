/*
 * What the checkout knows about an event that nobody described: the repository,
 * who made the commit and what it says. A payload that was given is left as it
 * is. What only GitHub could know (ids, addresses of its API) is left out.
 */
#include <string.h>

#include "runner/run.h"

static void put(struct arena *a, struct node *map, const char *key, const struct node *value)
{
	if (!node_get(map, key))
		node_set(a, map, key, value);
}

static void put_text(struct arena *a, struct node *map, const char *key, const char *text)
{
	if (text)
		put(a, map, key, node_string(a, text));
}

/* Nodes that are handed on are shared: a change is a copy. */
static struct node *copy(struct arena *a, const struct node *map)
{
	struct node *out = node_map(a);

	for (size_t i = 0; map && map->kind == NODE_MAP && i < map->count; i++)
		node_set(a, out, map->pairs[i].key->text, map->pairs[i].value);
	return out;
}

static const struct node *user(struct arena *a, const char *login)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "login", login);
	node_set_text(a, map, "name", login);
	node_set_text(a, map, "type", "User");
	return map;
}

static const struct node *repository(struct arena *a, const struct node *github)
{
	const char *full = node_text(node_get(github, "repository"));
	const char *owner = node_text(node_get(github, "repository_owner"));
	struct node *map = node_map(a);

	node_set_text(a, map, "name", strchr(full, '/') + 1);
	node_set_text(a, map, "full_name", full);
	node_set(a, map, "owner", user(a, owner));
	node_set(a, map, "private", node_bool(true));
	node_set(a, map, "fork", node_bool(false));
	node_set_text(a, map, "visibility", "private");
	node_set_text(a, map, "default_branch", "main");
	node_set_text(a, map, "html_url",
		      arena_printf(a, "%s/%s", node_text(node_get(github, "server_url")), full));
	return map;
}

static const struct node *commit(struct arena *a, const struct source *s)
{
	struct node *map = node_map(a), *author = node_map(a);

	node_set_text(a, author, "name", s->author);
	node_set_text(a, author, "email", s->email);
	node_set_text(a, map, "id", s->sha);
	node_set_text(a, map, "message", s->message);
	node_set_text(a, map, "timestamp", s->when);
	node_set(a, map, "distinct", node_bool(true));
	node_set(a, map, "author", author);
	node_set(a, map, "committer", author);
	return map;
}

static void complete_push(struct arena *a, struct node *event, const struct node *github,
			  const struct source *s)
{
	struct node *commits = node_list(a);

	if (s->author)
		node_add(a, commits, commit(a, s));
	node_set(a, event, "commits", commits);
	put_text(a, event, "after", s->sha);
	put(a, event, "base_ref", node_null());
	put(a, event, "pusher", user(a, node_text(node_get(github, "actor"))));
	put(a, event, "head_commit", s->author ? commit(a, s) : node_null());
}

static void complete_pull_request(struct arena *a, struct node *event, const struct node *github,
				  const struct source *s)
{
	static const char *const sides[] = {"head", "base"};
	struct node *pr = copy(a, node_get(event, "pull_request"));

	for (size_t i = 0; i < 2; i++) {
		struct node *side = copy(a, node_get(pr, sides[i]));

		put(a, side, "repo", repository(a, github));
		node_set(a, pr, sides[i], side);
		if (i == 0)
			put_text(a, side, "sha", s->sha);
	}
	put(a, pr, "user", user(a, node_text(node_get(github, "actor"))));
	node_set(a, event, "pull_request", pr);
}

const struct node *payload_complete(struct arena *a, const struct node *payload,
				    const struct node *github, const struct source *s)
{
	struct node *event = copy(a, payload);

	if (node_get(event, "pull_request"))
		complete_pull_request(a, event, github, s);
	else if (strcmp(node_text(node_get(github, "event_name")), "push") == 0)
		complete_push(a, event, github, s);
	put(a, event, "repository", repository(a, github));
	put(a, event, "sender", user(a, node_text(node_get(github, "actor"))));
	return event;
}

const struct node *payload_inputs(struct arena *a, const struct node *payload,
				  const struct node *inputs)
{
	struct node *event = copy(a, payload), *texts = node_map(a);

	for (size_t i = 0; i < inputs->count; i++)
		node_set_text(a, texts, inputs->pairs[i].key->text,
			      expr_text(a, inputs->pairs[i].value));
	node_set(a, event, "inputs", texts);
	return event;
}
