/* Proves what key.h promises of the worker that a flow belongs to: both directions name the same
 * one, it does not depend on VLANs or tunnels, it can be computed from the packet in 32-bit words,
 * and flows are shared out evenly, whatever it is that tells them apart.
 */
#include "dataplane/flow/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct spread spread = { 0x9e3779b1, 0x85ebca6b };

static struct flow_key key4(uint32_t client, uint32_t server, uint16_t client_port)
{
	struct flow_key k = { .port = { client_port, 80 }, .protocol = 6, .ip_version = 4 };
	uint32_t at[2] = { htobe32(client), htobe32(server) };

	for (int i = 0; i < 2; i++) {
		k.address[i][10] = k.address[i][11] = 0xff;
		memcpy(&k.address[i][12], &at[i], 4);
	}
	return k;
}

static struct flow_key turned(struct flow_key k)
{
	struct flow_key t = k;

	memcpy(t.address[0], k.address[1], 16);
	memcpy(t.address[1], k.address[0], 16);
	t.port[0] = k.port[1];
	t.port[1] = k.port[0];
	return t;
}

static void both_directions_belong_to_one_worker(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 1000; i++) {
		struct flow_key k = { .protocol = 6, .ip_version = 6 };

		for (size_t b = 0; b < sizeof(k.address) + sizeof(k.port); b++)
			((uint8_t *)&k)[b] = (uint8_t)rand();
		struct flow_key t = turned(k);
		uint32_t number = flow_key_spread(&k, spread);

		assert_int_equal(flow_key_spread(&t, spread), number);
		flow_key_order(&t);
		assert_int_equal(flow_key_spread(&t, spread), number);
		t.vlan[0] = 7 | VLAN_PRESENT;
		t.outer = 12345;
		assert_int_equal(flow_key_spread(&t, spread), number);
	}
}

static void a_program_that_sees_the_packet_finds_the_same(void **state)
{
	(void)state;
	struct flow_key k = key4(0x0a010203, 0xc0a80105, 40000);

	assert_int_equal(
		flow_key_spread(&k, spread),
		((0x0a010203u ^ 0xc0a80105u) * spread.address + (40000u ^ 80u) * spread.port) >>
			16);
	assert_int_equal(flow_key_spread(&k, spread),
			 spread_number(spread, 0x0a010203u ^ 0xc0a80105u, 40000u ^ 80u));
}

/* No worker gets less than half or more than twice of what would be even. */
static void assert_even(struct flow_key (*nth)(uint32_t n))
{
	enum { FLOWS = 4096 };

	for (uint32_t workers = 2; workers <= 16; workers++) {
		uint32_t flows[16] = { 0 };

		for (uint32_t n = 0; n < FLOWS; n++) {
			struct flow_key k = nth(n);

			flows[flow_key_spread(&k, spread) % workers]++;
		}
		for (uint32_t w = 0; w < workers; w++)
			assert_in_range(flows[w], FLOWS / workers / 2, FLOWS / workers * 2);
	}
}

static struct flow_key by_port(uint32_t n)
{
	return key4(0x0a000001, 0x0a000002, (uint16_t)(32768 + n));
}

static struct flow_key by_even_port(uint32_t n)
{
	return key4(0x0a000001, 0x0a000002, (uint16_t)(32768 + 2 * n));
}

static struct flow_key by_client(uint32_t n)
{
	return key4(0x0a000000 + n, 0xc0a80001, 40000);
}

static struct flow_key by_network(uint32_t n)
{
	return key4(1 + (n << 12), 0xc0a80001, 40000);
}

static void flows_are_shared_out_evenly(void **state)
{
	(void)state;
	assert_even(by_port);
	assert_even(by_even_port);
	assert_even(by_client);
	assert_even(by_network);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_belong_to_one_worker),
		cmocka_unit_test(a_program_that_sees_the_packet_finds_the_same),
		cmocka_unit_test(flows_are_shared_out_evenly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
