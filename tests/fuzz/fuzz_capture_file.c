/* fuzz_capture_file - the whole file reader over hostile bytes: recognising, decompressing, both
 * formats.
 *
 * What holds for every input: frames can be read to their last byte, numbers
 * rise by one, what was offered was received or lost, and the end is an end.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/base/ensure.h"
#include "dataplane/rx/rx.h"
#include "dataplane/shm/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct settings settings;

/* hold - the bytes as a file that can be opened by its path. */
static void hold(const uint8_t *data, size_t bytes)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	ENSURE(fd >= 0 && ftruncate(fd, 0) == 0);
	ENSURE(pwrite(fd, data, bytes, 0) == (ssize_t)bytes);
	snprintf(settings.input, 64, "/proc/self/fd/%d", fd);
	settings.input_count = 1;
}

static void read_burst(const struct packet *packet, uint32_t count, uint64_t *number)
{
	volatile uint8_t last = 0;

	for (uint32_t i = 0; i < count; i++) {
		ENSURE(packet[i].number == ++*number);
		ENSURE(packet[i].caplen_bytes <= packet[i].wire_bytes);
		for (uint32_t j = 0; j < packet[i].caplen_bytes; j++)
			last = packet[i].frame[j];
	}
	(void)last;
}

static void read_port(const struct rx_backend *b, struct rx_port *port)
{
	struct packet packet[BURST_PACKETS];
	struct rx_counters counters;
	struct rx_error err;
	uint64_t number = 0;
	uint32_t n;

	while ((n = b->pull(port, packet, BURST_PACKETS)) > 0) {
		ENSURE(n <= BURST_PACKETS);
		read_burst(packet, n, &number);
		b->give_back(port);
	}
	ENSURE(b->state(port, &err) != RX_OPEN);
	b->counters(port, &counters);
	ENSURE(counters.received == number);
	ENSURE(counters.offered == number + counters.lost[RX_LOST_nic]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const struct rx_backend *b = rx_backend_find("file", 4);
	struct rx_open how = { .settings = &settings, .workers = 1 };
	struct rx_error err = { "" };
	struct rx_port *port;

	hold(data, bytes);
	if (b->open(&how, &port, &err) < 0) {
		ENSURE(err.text[0] != 0);
		return 0;
	}
	read_port(b, port);
	b->close(port);
	return 0;
}
