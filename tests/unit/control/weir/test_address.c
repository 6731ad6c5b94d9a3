/* Proves what text is an address to listen on, and that exactly weir's own endpoints are left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>

#include "control/weir/address.h"

/* told - the address as text again: "family address port". */
static const char *told(const char *text)
{
	static char ret[128];
	struct sockaddr_storage a;
	char host[INET6_ADDRSTRLEN];
	bool is_v4;

	if (address_parse(text, &a) != 0)
		return "refused";
	is_v4 = a.ss_family == AF_INET;
	inet_ntop(a.ss_family,
		  is_v4 ? (void *)&((struct sockaddr_in *)&a)->sin_addr
			: (void *)&((struct sockaddr_in6 *)&a)->sin6_addr,
		  host, sizeof(host));
	snprintf(ret, sizeof(ret), "%s %u", host, ntohs(((struct sockaddr_in *)&a)->sin_port));
	return ret;
}

static void a_port_alone_is_on_this_host_only(void **state)
{
	(void)state;
	assert_string_equal(told("9100"), "127.0.0.1 9100");
	assert_string_equal(told("1"), "127.0.0.1 1");
	assert_string_equal(told("65535"), "127.0.0.1 65535");
}

static void addresses_come_before_the_port(void **state)
{
	(void)state;
	assert_string_equal(told("10.0.0.1:80"), "10.0.0.1 80");
	assert_string_equal(told("[::1]:9100"), "::1 9100");
	assert_string_equal(told("[fe80::1]:9100"), "fe80::1 9100");
	assert_string_equal(told("*:9100"), ":: 9100");
	assert_string_equal(told("0.0.0.0:9100"), "0.0.0.0 9100");
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = { "",         "0",     "65536",     "99999999",
					   "80x",      "x80",   ":",         "10.0.0:80",
					   "::1:9100", "[::1]", "[::1]:",    "[10.0.0.1]:80",
					   "host:1",   "[]:80", "10.0.0.1:", "-1",
					   " 80",      "[*]:80" };
	struct sockaddr_storage untouched;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (address_parse(bad[i], &untouched) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
}

static struct settings *s;

static int make_settings(void **state)
{
	(void)state;
	s = calloc(1, sizeof(*s));
	return s == NULL ? -1 : 0;
}

static int free_settings(void **state)
{
	(void)state;
	free(s);
	return 0;
}

static void own_traffic_is_that_of_the_listener(void **state)
{
	static const uint8_t local[16] = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 };
	static const uint8_t six[16] = { [15] = 1 };

	(void)state;
	address_own(s);
	assert_int_equal(s->own_count, 0);
	strcpy(s->metrics, "9100");
	address_own(s);
	assert_int_equal(s->own_count, 1);
	assert_int_equal(s->own[0].port, 9100);
	assert_memory_equal(s->own[0].ip, local, 16);
	strcpy(s->metrics, "[::1]:7");
	address_own(s);
	assert_int_equal(s->own_count, 1);
	assert_int_equal(s->own[0].port, 7);
	assert_memory_equal(s->own[0].ip, six, 16);
}

static void everywhere_is_every_address_of_this_host(void **state)
{
	static const uint8_t local[16] = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 };
	bool found = false;

	(void)state;
	strcpy(s->metrics, "*:9100");
	address_own(s);
	assert_in_range(s->own_count, 1, SETTINGS_OWN_MAX);
	for (uint32_t i = 0; i < s->own_count; i++) {
		assert_int_equal(s->own[i].port, 9100);
		found = found || memcmp(s->own[i].ip, local, 16) == 0;
	}
	assert_true(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_alone_is_on_this_host_only),
		cmocka_unit_test(addresses_come_before_the_port),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test_setup_teardown(own_traffic_is_that_of_the_listener, make_settings,
						free_settings),
		cmocka_unit_test_setup_teardown(everywhere_is_every_address_of_this_host,
						make_settings, free_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
