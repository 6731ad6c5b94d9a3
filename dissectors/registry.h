/* registry - the list of dissectors (dissectors/meson.build) as C. */
#ifndef DISSECTORS_REGISTRY_H
#define DISSECTORS_REGISTRY_H

#include "dissectors/dissector.h"

/* At most this many; a protocol is a byte in a record, 255 means none. */
enum { DISSECTORS_MAX = 64, DISSECTOR_NONE = 255 };

extern const struct dissector *const dissectors[];
extern const uint32_t dissector_count;

/* dissector_find - index of the dissector called `name`, or DISSECTOR_NONE. */
uint32_t dissector_find(const char *name);

#endif
