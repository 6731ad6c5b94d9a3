/* Fuzzes decode: any bytes as packets of any link type, in one burst, with the balance checked
 * behind it.
 *
 * Input, repeated while there is some: two bytes of link type, two of captured length (both
 * little-endian), one byte with what the wire had more, then the frame. The first byte of all holds
 * the switches.
 */
#include <stdlib.h>

#include "dataplane/decode/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { RECORD_BYTES = 5 };

static uint32_t fill(struct burst *b, const uint8_t *data, size_t bytes)
{
	b->count = 0;
	while (b->count < BURST_PACKETS && bytes >= RECORD_BYTES) {
		uint32_t captured_bytes = (uint32_t)(data[2] | data[3] << 8);

		if (captured_bytes > bytes - RECORD_BYTES)
			captured_bytes = (uint32_t)(bytes - RECORD_BYTES);
		b->packet[b->count] = (struct packet){
			.frame = data + RECORD_BYTES,
			.ts_ns = b->count * UINT64_C(1000000000),
			.number = b->count + 1,
			.caplen_bytes = captured_bytes,
			.wire_bytes = captured_bytes + data[4],
			.link = (uint16_t)(data[0] | data[1] << 8),
		};
		b->count++;
		data += RECORD_BYTES + captured_bytes;
		bytes -= RECORD_BYTES + captured_bytes;
	}
	return b->count;
}

static void check_balance(const struct counters *c, uint64_t went_on)
{
	uint64_t in = 0, out = went_on;

	for (int i = 0; i < COUNTER_COUNT; i++) {
		if (ledger_line[i].balance == BALANCE_PACKETS)
			*(ledger_line[i].side == BALANCE_IN ? &in : &out) += c->value[i];
	}
	if (in != out)
		abort();
}

static void read_bytes(const uint8_t *at, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		(void)*(const volatile uint8_t *)(at + i);
}

/* Every byte that a later stage may read: the sanitizer watches. */
static void read_payloads(const struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		const struct packet *p = &b->packet[i];

		if (p->payload_captured_bytes > p->payload_bytes)
			abort();
		read_bytes(p->payload, p->payload_captured_bytes);
		read_bytes(p->tcp_options, p->tcp_option_bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct burst burst;
	struct counters counters = { 0 };
	struct arena arena;
	struct decode decode;

	if (bytes == 0)
		return 0;

	struct decode_settings settings = {
		.checksum = (data[0] & 1) != 0,
		.extension_headers = 16,
		.encapsulations = 8,
		.fragment_bytes = (data[0] & 2) != 0 ? 2048 : 1 << 20,
		.fragments_per_datagram = (data[0] & 4) != 0 ? 3 : 64,
		.fragment_timeout_ns = 30 * CLOCK_SECOND_NS,
		.workers = 1,
	};

	if (arena_init(&arena) < 0)
		return 0;
	if (decode_init(&decode, &settings, &arena, &counters) == 0) {
		uint32_t taken = fill(&burst, data + 1, bytes - 1);

		decode_burst(&decode, &burst);
		if (counters.value[C_received] != taken)
			abort();
		check_balance(&counters, burst.count);
		read_payloads(&burst);
		decode_fini(&decode);
	}
	arena_fini(&arena);
	return 0;
}
