/* text - how a record reads: the list of formats.
 *
 *     open -> { record }* -> { finish }* -> close
 *
 * A format turns one checked record into text. Where the text goes is another
 * list (export/sink): any format can go anywhere. A format is one file with one
 * `struct text_format` and one word in TEXT_LIST.
 *
 * The records' names come from dissectors/registry.h; a format knows no
 * protocol.
 */
#ifndef CONTROL_EXPORT_TEXT_TEXT_H
#define CONTROL_EXPORT_TEXT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/shm/record.h"
#include "dataplane/shm/region.h"

#define TEXT_LIST(X)                                                                               \
	X(jsonl, "one JSON object per line")                                                       \
	X(streams, "one line per direction of a TCP connection, with a hash of its bytes")

/* The longest text of one record. A byte of it becomes at most six characters and a base64 of it;
 * eight bytes of an empty field become at most a pair's brackets, quotes and commas. */
#define TEXT_LINE_MAX (16 * (size_t)RECORD_BYTES_MAX + (64 << 10))

/* A record must be readable this far beyond its end. */
enum { TEXT_SLACK_BYTES = 16 };

/* Where a record comes from: one per region, made once. */
struct text_origin {
	const struct region_reader *region; /* for the names of interfaces; NULL: there are none */
	uint32_t envelope_bytes;
	char envelope[64]; /* ,"run":"k3q9","worker":0,"seq": */
};

/* text_origin_init - `run` is at most 16 letters and digits and need not end in 0. */
void text_origin_init(struct text_origin *o, const char *run, uint32_t worker,
		      const struct region_reader *region);

struct text; /* a format's own */

struct text_format {
	const char *name;
	uint8_t type;  /* enum record_type it can tell of; others are passed over */
	bool framed;   /* start and end line around the records */
	bool collects; /* nothing leaves before finish(): a control that is killed loses it all */

	/* Returns: 0, -ENOMEM. */
	int (*open)(struct text **ret);

	/* record - write the text of a checked record of `type` at `at`, where TEXT_LINE_MAX bytes
	 * are. Returns the end of the text (`at` from a format that collects); NULL: no memory. */
	char *(*record)(struct text *t, char *at, const void *record,
			const struct text_origin *origin);

	/* finish - the next lines of what was collected, at most TEXT_LINE_MAX bytes of whole
	 * lines, until it returns `at`. NULL where nothing is collected. */
	char *(*finish)(struct text *t, char *at);
	void (*close)(struct text *t);
};

#define TEXT_DECLARE(name, help) extern const struct text_format text_##name;
TEXT_LIST(TEXT_DECLARE)

/* text_find - the format called `name`, or NULL. */
const struct text_format *text_find(const char *name);

#endif
