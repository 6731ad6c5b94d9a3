/* identify - one scan, then the probes. See identify.h. */
#include "dataplane/dissect/identify.h"

#include <errno.h>
#include <hs.h>
#include <stdlib.h>
#include <string.h>

/* What is looked for in one kind of traffic. */
struct looked_for {
	hs_database_t *hs; /* NULL: none of those enabled has a pattern */
	uint64_t enabled;  /* who can be found there */
	uint64_t always;   /* who has no pattern and is always asked */
};

enum kind { STREAMS, DATAGRAMS, KINDS };

struct identify_database {
	struct looked_for in[KINDS];
};

enum { PATTERNS_MAX = 1024 };

/* The set of dissectors that `names` enables. */
static int enabled_set(const char *names, uint64_t *ret, const char **ret_bad)
{
	*ret = 0;
	if (*names == 0) {
		*ret = dissector_count == 64 ? UINT64_MAX : (UINT64_C(1) << dissector_count) - 1;
		return 0;
	}
	for (; *names != 0; names += strlen(names) + 1) {
		uint32_t i = dissector_find(names);

		if (i == DISSECTOR_NONE) {
			*ret_bad = names;
			return -EINVAL;
		}
		*ret |= UINT64_C(1) << i;
	}
	return 0;
}

static bool is_found_in(const struct dissector *d, enum kind kind)
{
	if (kind == DATAGRAMS)
		return d->datagrams != NULL && d->datagrams->probe != NULL;
	return d->feed != NULL && d->probe != NULL;
}

static struct slice_of_patterns {
	const struct pattern *at;
	uint32_t count;
} patterns_of(const struct dissector *d, enum kind kind)
{
	if (kind == DATAGRAMS)
		return (struct slice_of_patterns){ d->datagrams->patterns,
						   d->datagrams->pattern_count };
	return (struct slice_of_patterns){ d->patterns, d->pattern_count };
}

/* Returns: 0; -EINVAL and *ret_bad. */
static int compile(struct looked_for *l, enum kind kind, uint64_t enabled, const char **ret_bad)
{
	static const char *regex[PATTERNS_MAX];
	static unsigned flags[PATTERNS_MAX], id[PATTERNS_MAX];
	hs_compile_error_t *error = NULL;
	unsigned count = 0;

	for (uint32_t i = 0; i < dissector_count; i++) {
		struct slice_of_patterns p;

		if ((enabled >> i & 1) == 0 || !is_found_in(dissectors[i], kind))
			continue;
		p = patterns_of(dissectors[i], kind);
		l->enabled |= UINT64_C(1) << i;
		if (p.count == 0)
			l->always |= UINT64_C(1) << i;
		for (uint32_t k = 0; k < p.count && count < PATTERNS_MAX; k++) {
			regex[count] = p.at[k].regex;
			flags[count] = p.at[k].hs_flags | HS_FLAG_SINGLEMATCH;
			id[count++] = i;
		}
	}
	if (count == 0 || hs_compile_multi(regex, flags, id, count, HS_MODE_BLOCK, NULL, &l->hs,
					   &error) == HS_SUCCESS)
		return 0;
	*ret_bad = error->expression >= 0 ? regex[error->expression] : "all patterns together";
	hs_free_compile_error(error);
	return -EINVAL;
}

int identify_compile(const char *names, struct identify_database **ret, uint64_t *ret_enabled,
		     const char **ret_bad)
{
	struct identify_database *d;
	int err = enabled_set(names, ret_enabled, ret_bad);

	if (err < 0)
		return err;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	for (int kind = 0; kind < KINDS && err == 0; kind++)
		err = compile(&d->in[kind], (enum kind)kind, *ret_enabled, ret_bad);
	if (err < 0) {
		identify_free(d);
		return err;
	}
	*ret = d;
	return 0;
}

void identify_free(struct identify_database *d)
{
	if (d == NULL)
		return;
	for (int kind = 0; kind < KINDS; kind++)
		hs_free_database(d->in[kind].hs);
	free(d);
}

int identify_init(struct identify *i, const struct identify_database *d, uint64_t enabled)
{
	hs_scratch_t *scratch = NULL;

	for (int kind = 0; kind < KINDS; kind++) {
		if (d->in[kind].hs == NULL ||
		    hs_alloc_scratch(d->in[kind].hs, &scratch) == HS_SUCCESS)
			continue;
		hs_free_scratch(scratch);
		return -ENOMEM;
	}
	*i = (struct identify){ .database = d, .scratch = scratch, .enabled = enabled };
	return 0;
}

void identify_fini(struct identify *i)
{
	hs_free_scratch(i->scratch);
	i->scratch = NULL;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		    void *context)
{
	uint64_t *candidates = context;

	(void)from, (void)to, (void)flags;
	*candidates |= UINT64_C(1) << id;
	return 0;
}

static uint64_t scan(const struct identify *i, enum kind kind, struct slice first)
{
	const struct looked_for *l = &i->database->in[kind];
	unsigned bytes = first.bytes < IDENTIFY_SCAN_BYTES ? (unsigned)first.bytes
							   : IDENTIFY_SCAN_BYTES;
	uint64_t candidates = l->always;

	if (l->hs != NULL)
		hs_scan(l->hs, (const char *)first.at, bytes, 0, i->scratch, on_match, &candidates);
	return candidates & l->enabled;
}

enum guess identify_side(const struct identify *i, struct slice first, uint16_t port, bool last,
			 uint64_t *candidates, uint32_t *ret)
{
	uint32_t maybe = DISSECTOR_NONE;
	uint64_t more = 0;

	if (first.bytes < IDENTIFY_FIRST_BYTES && !last)
		return GUESS_MORE;
	if (*candidates == UINT64_MAX) {
		*candidates = scan(i, STREAMS, first);
		if (*candidates == 0 && first.bytes < IDENTIFY_SCAN_BYTES && !last) {
			*candidates = UINT64_MAX; /* a pattern may need more than has come */
			return GUESS_MORE;
		}
	}
	for (uint64_t left = *candidates; left != 0; left &= left - 1) {
		uint32_t k = (uint32_t)__builtin_ctzll(left);

		switch (dissectors[k]->probe(first, port)) {
		case GUESS_YES: *ret = k; return GUESS_YES;
		case GUESS_MAYBE:
			maybe = maybe == DISSECTOR_NONE ? k : maybe;
			more |= 1ull << k;
			break;
		case GUESS_MORE: more |= 1ull << k; break;
		case GUESS_NO: break;
		}
	}
	*candidates = more;
	if (maybe != DISSECTOR_NONE && (last || more == UINT64_C(1) << maybe)) {
		*ret = maybe;
		return GUESS_YES;
	}
	return more != 0 && !last ? GUESS_MORE : GUESS_NO;
}

bool identify_datagram(const struct identify *i, struct slice datagram, uint16_t port,
		       uint32_t *ret)
{
	uint32_t maybe = DISSECTOR_NONE;

	if (datagram.bytes > IDENTIFY_PROBE_BYTES)
		datagram.bytes = IDENTIFY_PROBE_BYTES;
	for (uint64_t left = scan(i, DATAGRAMS, datagram); left != 0; left &= left - 1) {
		uint32_t k = (uint32_t)__builtin_ctzll(left);
		enum guess guess = dissectors[k]->datagrams->probe(datagram, port);

		if (guess == GUESS_YES) {
			*ret = k;
			return true;
		}
		if (guess != GUESS_NO && maybe == DISSECTOR_NONE)
			maybe = k;
	}
	*ret = maybe;
	return maybe != DISSECTOR_NONE;
}
