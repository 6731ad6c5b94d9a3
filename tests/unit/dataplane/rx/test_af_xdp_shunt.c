/* Proves of the table of what nobody wants to see: a range is there with the key of its direction,
 * and gone when all is wanted again; a place that another connection has, or had a moment ago, is
 * not taken; what the program cannot know is not put there. */
#include "dataplane/rx/af_xdp_shunt.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SECRET = 0x9e3779b1 };

static const uint64_t second = UINT64_C(1000000000);
static struct steer_shunt *place;
static struct af_xdp_shunts shunts;

static int set_up(void **state)
{
	(void)state;
	place = calloc(AF_XDP_SHUNTS, sizeof(*place));
	return place == NULL ? -1 : af_xdp_shunts_init(&shunts, place, SECRET);
}

static int tear_down(void **state)
{
	(void)state;
	af_xdp_shunts_fini(&shunts);
	af_xdp_shunts_fini(&shunts);
	free(place);
	return 0;
}

static struct flow_key key_of(uint16_t port)
{
	struct flow_key k = { .ip_version = 4, .protocol = 6, .port = { port, 80 } };

	k.address[0][12] = k.address[1][12] = 10;
	k.address[0][15] = 1;
	k.address[1][15] = 2;
	return k;
}

static bool set(const struct flow_key *k, enum side side, uint32_t first, uint32_t end, uint64_t at)
{
	struct rx_shunt what = { .key = k, .side = side, .first = first, .end = end };

	return af_xdp_shunts_set(&shunts, &what, at);
}

static struct steer_shunt *found(void)
{
	struct steer_shunt *one = NULL;

	for (uint32_t i = 0; i < AF_XDP_SHUNTS; i++) {
		if (place[i].range == 0)
			continue;
		assert_null(one);
		one = &place[i];
	}
	return one;
}

static void a_range_is_there_with_its_key_until_all_is_wanted_again(void **state)
{
	struct flow_key k = key_of(40000);
	struct steer_shunt *p;

	(void)state;
	assert_true(set(&k, SIDE_B, 0xfffffff0, 1000, second));
	p = found();
	assert_non_null(p);
	assert_int_equal((uint32_t)p->range, 0xfffffff0);
	assert_int_equal(p->range >> 32, 1000);
	assert_int_equal(ntohl(p->source[0]), 0x0a000002);
	assert_int_equal(ntohl(p->destination[0]), 0x0a000001);
	assert_int_equal(p->source[1] | p->source[2] | p->source[3], 0);
	assert_int_equal(ntohs(p->source_port), 80);
	assert_int_equal(ntohs(p->destination_port), 40000);
	/* Another part of the same direction at once; the other direction is another key. */
	assert_true(set(&k, SIDE_B, 5, 9, second));
	assert_int_equal(found()->range, 5 | UINT64_C(9) << 32);
	assert_false(set(&k, SIDE_A, 0, 0, second));
	assert_non_null(found());
	assert_false(set(&k, SIDE_B, 0, 0, second));
	assert_null(found());
}

/* other_at_the_same_place - a connection whose place is that of `k`. */
static struct flow_key other_at_the_same_place(const struct flow_key *k)
{
	struct steer_shunt *p;

	assert_true(set(k, SIDE_B, 1, 2, second));
	p = found();
	set(k, SIDE_B, 0, 0, second);
	for (uint16_t port = 1; port != 0; port++) {
		struct flow_key o = key_of(port);

		if (port == k->port[0] || !set(&o, SIDE_B, 1, 2, 100 * second))
			continue;
		if (found() == p) {
			memset(place, 0, AF_XDP_SHUNTS * sizeof(*place));
			memset(shunts.left_ns, 0, AF_XDP_SHUNTS * sizeof(*shunts.left_ns));
			return o;
		}
		set(&o, SIDE_B, 0, 0, 100 * second);
	}
	fail_msg("no two connections have one place");
	return *k;
}

static void a_place_that_is_taken_or_was_just_left_is_not_taken(void **state)
{
	struct flow_key k = key_of(40000), other = other_at_the_same_place(&k);

	(void)state;
	assert_true(set(&k, SIDE_B, 1, 2, second));
	assert_false(set(&other, SIDE_B, 3, 4, 9 * second));
	assert_false(set(&other, SIDE_B, 0, 0, 9 * second)); /* which takes nothing away */
	assert_int_equal(ntohs(found()->destination_port), 40000);
	set(&k, SIDE_B, 0, 0, 10 * second);
	assert_false(set(&other, SIDE_B, 3, 4, 10 * second + AF_XDP_SHUNT_REST_NS - 1));
	assert_null(found());
	/* Who had it needs no rest. */
	assert_true(set(&k, SIDE_B, 1, 2, 10 * second + 1));
	set(&k, SIDE_B, 0, 0, 11 * second);
	assert_true(set(&other, SIDE_B, 3, 4, 11 * second + AF_XDP_SHUNT_REST_NS));
	assert_int_equal(ntohs(found()->destination_port), other.port[0]);
}

static void what_the_program_cannot_know_is_not_put_there(void **state)
{
	struct flow_key k = key_of(40000);
	struct af_xdp_shunts none;

	(void)state;
	k.outer = 7;
	assert_false(set(&k, SIDE_B, 1, 2, second));
	k.outer = 0;
	k.vlan[0] = 12 | VLAN_PRESENT;
	assert_false(set(&k, SIDE_B, 1, 2, second));
	assert_null(found());
	assert_int_equal(af_xdp_shunts_init(&none, NULL, SECRET), 0);
	assert_false(af_xdp_shunts_set(&none, &(struct rx_shunt){ &k, SIDE_B, 1, 2 }, second));
	af_xdp_shunts_fini(&none);
}

static void addresses_of_ipv6_are_there_as_a_whole(void **state)
{
	struct flow_key k = key_of(40000);
	uint8_t address[16];

	(void)state;
	k.ip_version = 6;
	for (int i = 0; i < 16; i++)
		k.address[0][i] = address[i] = (uint8_t)(0xf0 + i);
	assert_true(set(&k, SIDE_A, 1, 2, second));
	assert_memory_equal(found()->source, address, sizeof(address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_range_is_there_with_its_key_until_all_is_wanted_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_place_that_is_taken_or_was_just_left_is_not_taken,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_program_cannot_know_is_not_put_there,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(addresses_of_ipv6_are_there_as_a_whole, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
