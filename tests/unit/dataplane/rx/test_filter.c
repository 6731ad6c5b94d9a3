/* Proves what filter.h promises: what is not selected leaves the burst in order and is counted by
 * its owner, link types each have their program, and an expression that makes no sense is refused
 * in libpcap's words.
 */
#include "dataplane/rx/filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* An IPv4 TCP SYN to port 80, and the same to port 443. */
static uint8_t ethernet[54] = {
	[12] = 8, 0, 0x45, 0, 0, 40, [23] = 6, [36] = 0, 80, [46] = 0x50, 2
};
static uint8_t other[54] = { [12] = 8, 0, 0x45, 0, 0, 40, [23] = 6, [36] = 1, 187, [46] = 0x50, 2 };

static struct packet packet_of(const uint8_t *frame, uint32_t bytes, uint16_t link, uint64_t number)
{
	return (struct packet){
		.frame = frame,
		.caplen_bytes = bytes,
		.wire_bytes = bytes,
		.link = link,
		.number = number,
	};
}

static struct burst burst_of_both(void)
{
	struct burst b = { .count = 6 };

	for (uint32_t i = 0; i < 6; i++)
		b.packet[i] = packet_of(i % 3 == 0 ? ethernet : other, 54, LINK_ETHERNET, i + 1);
	return b;
}

static struct filter filter_of(const char *expression, uint32_t worker, uint32_t workers,
			       struct counters *c)
{
	struct rx_error err = { "" };
	struct filter f;

	memset(c, 0, sizeof(*c));
	if (filter_init(&f, expression, worker, workers, c, &err) != 0)
		fail_msg("%s", err.text);
	return f;
}

static void what_is_selected_stays_in_order(void **state)
{
	struct burst b = burst_of_both();
	struct counters c;
	struct filter f = filter_of("tcp port 80", 0, 1, &c);

	(void)state;
	filter_burst(&f, &b);
	assert_int_equal(b.count, 2);
	assert_int_equal(b.packet[0].number, 1);
	assert_int_equal(b.packet[1].number, 4);
	assert_int_equal(c.value[C_received], 4);
	assert_int_equal(c.value[C_received_bytes], 4 * 54);
	assert_int_equal(c.value[C_filtered], 4);
	filter_fini(&f);
}

static void only_the_owner_counts_what_is_dropped(void **state)
{
	uint64_t filtered = 0;

	(void)state;
	for (uint32_t worker = 0; worker < 3; worker++) {
		struct burst b = burst_of_both();
		struct counters c;
		struct filter f = filter_of("udp", worker, 3, &c);

		filter_burst(&f, &b);
		assert_int_equal(b.count, 0);
		assert_int_equal(c.value[C_filtered], 2);
		assert_int_equal(c.value[C_received], 2);
		filtered += c.value[C_filtered];
		filter_fini(&f);
	}
	assert_int_equal(filtered, 6);
}

static void no_expression_passes_everything(void **state)
{
	static const char *const none[] = { NULL, "" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct burst b = burst_of_both();
		struct counters c;
		struct filter f = filter_of(none[i], 0, 1, &c);

		filter_burst(&f, &b);
		assert_int_equal(b.count, 6);
		assert_int_equal(c.value[C_received], 0);
		filter_fini(&f);
	}
}

static void every_link_type_has_its_own_program(void **state)
{
	static const uint16_t raw[] = { LINK_RAW, LINK_RAW_OLD, LINK_RAW_OPENBSD, LINK_IPV4 };
	static const uint8_t sll_head[16] = { [14] = 8, 0 };
	uint8_t sll[16 + 40];
	struct burst b = { .count = 6 };
	struct counters c;
	struct filter f = filter_of("tcp dst port 80", 0, 1, &c);

	(void)state;
	memcpy(sll, sll_head, 16);
	memcpy(sll + 16, ethernet + 14, 40);
	for (uint32_t i = 0; i < 4; i++)
		b.packet[i] = packet_of(ethernet + 14, 40, raw[i], i + 1);
	b.packet[4] = packet_of(sll, sizeof(sll), LINK_LINUX_SLL, 5);
	b.packet[5] = packet_of(ethernet, 54, LINK_ETHERNET, 6);
	filter_burst(&f, &b);
	assert_int_equal(b.count, 6);

	b.packet[0].link = LINK_ETHERNET; /* its bytes are no Ethernet */
	filter_burst(&f, &b);
	assert_int_equal(b.count, 5);
	filter_fini(&f);
}

static void link_types_for_which_it_makes_no_sense_are_not_selected(void **state)
{
	struct burst b = { .count = 3 };
	struct counters c;
	struct filter f = filter_of("ether src 00:00:00:00:00:00", 0, 1, &c);

	(void)state;
	b.packet[0] = packet_of(ethernet + 14, 40, LINK_RAW, 1);
	b.packet[1] = packet_of(ethernet, 54, LINK_ETHERNET, 2);
	b.packet[2] = packet_of(ethernet, 54, 9999, 3); /* unknown */
	filter_burst(&f, &b);
	assert_int_equal(b.count, 1);
	assert_int_equal(b.packet[0].number, 2);
	assert_int_equal(c.value[C_filtered], 2);
	filter_fini(&f);
}

static void an_expression_for_one_link_type_alone_is_accepted(void **state)
{
	struct rx_error err = { "" };

	(void)state;
	assert_int_equal(filter_check("type mgt subtype beacon", &err), 0);
	assert_string_equal(err.text, "");
}

static void cut_packets_are_judged_by_what_is_there(void **state)
{
	struct burst b = { .count = 3 };
	struct counters c;
	struct filter f = filter_of("tcp port 80 or greater 1000", 0, 1, &c);

	(void)state;
	b.packet[0] = packet_of(ethernet, 0, LINK_ETHERNET, 1);
	b.packet[1] = packet_of(ethernet, 36, LINK_ETHERNET, 2);
	b.packet[2] = packet_of(other, 54, LINK_ETHERNET, 3);
	b.packet[2].wire_bytes = 1514; /* `greater` asks for the wire */
	filter_burst(&f, &b);
	assert_int_equal(b.count, 1);
	assert_int_equal(b.packet[0].number, 3);
	filter_fini(&f);
}

static void nonsense_is_refused_in_libpcaps_words(void **state)
{
	struct rx_error err = { "" };
	struct counters c;
	struct filter f;

	(void)state;
	assert_int_equal(filter_check("tcp port", &err), -EINVAL);
	assert_non_null(strstr(err.text, "syntax error"));
	assert_non_null(strstr(err.text, "pcap-filter(7)"));
	assert_null(strchr(err.text, '\n'));
	assert_int_equal(filter_init(&f, "port 99999", 0, 1, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "filter: "));
	assert_int_equal(filter_check("tcp port 80", &err), 0);
	assert_int_equal(filter_check("", &err), 0);
}

static void fini_accepts_a_zeroed_filter(void **state)
{
	struct filter f = { 0 };

	(void)state;
	filter_fini(&f);
	assert_int_equal(f.program_count, 0);
}

static void what_is_not_in_the_frame_cannot_be_asked_for(void **state)
{
	struct rx_error err = { "" };

	(void)state;
	assert_int_equal(filter_check_live("inbound", &err), -EINVAL);
	assert_non_null(strstr(err.text, "direction"));
	assert_int_equal(filter_check_live("tcp port 80 and outbound", &err), -EINVAL);
	assert_int_equal(filter_check_live("tcp port 80", &err), 0);
	assert_int_equal(filter_check_live("ether proto 0x88cc", &err), 0);
	assert_int_equal(filter_check_live("no such thing", &err), -EINVAL);
	assert_int_equal(filter_check("inbound", &err), 0); /* Linux cooked captures have it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_in_the_frame_cannot_be_asked_for),
		cmocka_unit_test(what_is_selected_stays_in_order),
		cmocka_unit_test(only_the_owner_counts_what_is_dropped),
		cmocka_unit_test(no_expression_passes_everything),
		cmocka_unit_test(every_link_type_has_its_own_program),
		cmocka_unit_test(link_types_for_which_it_makes_no_sense_are_not_selected),
		cmocka_unit_test(an_expression_for_one_link_type_alone_is_accepted),
		cmocka_unit_test(cut_packets_are_judged_by_what_is_there),
		cmocka_unit_test(nonsense_is_refused_in_libpcaps_words),
		cmocka_unit_test(fini_accepts_a_zeroed_filter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
