/* fuzz_reassembly - segments in any order, overlap and sequence: the sink hears
 * every byte once and in order, the payload balance closes after every packet,
 * and all memory comes back.
 *
 * Input: one segment per 8 bytes: side and flags, offset (signed 16 bits, scaled), length, time, ack.
 */
#include <string.h>

#include "tests/support/segments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct bench b;
	static uint8_t payload[256];
	struct reassembly_settings s = bench_reassembly_settings();

	s.held_segments = 32;
	s.held_bytes = 4096;
	s.history_bytes = bytes % 2 == 0 ? 0 : 64;
	memset(payload, 'x', sizeof(payload));
	bench_open(&b, NULL, &s);
	for (; bytes >= 8 && b.events < BENCH_EVENTS - 512; data += 8, bytes -= 8) {
		int16_t offset = (int16_t)(data[1] << 8 | data[2]);
		uint32_t n = data[3];

		bench_send(&b, (struct sent){ .side = (enum side)(data[0] & 1),
					      .flags = data[0] >> 1 & 0x3f,
					      .offset = (int64_t)offset * (data[0] & 0x80 ? 4096 : 1),
					      .data = payload,
					      .bytes = n,
					      .cut_bytes = data[4] % (n + 1),
					      .ack = (int8_t)data[5] * 4,
					      .after_ns = (uint64_t)data[6] * 1000000 + 1 });
		if (data[7] == 0)
			bench_later(&b, 30 * CLOCK_SECOND_NS);
	}
	bench_close(&b);
	return 0;
}
