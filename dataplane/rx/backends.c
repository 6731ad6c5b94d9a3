/* backends - the table of capture back ends, from the list in rx/meson.build. */
#include <string.h>

#include "dataplane/base/compiler.h"
#include "dataplane/rx/rx.h"

#define RX_BACKEND(name) extern const struct rx_backend rx_##name;
#include "dataplane/rx/rx_backends.inc"
#undef RX_BACKEND

const struct rx_backend *const rx_backends[] = {
#define RX_BACKEND(name) &rx_##name,
#include "dataplane/rx/rx_backends.inc"
#undef RX_BACKEND
};

const uint32_t rx_backend_count = array_count(rx_backends);

const struct rx_backend *rx_backend_find(const char *name, size_t bytes)
{
	for (uint32_t i = 0; i < rx_backend_count; i++) {
		const char *known = rx_backends[i]->name;

		if (strlen(known) == bytes && memcmp(known, name, bytes) == 0)
			return rx_backends[i];
	}
	return NULL;
}
