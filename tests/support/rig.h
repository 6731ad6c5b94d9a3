/* rig - the stages behind reassembly on the bench of segments.h, and a reader of the ring.
 *
 *     rig_say() -> reassembly -> host -> pair -> emit -> ring -> rig_hear()
 *
 * Which protocols there are is decided by the registry that the test links: toy.c, or its own.
 * Every record heard is checked as control would check it and must have the next number.
 */
#ifndef TESTS_SUPPORT_RIG_H
#define TESTS_SUPPORT_RIG_H

#include "dataplane/dissect/host.h"
#include "dataplane/emit/emit.h"
#include "dataplane/shm/settings.h"
#include "tests/support/segments.h"

enum { RIG_TEXT_BYTES = 4096 };

struct rig_settings {
	struct host_settings host;
	struct pair_settings pair;
	struct emit_settings emit;
	struct reassembly_settings reassembly;
	const char *dissectors; /* as settings.dissectors; "": all */
};

struct rig {
	struct bench b;
	struct stage_timer timer;
	struct region_writer region;
	struct ring_consumer consumer;
	struct ring_down *down;
	struct emit_door door;
	struct emit emit;
	struct pair pair;
	struct host host;
	struct identify_database *database;
	struct identify identify;
	uint64_t offset[2]; /* where each side goes on */
	uint64_t seq;       /* of the next record */
	char text[RIG_TEXT_BYTES];
};

/* rig_settings - small limits, so that a test reaches them in a line. */
struct rig_settings rig_settings(void);

void rig_open(struct rig *r, const struct rig_settings *s);

/* rig_close - the capture ends. Checks that every balance closes and every byte is given back. */
void rig_close(struct rig *r);

/* rig_connect - another connection, opened by SIDE_A, and both sides at its start. */
void rig_connect(struct rig *r);

/* rig_send - the side's next bytes in one segment that acknowledges all of the other side. */
void rig_send(struct rig *r, enum side side, const void *data, uint32_t bytes);
void rig_say(struct rig *r, enum side side, const char *text);

/* rig_say_bytewise - the same, a segment per byte. */
void rig_say_bytewise(struct rig *r, enum side side, const char *text);

/* rig_lose - bytes that were sent and acknowledged, but never captured. */
void rig_lose(struct rig *r, enum side side, uint64_t bytes);

/* rig_hear - the next record, described in r->text; NULL when there is none.
 *
 *     "outcome[:why] request-field ... response-field ..."
 *
 * Memory: borrowed until rig_forget(). */
const struct record *rig_hear(struct rig *r);
const struct record *rig_expect(struct rig *r, const char *wanted);
void rig_expect_nothing(struct rig *r);

/* rig_forget - what was heard makes room in the ring. */
void rig_forget(struct rig *r);

/* rig_balance - what is left open of a balance: `in` less `out`. */
uint64_t rig_balance(const struct rig *r, enum balance which);

#endif
