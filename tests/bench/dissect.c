/* dissect - what dissectors cost, in one process: reassembly, identification, dissection, pairing
 * and the record in the ring.
 *
 *     dissect identify                             ns per flow to find out what it speaks, every
 * dissector on dissect http DISSECTORS REPEATS              twenty exchanges of HTTP/1 on a
 * connection, with these dissectors ("": all) dissect FOLDER DATAGRAMS REPEATS             the
 * conversations of a dissector's fuzz corpus, over TCP (0) or UDP (1)
 *
 * Prints one line: what, how many messages and packets, nanoseconds. dissect.py runs it, also under
 * callgrind.
 */
#include "tests/support/check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dissectors/registry.h"
#include "tests/support/rig.h"

enum {
	CONVERSATION_BYTES = 1 << 18,
	CONVERSATIONS = 64,
	STEPS = 512,
	AT_ONCE = 50,
	EXCHANGES = 20,
	ROUNDS = 61,
	FLOWS = 2000
};

struct step {
	enum side side;
	const uint8_t *at;
	uint32_t bytes;
};

struct conversation {
	struct step step[STEPS];
	uint32_t steps;
};

static struct conversation conversation[CONVERSATIONS];
static uint32_t conversations;
static bool upgrades; /* an upgrade of HTTP/1 comes before: WebSocket begins in no other way */
static struct rig r;

/* ---- conversations ---- */

/* As tests/fuzz/fuzz_dissector.c reads them; those with holes, ends and settings of their own are
 * left out. */
static bool read_conversation(const uint8_t *in, size_t bytes, bool datagrams,
			      struct conversation *ret)
{
	size_t at = 1;

	ret->steps = 0;
	if (bytes < 3 || (in[0] != 0 && in[0] != 16) || (in[0] == 16 && !datagrams))
		return false;
	while (at + 2 <= bytes && ret->steps < STEPS) {
		uint32_t kind = in[at] >> 1, amount = in[at + 1];

		if (kind > 1)
			return false;
		if (kind == 1 && datagrams)
			amount *= 16;
		if (amount > bytes - at - 2)
			amount = (uint32_t)(bytes - at - 2);
		ret->step[ret->steps++] = (struct step){ (enum side)(in[at] & 1), in + at + 2,
							 amount };
		at += 2 + amount;
	}
	return true;
}

static void read_folder(const char *path, bool datagrams)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (d == NULL) {
		perror(path);
		exit(2);
	}
	while ((e = readdir(d)) != NULL && conversations < CONVERSATIONS) {
		uint8_t *at = malloc(CONVERSATION_BYTES);
		char name[512];
		FILE *f;

		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		f = e->d_name[0] == '.' || at == NULL ? NULL : fopen(name, "rb");
		if (f == NULL)
			continue;
		conversations += read_conversation(at, fread(at, 1, CONVERSATION_BYTES, f),
						   datagrams, &conversation[conversations]);
		fclose(f);
	}
	closedir(d);
}

static void http_conversation(void)
{
	static const char request[] =
		"GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: bench/1.0\r\n"
		"Accept: */*\r\nAccept-Encoding: gzip\r\n\r\n";
	static char response[1400];
	int head = snprintf(response, sizeof(response),
			    "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: "
			    "text/html\r\nContent-Length: 1024\r\n"
			    "Connection: keep-alive\r\n\r\n");

	memset(response + head, 'b', 1024);
	for (int i = 0; i < EXCHANGES; i++) {
		conversation[0].step[conversation[0].steps++] =
			(struct step){ SIDE_A, (const uint8_t *)request, sizeof(request) - 1 };
		conversation[0].step[conversation[0].steps++] =
			(struct step){ SIDE_B, (const uint8_t *)response, (uint32_t)head + 1024 };
	}
	conversations = 1;
}

/* ---- running them ---- */

static void drain(void)
{
	const struct record *rec;
	uint64_t bytes;

	emit_publish(&r.emit);
	while ((rec = ring_peek(&r.consumer, &bytes)) != NULL)
		ring_next(&r.consumer, bytes);
	ring_release(&r.consumer);
}

static void say(const struct conversation *c, bool datagrams)
{
	if (datagrams)
		r.b.client_port++;
	else
		rig_connect(&r);
	if (upgrades) {
		rig_say(&r, SIDE_A,
			"GET /chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
		rig_say(&r, SIDE_B,
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
	}
	for (uint32_t i = 0; i < c->steps; i++) {
		const struct step *s = &c->step[i];

		if (datagrams)
			bench_send(&r.b, (struct sent){ .side = s->side,
							.data = s->at,
							.bytes = s->bytes,
							.datagram = true });
		else if (s->bytes > 0)
			rig_send(&r, s->side, s->at, s->bytes);
	}
}

static void say_all(bool datagrams, uint32_t repeats)
{
	uint32_t said = 0;

	for (uint32_t i = 0; i < repeats; i++)
		for (uint32_t k = 0; k < conversations; k++) {
			say(&conversation[k], datagrams);
			if (++said % AT_ONCE == 0) {
				flow_close_all(&r.b.flows, WHY_capture_ended);
				drain();
			}
		}
	flow_close_all(&r.b.flows, WHY_capture_ended);
	drain();
}

static uint64_t messages(void)
{
	const uint64_t *v = r.b.counters.value;

	return v[C_requests] + v[C_responses] + v[C_interim] + v[C_oneway];
}

static int run(const char *what, const char *only, bool datagrams, uint32_t repeats)
{
	struct rig_settings s = rig_settings();
	char names[64] = ""; /* a list: each ended by 0, the list by another */
	uint64_t begun, ns;

	snprintf(names, sizeof(names) - 1, "%s", only);
	s.dissectors = names;
	s.host.head_bytes = 65536;
	s.host.head_fields = 256;
	s.host.body_limit_bytes = 0;
	s.host.conn_memory_bytes = 256 * 1024;
	s.pair.open_requests = 512;
	rig_open(&r, &s);
	begun = clock_monotonic_ns();
	say_all(datagrams, repeats);
	ns = clock_monotonic_ns() - begun;
	printf("%s messages=%llu packets=%llu ns=%llu\n", what, (unsigned long long)messages(),
	       (unsigned long long)r.b.number, (unsigned long long)ns);
	return 0; /* what is open is not looked at: this is no test */
}

/* ---- identification ---- */

/* Returns ns per flow, the best of some rounds: the others were disturbed. */
static double identify_ns(const struct identify *i, const uint8_t *first, size_t bytes)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t begun = clock_monotonic_ns(), took;

		for (uint32_t k = 0; k < FLOWS; k++) {
			uint64_t candidates = UINT64_MAX;
			uint32_t found;

			identify_side(i, slice_of(first, bytes), 40000, true, &candidates, &found);
		}
		took = clock_monotonic_ns() - begun;
		best = took < best ? took : best;
	}
	return (double)best / FLOWS;
}

static int identify(void)
{
	struct identify_database *database;
	struct identify i = { .enabled = 0 };
	uint8_t unknown[256];
	uint64_t enabled;
	const char *bad;

	for (size_t k = 0; k < sizeof(unknown); k++)
		unknown[k] = (uint8_t)(k * 167 + 0xe9);
	if (identify_compile("", &database, &enabled, &bad) < 0 ||
	    identify_init(&i, database, enabled) < 0)
		return 1;
	printf("identify dissectors=%u unknown_ns=%.0f http_ns=%.0f redis_ns=%.0f tls_ns=%.0f\n",
	       dissector_count, identify_ns(&i, unknown, sizeof(unknown)),
	       identify_ns(
		       &i,
		       (const uint8_t *)"GET /index.html HTTP/1.1\r\nHost: www.example.org\r\n\r\n",
		       51),
	       identify_ns(&i, (const uint8_t *)"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", 22),
	       identify_ns(&i, (const uint8_t *)"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03",
			   11));
	identify_fini(&i);
	identify_free(database);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "identify") == 0)
		return identify();
	if (argc != 4) {
		fputs("usage: dissect identify | dissect http DISSECTORS REPEATS | dissect FOLDER "
		      "DATAGRAMS REPEATS\n",
		      stderr);
		return 2;
	}
	if (strcmp(argv[1], "http") == 0) {
		http_conversation();
		return run("http", argv[2], false, (uint32_t)atoi(argv[3]));
	}
	upgrades = strstr(argv[1], "/websocket") != NULL;
	read_folder(argv[1], argv[2][0] == '1');
	return run(argv[1], "", argv[2][0] == '1', (uint32_t)atoi(argv[3]));
}
