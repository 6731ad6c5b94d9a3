/* digest - a sink that hashes each direction (--format streams): one record_stream per
 * direction of every connection, when it ends.
 *
 * The hash is SHA-256 over the delivered bytes; the first copy of a byte wins.
 * A gap is told only if delivered bytes follow it.
 */
#ifndef DATAPLANE_REASSEMBLY_DIGEST_H
#define DATAPLANE_REASSEMBLY_DIGEST_H

#include "dataplane/base/arena.h"
#include "dataplane/emit/emit.h"
#include "dataplane/reassembly/sink.h"

struct digest {
	struct arena *arena;
	struct emit *emit;
	struct counters *counters;
};

struct sink digest_sink(struct digest *d);

#endif
