/* What a workflow says about a container: what is made of it, and what is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/run.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

/* ---- a container in words ---- */

static void add_list(struct strbuf *out, const char *key, const struct texts *list)
{
	for (size_t i = 0; i < list->count; i++)
		strbuf_addf(out, " %s=%s", key, list->list[i]);
}

static void add_health(struct strbuf *out, const struct container_health *h)
{
	if (h->none)
		strbuf_adds(out, " healthy");
	if (h->set)
		strbuf_addf(out, " health=%s", h->argv[2]);
	if (h->interval_ms || h->timeout_ms || h->start_ms || h->retries)
		strbuf_addf(out, " %lu/%lu/%lu*%lu", (unsigned long)h->interval_ms,
			    (unsigned long)h->timeout_ms, (unsigned long)h->start_ms,
			    (unsigned long)h->retries);
}

static void describe(const struct container *c, struct strbuf *out)
{
	const struct {
		const char *key, *value;
	} texts[] = {{"entrypoint", c->entrypoint},
		     {"user", c->user},
		     {"workdir", c->workdir},
		     {"stop", c->stop_signal}};

	strbuf_adds(out, c->image ? c->image : "none");
	for (size_t i = 0; i < COUNT(texts); i++)
		if (texts[i].value)
			strbuf_addf(out, " %s=%s", texts[i].key, texts[i].value);
	add_list(out, "command", &c->command);
	add_list(out, "name", &c->names);
	for (size_t i = 0; i < c->port_count; i++)
		strbuf_addf(out, " port=%u:%s", c->ports[i].outside, c->ports[i].text);
	for (size_t i = 0; i < c->volume_count; i++)
		strbuf_addf(out, " volume=%s:%s:%s", c->volumes[i].from ? c->volumes[i].from : "",
			    c->volumes[i].at, c->volumes[i].writable ? "rw" : "ro");
	for (size_t i = 0; c->env && i < c->env->count; i++)
		strbuf_addf(out, " env=%s=%s", c->env->pairs[i].key->text,
			    node_text(c->env->pairs[i].value));
	add_health(out, &c->health);
	if (c->limits.memory || c->limits.cpus_milli || c->limits.pids)
		strbuf_addf(out, " limits=%lu/%lu/%lu", (unsigned long)c->limits.memory,
			    (unsigned long)c->limits.cpus_milli, (unsigned long)c->limits.pids);
}

/* ---- reading ---- */

struct fixture {
	struct run run;
	struct policy policy;
	const struct node *contexts;
};

static void fixture_make(struct fixture *f, struct arena *a)
{
	static const char *places[] = {"/srv/data", "/srv/cache:rw", "/usr:rw", "/usr/share/doc:rw",
				       "/usr/lib:rw"};
	struct node *contexts = node_map(a), *matrix = node_map(a), *box = node_map(a),
		    *own = node_map(a);

	*f = (struct fixture){.policy = {.name = "p", .path = "p.yml"}};
	f->policy.volumes.names = (struct texts){places, COUNT(places)};
	f->policy.limits.services = 2;
	(void)snprintf(f->run.home, sizeof(f->run.home), "/usr/share");
	node_set_text(a, matrix, "image", "db:15");
	node_set_text(a, matrix, "none", "");
	node_set_text(a, own, "A", "${{ matrix.image }}");
	node_set_text(a, box, "image", "x${{ 1 }}");
	node_set(a, box, "env", own);
	node_set(a, matrix, "box", box);
	node_set(a, contexts, "matrix", matrix);
	f->contexts = contexts;
	f->run.arena = a;
}

static const struct node *parse(struct arena *a, const char *text)
{
	struct diags diags = {.arena = a};
	const struct node *node = yaml_parse(a, "c.yml", text, strlen(text), &diags);

	assert_non_null(node);
	return node;
}

#define OPT(text) "{image: x, options: '" text "'}"

static const struct {
	const char *text, *result; /* an error begins with "! " */
} rows[] = {
	{"db:15", "db:15"},
	{"docker://db:15", "db:15"},
	{"${{ matrix.image }}", "db:15"},
	{"{image: '${{ matrix.none }}'}", "none"},
	{"${{ matrix.box }}", "x${{ 1 }} env=A=${{ matrix.image }}"}, /* data is no template */
	{"{image: x, env: {A: 1, B: '${{ matrix.image }}'}}", "x env=A=1 env=B=db:15"},
	{"{image: x, entrypoint: /e, command: 'a \"b c\" d'}",
	 "x entrypoint=/e command=a command=b c command=d"},

	{"{image: x, ports: [5432, '5433:5433', 53/udp, '127.0.0.1:80:80/tcp']}",
	 "x port=0:5432 port=5433:5433 port=0:53/udp port=80:80"},
	{"{image: x, ports: ['5433:5432', '5434:5432/tcp', '127.0.0.1::80', '54:53/udp']}",
	 "x port=5433:5432 port=5434:5432 port=0:80 port=54:53/udp"},
	{"{image: x, ports: ['80:80', '80:80/tcp', '0.0.0.0:80:80', 80]}",
	 "x port=80:80 port=0:80"},
	{"{image: x, ports: [0]}", "! ports: expected 5432 or 5433:5432, found '0'"},
	{"{image: x, ports: ['0:1']}", "! ports: expected"},
	{"{image: x, ports: ['65536:1']}", "! ports: expected"},
	{"{image: x, ports: ['1-2:1-2']}", "! ports: expected"},
	{"{image: x, ports: [65536]}", "! ports: expected"},
	{"{image: x, ports: ['80:']}", "! ports: expected"},
	{"{image: x, ports: [80/sctp]}", "! ports: expected"},
	{"{image: x, ports: ['80-90']}", "! ports: expected"},

	{"{image: x, volumes: [/data, 'named:/n', 'named:/r:ro']}",
	 "x volume=:/data:rw volume=:/n:rw volume=:/r:ro"},
	{"{image: x, volumes: ['/srv/data:/d:ro', '/srv/cache:/c', '/srv/cache:/c:ro']}",
	 "x volume=/srv/data:/d:ro volume=/srv/cache:/c:rw volume=/srv/cache:/c:ro"},
	{"{image: x, volumes: ['/srv/data:/d']}",
	 "! p.yml:0: volumes: [/srv/data, /srv/cache:rw, /usr:rw, /usr/share/doc:rw, /usr/lib:rw]: "
	 "volume '/srv/data:rw' is refused; add "},
	{"{image: x, volumes: ['/usr:/d']}", "! volume '/usr' is refused: stepcell's own state is"},
	{"{image: x, volumes: ['/usr/share/doc:/d']}", "! volume '/usr/share/doc' is refused"},
	{"{image: x, volumes: ['/usr:/d:ro', '/usr/lib:/e']}",
	 "x volume=/usr:/d:ro volume=/usr/lib:/e:rw"},
	{"{image: x, volumes: ['/srv/dat:/d:ro']}", "! p.yml:0: volumes: "},
	{"{image: x, volumes: ['/srv/data/../x:/d:ro']}", "! p.yml:0: volumes: "},
	{"{image: x, volumes: ['/var/run/docker.sock:/var/run/docker.sock']}",
	 "! p.yml:0: volumes: "},
	{"{image: x, volumes: [relative]}", "! volumes: expected"},
	{"{image: x, volumes: ['a:/b:exec']}", "! volumes: expected"},

	{OPT("--health-cmd pg_isready --health-interval 10s --health-timeout 5s --health-retries "
	     "5"),
	 "x health=pg_isready 10000/5000/0*5"},
	{OPT("--health-cmd=\"redis-cli ping\" --health-start-period=1m30s"),
	 "x health=redis-cli ping 0/0/90000*0"},
	{OPT("--no-healthcheck"), "x healthy"},
	{OPT("--name a --hostname b -h c --network-alias d"), "x name=a name=b name=c name=d"},
	{OPT("-e A=b --env C=d=e"), "x env=A=b env=C=d=e"},
	{OPT("--user postgres -w /w --entrypoint /e --stop-signal SIGINT"),
	 "x entrypoint=/e user=postgres workdir=/w stop=SIGINT"},
	{OPT("--tmpfs /t:size=1m"), "x volume=:/t:rw"},
	{OPT("-m 512m --cpus 1.5 --pids-limit 10"), "x limits=536870912/1500/10"},
	{OPT("--init --rm --cap-drop ALL --shm-size=1g"), "x"},
	{OPT("--privileged"), "! options: --privileged is refused: a cell has what"},
	{OPT("--cap-add SYS_ADMIN"), "! options: --cap-add is refused"},
	{OPT("--cap-add=SYS_ADMIN"), "! options: --cap-add is refused"},
	{OPT("--network host"), "! options: --network is refused"},
	{OPT("--net=host"), "! options: --net is refused"},
	{OPT("--device /dev/kvm"), "! options: --device is refused"},
	{OPT("-v /:/host"), "! options: --volume is refused: say it with `volumes:`"},
	{OPT("--mount type=bind"), "! options: --mount is refused"},
	{OPT("--pid host"), "! options: --pid is refused"},
	{OPT("--security-opt seccomp=unconfined"), "! options: --security-opt is refused"},
	{OPT("-p 80:80"), "! options: --publish is refused"},
	{OPT("--unheard-of"), "! options: '--unheard-of' is not served"},
	{OPT("word"), "! options: 'word' is not served"},
	{OPT("--name"), "! options: --name needs a value"},
	{OPT("--name \"a b\""), "! options: --name: expected a host"},
	{OPT("--health-retries 0"), "! options: --health-retries: expected"},
	{OPT("--health-interval 1x"), "! options: --health-interval: expected a time"},
	{OPT("--health-interval 25h"), "! options: --health-interval: expected a time"},
	{OPT("--env NAME"), "! options: --env: expected NAME=VALUE"},
	{OPT("--memory lots"), "! options: --memory: expected"},
	{OPT("--workdir w"), "! options: --workdir: expected"},
};

static void test_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_arena struct arena *a = arena_new();
		auto_strbuf struct strbuf said = STRBUF(4096);
		struct fixture f;
		struct container c;
		struct err err = {0};

		fixture_make(&f, a);
		f.run.policy = &f.policy;

		const struct expr_scope scope = {.contexts = f.contexts};

		if (container_read(&f.run, &scope, parse(a, rows[i].text), NULL, true, &c, &err) <
		    0)
			strbuf_addf(&said, "! %s", err.text);
		else
			describe(&c, &said);
		if (rows[i].result[0] == '!')
			strbuf_cut(&said, strlen(rows[i].result));
		if (strcmp(said.text, rows[i].result) != 0)
			fail_msg("%s: %s", rows[i].text, said.text);
	}
}

/* ---- too many ---- */

/* What is written `times` times, with a number for its '#', between two texts. */
static const struct {
	const char *before, *one, *after;
	unsigned times;
	const char *error; /* NULL: as many as there may be */
} many[] = {
	{"{image: x, options: '", "-e k#=v ", "'}", LIMIT_ENV_PAIRS, NULL},
	{"{image: x, options: '", "-e k#=v ", "'}", LIMIT_ENV_PAIRS + 1, "fewer variables"},
	{"{image: x, env: {", "k#: v, ", "}}", LIMIT_ENV_PAIRS, NULL},
	{"{image: x, env: {", "k#: v, ", "}}", LIMIT_ENV_PAIRS + 1, "env: more than"},
	{"{image: x, volumes: [", "/v#, ", "]}", LIMIT_VOLUMES, NULL},
	{"{image: x, volumes: [", "/v#, ", "]}", LIMIT_VOLUMES + 1, "volumes: more than"},
	{"{image: x, volumes: ['", "/v/v", "']}", 200, "volumes: more than"},
	{"{image: x, ports: [", "1#, ", "]}", LIMIT_PORTS, NULL},
	{"{image: x, ports: [", "1#, ", "]}", LIMIT_PORTS + 1, "ports: more than"},
	{"{image: x, options: '", "--tmpfs /v# ", "'}", LIMIT_VOLUMES + 1, "fewer volumes"},
};

static const char *repeated(struct arena *a, size_t row)
{
	auto_strbuf struct strbuf text = STRBUF(MIB);
	const char *one = many[row].one, *mark = strchr(one, '#');

	strbuf_adds(&text, many[row].before);
	for (unsigned i = 0; i < many[row].times; i++)
		if (mark)
			strbuf_addf(&text, "%.*s%u%s", (int)(mark - one), one, i, mark + 1);
		else
			strbuf_adds(&text, one);
	strbuf_adds(&text, many[row].after);
	return arena_strdup(a, text.text);
}

static void test_many(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(many); i++) {
		auto_arena struct arena *a = arena_new();
		struct fixture f;
		struct container c;
		struct err err = {0};

		fixture_make(&f, a);
		f.run.policy = &f.policy;

		const struct expr_scope scope = {.contexts = f.contexts};
		const int r = container_read(&f.run, &scope, parse(a, repeated(a, i)), NULL, true,
					     &c, &err);

		assert_int_equal(r, many[i].error ? -1 : 0);
		if (many[i].error && !strstr(err.text, many[i].error))
			fail_msg("%s: %s", many[i].error, err.text);
	}
}

/* ---- all services of a job ---- */

static const struct {
	const char *text, *error; /* NULL: `count` of them */
	size_t count;
} jobs[] = {
	{"{}", NULL, 0},
	{"{a: {image: x, ports: [1]}, b: {image: y, ports: [2]}}", NULL, 2},
	{"{a: {image: x, ports: [1]}, b: {image: y, ports: [1/udp]}}", NULL, 2},
	{"{a: {image: ''}, b: {image: y}, c: z}", NULL, 2},
	{"{a: {image: x, ports: [1]}, b: {image: y, ports: [1]}}", NULL, 2},
	{"{a: {image: x, ports: ['2:1']}, b: {image: y, ports: [2]}}", NULL, 2},
	{"{a: {image: x, ports: ['2:1']}, b: {image: y, ports: ['2:3']}}",
	 "services 'a' and 'b' both want port 2 of the job's loopback", 0},
	{"{a: {image: x, ports: ['2:1', '2:3']}}", "services 'a' and 'a' both want port 2", 0},
	{"{a: {image: x, ports: ['2:1']}, b: {image: y, ports: ['2:3/udp']}}",
	 "service 'b': port 3/udp: the services of this job need a network each", 0},
	{"{a: {image: x, ports: [1/udp]}, b: {image: y, ports: [1/udp]}}",
	 "service 'a': port 1/udp: ", 0},
	{"{a: x, b: x, c: x}", "a job of policy 'p' has 2 services at most, and this one has 3", 0},
	{"{a: {image: x, options: --privileged}}", "service 'a': options: --privileged is refused",
	 0},
};

static void test_services(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(jobs); i++) {
		auto_arena struct arena *a = arena_new();
		struct fixture f;
		struct container *list;
		struct err err = {0};
		size_t count = 0;
		int r;

		fixture_make(&f, a);
		f.run.policy = &f.policy;

		const struct expr_scope scope = {.contexts = f.contexts};

		r = container_read_services(&f.run, &scope, parse(a, jobs[i].text), true, &list,
					    &count, &err);
		assert_int_equal(r, jobs[i].error ? -1 : 0);
		if (!jobs[i].error)
			assert_int_equal(count, jobs[i].count);
		else if (strncmp(err.text, jobs[i].error, strlen(jobs[i].error)) != 0)
			fail_msg("%s: %s", jobs[i].text, err.text);
	}
}

/* ---- where their ports lead ---- */

#define EXPOSES(set) "{\"ExposedPorts\": {" set "}}"

static const struct {
	const char *services, *image; /* of all */
	uint16_t reserved;
	const char *result;
} leads[] = {
	{"{a: {image: x, ports: [1, '2:2', 3/udp]}, b: y}", "{}", 0,
	 "together a 1=1 2=2 3/udp=3 b"},
	{"{a: {image: x, ports: ['2:1']}, b: {image: y, ports: [2]}}", "{}", 0,
	 "apart a 1=2 b 2=32768"},
	{"{a: {image: x, ports: [1]}, b: {image: y, ports: [1]}}", "{}", 0,
	 "apart a 1=1 b 1=32768"},
	/* who names a number has it before who does not */
	{"{a: {image: x, ports: [1]}, b: {image: y, ports: ['1:1', '32768:2']}}", "{}", 0,
	 "apart a 1=32769 b 1=1 2=32768"},
	{"{a: {image: x, ports: [3128]}, b: {image: y, ports: [3128/udp]}}", "{}", 0,
	 "together a 3128=3128 b 3128/udp=3128"},
	{"{a: {image: x, ports: [3128, 2]}}", "{}", 3128, "apart a 3128=32768 2=2"},
	/* an image's word counts, is not published, and is nothing new where ports: says it too */
	{"{a: x, b: y}", EXPOSES("\"5/tcp\": {}"), 0, "apart a 5 b 5"},
	{"{a: {image: x, ports: ['6:5']}}", EXPOSES("\"5\": {}, \"7\": {}, \"8/udp\": {}"), 0,
	 "apart a 5=6 7"},
	{"{a: x, b: y}", EXPOSES("\"8/udp\": {}, \"0/tcp\": {}, \"9/sctp\": {}, \"x\": {}"), 0,
	 "together a b"},
};

static void describe_ports(const struct container *list, size_t count, uint16_t reserved,
			   struct strbuf *out)
{
	strbuf_adds(out, ports_apart(list, count, reserved) ? "apart" : "together");
	for (size_t i = 0; i < count; i++) {
		strbuf_addf(out, " %s", list[i].name);
		for (size_t j = 0; j < list[i].port_count; j++) {
			const struct container_port *p = &list[i].ports[j];

			if (p->text)
				strbuf_addf(out, " %s=%u", p->text, p->outside);
			else
				strbuf_addf(out, " %u", p->port);
		}
	}
}

static void test_leads(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(leads); i++) {
		auto_arena struct arena *a = arena_new();
		auto_strbuf struct strbuf said = STRBUF(4096);
		const struct image image = {.config = parse(a, leads[i].image)};
		struct fixture f;
		struct container *list;
		struct err err = {0};
		size_t count;

		fixture_make(&f, a);
		f.run.policy = &f.policy;

		const struct expr_scope scope = {.contexts = f.contexts};

		assert_int_equal(container_read_services(&f.run, &scope,
							 parse(a, leads[i].services), true, &list,
							 &count, &err),
				 0);
		for (size_t j = 0; j < count; j++)
			ports_expose(a, &image, &list[j]);
		assert_int_equal(ports_check(list, count, leads[i].reserved, &err), 0);
		ports_assign(list, count, leads[i].reserved);
		describe_ports(list, count, leads[i].reserved, &said);
		assert_string_equal(said.text, leads[i].result);
	}
}

/* A service among the caller's own ports would be everybody's. */
static void test_full_network(void **state)
{
	auto_arena struct arena *a = arena_new();
	const struct container one = {.name = "a", .image = "x"};
	struct fixture f;
	struct err err = {0};

	(void)state;
	fixture_make(&f, a);
	f.policy.network = POLICY_NET_FULL;
	f.run.policy = &f.policy;
	assert_int_equal(container_check_services(&f.run, &one, 1, &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_int_equal(container_check_services(&f.run, &one, 0, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),         cmocka_unit_test(test_many),
		cmocka_unit_test(test_services),     cmocka_unit_test(test_leads),
		cmocka_unit_test(test_full_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
