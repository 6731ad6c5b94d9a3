/* dpdk_capture - a capture file walked with the reader that `weir read` has. */
#include "dataplane/rx/dpdk_capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/shm/settings.h"

static int walk(const struct rx_backend *b, struct rx_port *port, dpdk_capture_fn *fn,
		void *context, struct rx_error *err)
{
	static struct packet packet[BURST_PACKETS];
	enum rx_state state;
	int code = 0;

	do {
		uint32_t n = b->pull(port, packet, BURST_PACKETS);

		for (uint32_t i = 0; i < n && code == 0; i++)
			code = fn(context, &packet[i]);
		b->give_back(port);
		state = n > 0 ? RX_OPEN : b->state(port, err);
	} while (code == 0 && state == RX_OPEN);
	return code == 0 && state == RX_DAMAGED ? -EIO : code;
}

int dpdk_capture_walk(const char *path, dpdk_capture_fn *fn, void *context, struct rx_error *err)
{
	static struct settings settings; /* zero but for the one input */
	const struct rx_backend *b = rx_backend_find("file", 4);
	struct rx_open how = { .settings = &settings, .workers = 1 };
	struct rx_port *port;
	int code;

	if (strlen(path) + 2 > sizeof(settings.input))
		return -ENAMETOOLONG;
	memset(settings.input, 0, strlen(path) + 2);
	memcpy(settings.input, path, strlen(path));
	settings.input_count = 1;
	settings.input_bytes = (uint32_t)strlen(path) + 1;
	code = b->open(&how, &port, err);
	if (code < 0)
		return code;
	code = walk(b, port, fn, context, err);
	b->close(port);
	return code;
}

static int measure(void *context, const struct packet *packet)
{
	struct dpdk_capture_size *size = context;

	size->packets++;
	size->bytes += packet->caplen_bytes;
	if (packet->caplen_bytes > size->longest_bytes)
		size->longest_bytes = packet->caplen_bytes;
	return 0;
}

int dpdk_capture_measure(const char *path, struct dpdk_capture_size *ret, struct rx_error *err)
{
	struct dpdk_capture_size size = { 0 };
	int code = dpdk_capture_walk(path, measure, &size, err);

	if (code == 0)
		*ret = size;
	return code;
}
