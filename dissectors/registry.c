/* registry - the list in meson.build, as C. */
#include "dissectors/registry.h"

#include <string.h>

#define DISSECTOR(name) extern const struct dissector dissector_##name;
#include "dissectors/dissectors.inc"
#undef DISSECTOR

#define DISSECTOR(name) &dissector_##name,
const struct dissector *const dissectors[] = {
#include "dissectors/dissectors.inc"
};
#undef DISSECTOR

const uint32_t dissector_count = sizeof(dissectors) / sizeof(dissectors[0]);
_Static_assert(sizeof(dissectors) / sizeof(dissectors[0]) <= DISSECTORS_MAX,
	       "sets of dissectors are 64 bits wide");

uint32_t dissector_find(const char *name)
{
	for (uint32_t i = 0; i < dissector_count; i++)
		if (strcmp(dissectors[i]->name, name) == 0)
			return i;
	return DISSECTOR_NONE;
}
