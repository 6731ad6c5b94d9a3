/* fuzz_dissector - any bytes of two sides in any order, with gaps and ends: a dissector keeps to
 * its contract (fake_host ends the process when it does not), and every message ends.
 *
 * Which one is said by the build: -DFUZZ_DISSECTOR=dissector_<name>, a target for each.
 *
 * Input: one byte of settings, then steps: a byte that says which side and what, a byte that says
 * how much, and for bytes to feed those bytes. Datagrams are fed whole, by the second kind of step
 * sixteen times as large.
 */
#include "tests/support/fake_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

extern const struct dissector FUZZ_DISSECTOR;

enum step { STEP_FEED, STEP_FEED_BYTEWISE, STEP_GAP, STEP_WAIT_OVER, STEP_CLOSE, STEPS };
enum { SCALE = 16 };

/* One step from the front of `in`. Returns how many bytes it was. */
static size_t take_step(struct conn *c, bool datagrams, struct slice in)
{
	enum side side = (in.at[0] & 1) != 0 ? SIDE_B : SIDE_A;
	enum step step = (enum step)((in.at[0] >> 1) % STEPS);
	size_t amount = in.at[1];
	struct slice rest = slice_after(in, 2);

	if (c->side[side].closed)
		return 2;
	if (amount > rest.bytes)
		amount = rest.bytes;
	if (datagrams && step == STEP_FEED_BYTEWISE)
		amount = amount * SCALE < rest.bytes ? amount * SCALE : rest.bytes;
	if (datagrams && step <= STEP_FEED_BYTEWISE) {
		fake_datagram(c, side, rest.at, amount);
		return 2 + amount;
	}
	if (datagrams && step != STEP_CLOSE)
		return 2;
	switch (step) {
	case STEP_FEED: fake_feed(c, side, rest.at, amount); return 2 + amount;
	case STEP_FEED_BYTEWISE: fake_feed_bytewise(c, side, rest.at, amount); return 2 + amount;
	case STEP_GAP: fake_gap(c, side, 1 + in.at[1] * (uint64_t)SCALE); break;
	case STEP_WAIT_OVER: fake_wait_over(c); break;
	case STEP_CLOSE: fake_close(c, side); break;
	case STEPS: break;
	}
	return 2;
}

static void check_ends(const struct conn *c)
{
	for (const struct message *m = c->first; m != NULL && !c->opaque; m = m->next)
		if (!m->ended)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct slice in = slice_of(data, bytes);
	struct fake_settings settings;
	bool datagrams;
	struct conn c;

	if (in.bytes == 0)
		return 0;
	datagrams = FUZZ_DISSECTOR.datagrams != NULL &&
		    (FUZZ_DISSECTOR.feed == NULL || (data[0] & 16) != 0);
	settings = (struct fake_settings){ .head_bytes = (data[0] & 1) != 0 ? 64 : 4096,
					   .client_unknown = (data[0] & 2) != 0,
					   .midstream = (data[0] & 4) != 0,
					   .without_headers = (data[0] & 8) != 0 };
	if (FUZZ_DISSECTOR.probe != NULL)
		FUZZ_DISSECTOR.probe(slice_of(data, bytes < 256 ? bytes : 256), 80);
	if (datagrams)
		FUZZ_DISSECTOR.datagrams->probe(slice_of(data, bytes < 256 ? bytes : 256), 80);
	fake_open(&c, &FUZZ_DISSECTOR, &settings);
	for (in = slice_after(in, 1); in.bytes >= 2;)
		in = slice_after(in, take_step(&c, datagrams, in));
	for (int side = 0; side < 2; side++)
		if (!c.side[side].closed)
			fake_close(&c, (enum side)side);
	check_ends(&c);
	fake_free(&c);
	return 0;
}
