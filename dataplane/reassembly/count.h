/* count - a sink that counts (--until reassembly): the pipeline ends here. */
#ifndef DATAPLANE_REASSEMBLY_COUNT_H
#define DATAPLANE_REASSEMBLY_COUNT_H

#include "dataplane/reassembly/sink.h"

struct sink count_sink(void);

#endif
