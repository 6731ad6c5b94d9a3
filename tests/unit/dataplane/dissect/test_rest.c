/* Proves what rest.h promises: between two exchanges a connection is nothing but its flow, and goes
 * on as if it had been there; whatever is under way keeps it awake; what nobody reads is counted
 * without it; without the memory to wake nothing is shifted.
 *
 * The test is the registry. Its protocol is lines: each of SIDE_A is a request, each of SIDE_B a
 * response; `@` is the end of the protocol. Every message tells how many lines its side has sent before.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/rig.h"

#include "dataplane/dissect/rest.h"

struct line_state {
	uint16_t lines[2];
	uint8_t large[1000];
};

static bool stays; /* rest() says so */

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct line_state *s = conn_state(c);
	const uint8_t *end = memchr(in.at, '\n', in.bytes);
	struct message_open open = { .kind = side == SIDE_A ? MESSAGE_REQUEST : MESSAGE_RESPONSE };
	char text[16];
	struct message *m;
	int n;

	if (end == NULL)
		return 0;
	if (in.at[0] == '@') {
		conn_become(c, NULL);
		return 2;
	}
	m = message_begin(c, side, in.at, open);
	n = snprintf(text, sizeof(text), "%u", s->lines[side]++);
	message_text(m, side == SIDE_A ? FIELD_TARGET : FIELD_CODE, slice_of(text, (size_t)n));
	message_end(m, end + 1);
	memset(s->large, 0xff, sizeof(s->large));
	return (size_t)(end + 1 - in.at);
}

static enum guess probe(struct slice first, uint16_t port_hint)
{
	(void)first, (void)port_hint;
	return GUESS_YES;
}

static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	(void)c, (void)side, (void)bytes;
	return RESYNC_SEARCH;
}

/* What is left in `large` is not kept. */
static bool rest(const void *state, uint32_t *ret)
{
	const struct line_state *s = state;

	*ret = s->lines[0] | (uint32_t)s->lines[1] << 16;
	return !stays;
}

static void wake(void *state, uint32_t kept)
{
	struct line_state *s = state;

	for (size_t i = 0; i < sizeof(*s); i++)
		assert_int_equal(((const uint8_t *)state)[i], 0);
	s->lines[0] = (uint16_t)kept;
	s->lines[1] = (uint16_t)(kept >> 16);
}

static const struct dissector dissector_lines = {
	.name = "lines",
	.proto = "lines",
	.title = "Lines",
	.conn_bytes = sizeof(struct line_state),
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.rest = rest,
	.wake = wake,
};

const struct dissector *const dissectors[] = { &dissector_lines };
const uint32_t dissector_count = 1;

uint32_t dissector_find(const char *name)
{
	return strcmp(name, "lines") == 0 ? 0 : DISSECTOR_NONE;
}

/* ---- around each test ---- */

static struct rig rig;

static struct rig *start(uint32_t awake)
{
	struct rig_settings s = rig_settings();

	s.host.conns_awake = awake;
	stays = false;
	rig_open(&rig, &s);
	bench_handshake(&rig.b);
	return &rig;
}

static struct flow *flow(struct rig *r)
{
	return r->b.burst.packet[0].flow;
}

#define C(text) rig_say(r, SIDE_A, text)
#define S(text) rig_say(r, SIDE_B, text)

static void exchange(struct rig *r, const char *wanted)
{
	C("question\n");
	S("answer\n");
	rig_expect(r, wanted);
}

static void between_exchanges_only_the_flow_is_left(void **state)
{
	struct rig *r = start(0);
	const struct record *rec;

	(void)state;
	exchange(r, "paired 0 0");
	assert_null(flow(r)->sink);
	assert_int_equal(r->host.conns, 0);
	for (int i = 1; i < 10; i++) {
		char wanted[32];

		snprintf(wanted, sizeof(wanted), "paired %d %d", i, i);
		C("question\n");
		assert_non_null(flow(r)->sink);
		S("answer\n");
		rec = rig_expect(r, wanted);
		assert_int_equal(rec->index, i);
		assert_int_equal(rec->conn, flow_conn_id(flow(r)));
		assert_null(flow(r)->sink);
	}
	assert_int_equal(r->host.spare_conns.count, 1); /* the same memory all the time */
	assert_int_equal(r->host.spare_states[0].count, 1);
	rig_close(r);
}

static void what_is_under_way_keeps_it_awake(void **state)
{
	struct rig *r = start(0);

	(void)state;
	C("question\nque");
	assert_non_null(flow(r)->sink);
	S("answer\n");
	rig_expect(r, "paired 0 0");
	assert_non_null(flow(r)->sink); /* half a line is gathered */
	C("stion\n");
	assert_non_null(flow(r)->sink); /* a request is open */
	S("answer\n");
	rig_expect(r, "paired 1 1");
	assert_null(flow(r)->sink);
	stays = true;
	exchange(r, "paired 2 2");
	assert_non_null(flow(r)->sink);
	rig_close(r);
}

static void so_many_stay_awake(void **state)
{
	struct rig *r = start(1);
	const struct flow *first;

	(void)state;
	exchange(r, "paired 0 0");
	first = flow(r);
	assert_non_null(first->sink);
	rig_connect(r);
	exchange(r, "paired 0 0");
	assert_ptr_not_equal(flow(r), first);
	assert_null(flow(r)->sink);
	assert_non_null(first->sink);
	assert_int_equal(r->host.conns, 1);
	rig_close(r);
}

static void a_gap_wakes_it(void **state)
{
	struct rig *r = start(0);

	(void)state;
	exchange(r, "paired 0 0");
	rig_lose(r, SIDE_A, 5);
	C("question\n");
	rig_send(r, SIDE_B, NULL, 0); /* acknowledged, so the hole will stay */
	bench_later(&r->b, 1000000000);
	assert_non_null(flow(r)->sink);
	S("answer\n");
	rig_expect(r, "paired 1 1");
	assert_int_equal(r->b.counters.value[C_gaps], 1);
	assert_null(flow(r)->sink); /* it is beyond doubt again what answers what */
	rig_close(r);
}

static void what_nobody_reads_is_counted_without_it(void **state)
{
	struct rig *r = start(100);

	(void)state;
	C("@\n0123456");
	assert_null(flow(r)->sink);
	assert_int_equal(r->host.conns, 0);
	C("0123456789");
	S("01234");
	rig_lose(r, SIDE_A, 5);
	C("0123456789");
	rig_send(r, SIDE_B, NULL, 0);
	bench_later(&r->b, 1000000000);
	assert_null(flow(r)->sink);
	assert_int_equal(r->b.counters.value[C_opaque_bytes], 32);
	assert_int_equal(r->b.counters.value[C_flows_opaque], 1);
	rig_expect_nothing(r);
	rig_close(r);
	assert_int_equal(r->b.counters.value[C_flows_opaque], 1);
}

static void without_memory_nothing_is_shifted(void **state)
{
	struct rig *r = start(0);
	uint64_t lost;

	(void)state;
	exchange(r, "paired 0 0");
	conn_spare_fini(&r->host);
	r->b.arena.limit_bytes = r->b.arena.held_bytes;
	C("question\n");
	lost = r->b.counters.value[C_out_of_memory];
	assert_true(lost > 0);
	assert_null(flow(r)->sink);
	r->b.arena.limit_bytes = UINT64_MAX;
	S("answer of many bytes\n");
	rig_expect(r, "orphan:connection_closed 0");
	C("question\n");
	S("answer\n");
	rig_expect(r, "paired 0 1");
	rig_close(r);
}

/* What rests beyond the pool's limit gives its memory back. */
static void a_flood_of_connections_holds_no_memory(void **state)
{
	struct rig *r = start(0);
	uint32_t limit = r->host.settings.spare_conns;
	uint64_t held = 0;

	(void)state;
	for (uint32_t i = 0; i < limit * 3; i++) {
		if (i > 0)
			rig_connect(r);
		exchange(r, "paired 0 0");
		rig_forget(r);
		if (i == limit - 1)
			held = r->b.arena.held_bytes;
		if (i >= limit)
			assert_int_equal(r->b.arena.held_bytes, held);
	}
	assert_true(r->host.spare_conns.count <= limit);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(between_exchanges_only_the_flow_is_left),
		cmocka_unit_test(what_is_under_way_keeps_it_awake),
		cmocka_unit_test(so_many_stay_awake),
		cmocka_unit_test(a_gap_wakes_it),
		cmocka_unit_test(what_nobody_reads_is_counted_without_it),
		cmocka_unit_test(a_flood_of_connections_holds_no_memory),
		cmocka_unit_test(without_memory_nothing_is_shifted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
