/* options - the argument of a back end: `ARG,option=value,…`.
 *
 *     --rx af_xdp:eth0,mode=generic,ring=8192
 *
 * A back end lists what it takes; reading, limits, complaints and the text of
 * --list-rx come from the list. The value of an option that was not given is its default.
 */
#ifndef DATAPLANE_RX_OPTIONS_H
#define DATAPLANE_RX_OPTIONS_H

#include <stdio.h>

#include "dataplane/rx/rx.h"

enum rx_option_kind {
	RX_OPTION_COUNT,   /* uint64_t; min..max */
	RX_OPTION_BYTES,   /* uint64_t; `64k`, `4m` are understood too; min..max */
	RX_OPTION_TIME_NS, /* uint64_t; `100us`, `20ms`, `1s`; min..max */
	RX_OPTION_PORTION, /* double, 0..1 */
	RX_OPTION_WORD,    /* uint64_t: index into `words`; def likewise */
	RX_OPTION_TEXT,    /* char[max], with its end; "" by default */
};

struct rx_option {
	const char *name; /* NULL ends the list */
	enum rx_option_kind kind;
	size_t offset; /* of the member in the caller's struct */
	uint64_t def, min, max;
	const char *const *words; /* RX_OPTION_WORD: ends with NULL */
	const char *help;
};

/* options_read - defaults into `ret`, then what `argument` says over them. What stands before the
 * first comma and has no `=` is the bare argument (an interface); it is copied into `bare`, which
 * is "" if there is none. `bare` NULL: a bare argument is refused. `backend` begins every
 * complaint. Returns: 0; -EINVAL with err: what is wrong and what would be right. */
int options_read(const char *backend, const struct rx_option *options, const char *argument,
		 char *bare, size_t bare_bytes, void *ret, struct rx_error *err);

/* options_print - one line per option, for --list-rx and help: name, values, default, meaning. */
void options_print(const struct rx_option *options, FILE *to);

#endif
