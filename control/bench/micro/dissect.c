/* dissect - what dissectors cost, with all that is around them: bytes in order, the protocol found,
 * messages, pairs and records in the ring.
 *
 * The conversations are those of each dissector's fuzz corpus, compiled in: a new dissector has its
 * benchmark without a word here. Each is a connection of its own. Of HTTP/1 there are kept
 * connections too: one exchange after the other, as most traffic is, for ever or twenty to a
 * connection, with every dissector on and with it alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/micro/micro.h"
#include "control/bench/micro/stand.h"
#include "dissectors/registry.h"

/* A conversation as it is in the corpus. */
struct corpus_file {
	const char *dissector;
	const uint8_t *at;
	size_t bytes;
};

#include "control/bench/micro/conversations.inc" /* corpus_files[], CORPUS_LIST */

#define CORPUS_ENUM(name) CORPUS_##name,
#define CORPUS_NAME(name) #name,

enum {
	STEPS = 512,
	CONVERSATIONS = 64,
	AT_ONCE = 50,   /* connections, then all are ended */
	EXCHANGES = 20, /* of a kept connection in one run */
	RESPONSE_BYTES = 1400,
	BODY_BYTES = 1024,
};

enum { CORPUS_LIST(CORPUS_ENUM) };
static const char *const corpus_name[] = { CORPUS_LIST(CORPUS_NAME) };

struct step {
	enum side side;
	const uint8_t *at;
	uint32_t bytes;
};

struct conversation {
	struct step *step;
	uint32_t steps;
};

struct dissecting {
	struct stand *stand;
	struct conversation conversation[CONVERSATIONS];
	uint32_t conversations;
	bool datagrams;
	bool upgrades;     /* an upgrade of HTTP/1 comes before: WebSocket begins in no other way */
	uint32_t number;   /* of the next connection */
	uint64_t messages; /* of a run */
	uint64_t begun;    /* messages before the first */
	struct connection kept;
	uint8_t response[RESPONSE_BYTES];
	uint32_t response_bytes;
};

/* ---- conversations ---- */

static void add_step(struct conversation *c, enum side side, const void *at, uint32_t bytes)
{
	micro_need(c->steps < STEPS, "a conversation is too long");
	c->step[c->steps++] = (struct step){ side, at, bytes };
}

/* As tests/fuzz/fuzz_dissector.c reads them; those with holes, ends and settings of their own are
 * left out. */
static bool read_conversation(struct slice in, bool datagrams, struct conversation *ret)
{
	size_t at = 1;

	ret->steps = 0;
	if (in.bytes < 3 || (in.at[0] != 0 && (in.at[0] != 16 || !datagrams)))
		return false;
	while (at + 2 <= in.bytes && ret->steps < STEPS) {
		uint32_t kind = in.at[at] >> 1, amount = in.at[at + 1];

		if (kind > 1)
			return false;
		if (kind == 1 && datagrams)
			amount *= 16;
		if (amount > in.bytes - at - 2)
			amount = (uint32_t)(in.bytes - at - 2);
		if (amount > 0)
			add_step(ret, (enum side)(in.at[at] & 1), in.at + at + 2, amount);
		at += 2 + amount;
	}
	return ret->steps > 0;
}

static void read_corpus(struct dissecting *d, const char *name)
{
	for (size_t i = 0; i < array_count(corpus_files) && d->conversations < CONVERSATIONS; i++) {
		struct conversation *c = &d->conversation[d->conversations];
		const struct corpus_file *file = &corpus_files[i];

		if (strcmp(file->dissector, name) != 0)
			continue;
		if (c->step == NULL)
			c->step = calloc(STEPS, sizeof(*c->step));
		micro_need(c->step != NULL, "there is no memory");
		d->conversations += read_conversation(slice_of(file->at, file->bytes), d->datagrams,
						      c);
	}
}

static void say(struct dissecting *d, const struct conversation *c)
{
	static const char upgrade[] = "GET /chat HTTP/1.1\r\nConnection: Upgrade\r\n"
				      "Upgrade: websocket\r\n\r\n";
	static const char upgraded[] =
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
	struct connection to;

	connection_open(d->stand, &to, d->number++, d->datagrams);
	if (d->upgrades) {
		connection_send(d->stand, &to, SIDE_A, upgrade, sizeof(upgrade) - 1);
		connection_send(d->stand, &to, SIDE_B, upgraded, sizeof(upgraded) - 1);
	}
	for (uint32_t i = 0; i < c->steps; i++)
		connection_send(d->stand, &to, c->step[i].side, c->step[i].at, c->step[i].bytes);
}

static void end_all(struct dissecting *d)
{
	flow_close_all(&d->stand->worker->flow, WHY_capture_ended);
	stand_drain(d->stand);
}

/* Returns the messages that the first time of all had: every other time has as many. */
static uint64_t run_corpus(void *of)
{
	struct dissecting *d = of;

	for (uint32_t i = 0; i < AT_ONCE; i++)
		say(d, &d->conversation[i % d->conversations]);
	end_all(d);
	return d->messages;
}

static uint64_t done(const void *of)
{
	const struct dissecting *d = of;

	return stand_messages(d->stand) - d->begun;
}

static struct dissecting *make(const char *dissector)
{
	struct dissecting *d = calloc(1, sizeof(*d));

	micro_need(d != NULL, "there is no memory");
	d->stand = stand_open(&(struct stand_plan){
		.rx = "synth:packets=1000", .dissector = dissector, .until = STAGE_normal });
	return d;
}

static void *begin_corpus(uint64_t corpus)
{
	const char *dissector = corpus_name[corpus];
	struct dissecting *d = make(NULL);
	uint32_t index = dissector_find(dissector);

	micro_need(index != DISSECTOR_NONE, "this weir was built without that dissector");
	d->datagrams = dissectors[index]->datagrams != NULL;
	d->upgrades = strcmp(dissector, "websocket") == 0;
	read_corpus(d, dissector);
	micro_need(d->conversations > 0, "no conversation of its corpus is without a hole");
	run_corpus(d); /* what is made for the first connection, once */
	d->begun = stand_messages(d->stand);
	run_corpus(d);
	d->messages = stand_messages(d->stand) - d->begun;
	d->begun = stand_messages(d->stand);
	micro_need(d->messages > 0, "no conversation of its corpus has a message");
	return d;
}

static void end(void *of)
{
	struct dissecting *d = of;

	stand_close(d->stand);
	for (uint32_t i = 0; i < CONVERSATIONS; i++)
		free(d->conversation[i].step);
	free(d);
}

/* ---- kept connections of HTTP/1 ---- */

static const char request[] =
	"GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: bench/1.0\r\n"
	"Accept: */*\r\nAccept-Encoding: gzip\r\n\r\n";

static uint64_t run_kept(void *of)
{
	struct dissecting *d = of;

	for (int i = 0; i < EXCHANGES; i++) {
		connection_send(d->stand, &d->kept, SIDE_A, request, sizeof(request) - 1);
		connection_send(d->stand, &d->kept, SIDE_B, d->response, d->response_bytes);
	}
	stand_drain(d->stand);
	return (uint64_t)2 * EXCHANGES;
}

static uint64_t run_twenty(void *of)
{
	struct dissecting *d = of;

	connection_open(d->stand, &d->kept, d->number++, false);
	run_kept(d);
	end_all(d);
	return (uint64_t)2 * EXCHANGES;
}

static void *begin_kept(uint64_t alone)
{
	struct dissecting *d = make(alone != 0 ? "http1" : NULL);
	int head = snprintf((char *)d->response, sizeof(d->response),
			    "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/html\r\n"
			    "Content-Length: %d\r\nConnection: keep-alive\r\n\r\n",
			    BODY_BYTES);

	memset(d->response + head, 'b', BODY_BYTES);
	d->response_bytes = (uint32_t)head + BODY_BYTES;
	connection_open(d->stand, &d->kept, d->number++, false);
	return d;
}

/* Every message is paired. */
static uint64_t done_kept(const void *of)
{
	const struct dissecting *d = of;

	return 2 * d->stand->worker->counters.value[C_requests_paired];
}

/* clang-format off */
#define OF_CORPUS(name)                                                                             \
	{ "dissect/" #name, "message", "the conversations of its corpus, a connection each", #name, false, \
	  begin_corpus, CORPUS_##name, run_corpus, done, end },
const struct micro_benchmark micro_dissect[] = {
	{ "dissect/kept/http1", "message", "kept connection of HTTP/1, bodies of 1 KiB, every dissector on", "http1", true,
	  begin_kept, 0, run_kept, done_kept, end },
	{ "dissect/kept/http1_alone", "message", "the same with the dissector of HTTP/1 alone", "http1", true,
	  begin_kept, 1, run_kept, done_kept, end },
	{ "dissect/twenty/http1", "message", "connections of twenty such exchanges, every dissector on", "http1", false,
	  begin_kept, 0, run_twenty, done_kept, end },
	{ "dissect/twenty/http1_alone", "message", "the same with the dissector of HTTP/1 alone", "http1", false,
	  begin_kept, 1, run_twenty, done_kept, end },
	CORPUS_LIST(OF_CORPUS)
	{ .name = NULL },
};
/* clang-format on */
