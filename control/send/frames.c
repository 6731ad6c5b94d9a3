#include "control/send/frames.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dataplane/rx/rx.h"
#include "dataplane/shm/settings.h"

/* By name and not through the table of back ends, so that no other is linked. */
extern const struct rx_backend rx_file, rx_synth;

enum { PIPE_WAIT_MS = 100 };

static_assert((int)BURST_PACKETS >= (int)TX_BATCH_FRAMES, "a pull fills a batch");

struct frames {
	/* numbered */
	uint8_t *memory; /* TX_BATCH_FRAMES frames; NULL: captured ones */
	uint32_t size_bytes, flows;
	uint64_t next;

	/* captured */
	const struct rx_backend *backend;
	struct rx_open how;
	struct rx_port *port;
	struct settings *settings;
	bool loop;
	bool borrowed;    /* the port's frames of the last pull */
	uint64_t in_pass; /* frames since it began again */
	enum frames_state state;
	struct send_error why;
};

/* ---- numbered ---- */

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(at, &v, sizeof(v));
}

static void put64(uint8_t *at, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(at, &v, sizeof(v));
}

static uint16_t header_checksum(const uint8_t header[20])
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~((sum >> 16) + sum);
}

/* Everything of a numbered frame but its source port and number. */
static void put_template(uint8_t *frame, uint32_t bytes)
{
	static const uint8_t head[] = {
		2,    0,    0x0a, 0x53, 0,  2,  2,    0,
		0x0a, 0x53, 0,    1,                     /* 02:00: and the addresses */
		0x08, 0,                                 /* IPv4 */
		0x45, 0,    0,    0,    0,  0,  0x40, 0, /* do not fragment */
		64,   17,   0,    0,                     /* time to live, UDP */
		10,   83,   0,    1,    10, 83, 0,    2,
	};
	uint8_t *ip = frame + 14, *udp = ip + 20;

	memset(frame, 0, bytes);
	memcpy(frame, head, sizeof(head));
	put16(ip + 2, bytes - 14);
	put16(ip + 10, header_checksum(ip));
	put16(udp + 2, NUMBERED_PORT);
	put16(udp + 4, bytes - 34);
	put32(frame + NUMBERED_MAGIC_AT, NUMBERED_MAGIC);
}

static int numbered_open(struct frames *f, const struct frames_plan *plan, struct send_error *err)
{
	if (plan->size_bytes < NUMBERED_BYTES_MIN || plan->size_bytes > NUMBERED_BYTES_MAX)
		return send_refuse(err, -EINVAL, "a frame has %u to %u bytes, not %u",
				   NUMBERED_BYTES_MIN, NUMBERED_BYTES_MAX, plan->size_bytes);
	if (plan->flows < 1 || plan->flows > NUMBERED_FLOWS_MAX)
		return send_refuse(err, -EINVAL, "there can be 1 to %u flows, not %u",
				   NUMBERED_FLOWS_MAX, plan->flows);
	f->size_bytes = plan->size_bytes;
	f->flows = plan->flows;
	f->memory = malloc((size_t)TX_BATCH_FRAMES * f->size_bytes);
	if (f->memory == NULL)
		return send_refuse(err, -ENOMEM, "there is no memory for the frames");
	for (uint32_t i = 0; i < TX_BATCH_FRAMES; i++)
		put_template(f->memory + (size_t)i * f->size_bytes, f->size_bytes);
	return 0;
}

static uint32_t numbered_pull(struct frames *f, struct tx_frame *ret, uint32_t room)
{
	for (uint32_t i = 0; i < room; i++, f->next++) {
		uint8_t *frame = f->memory + (size_t)i * f->size_bytes;

		put16(frame + 34, (uint32_t)(NUMBERED_PORT + f->next % f->flows));
		put64(frame + NUMBERED_NUMBER_AT, f->next);
		ret[i] = (struct tx_frame){ .bytes = frame, .length_bytes = f->size_bytes };
	}
	return room;
}

/* ---- captured ---- */

static int port_open(struct frames *f, struct send_error *err)
{
	struct rx_error why = { "" };
	int code = f->backend->open(&f->how, &f->port, &why);

	return code < 0 ? send_refuse(err, code, "%s", why.text) : 0;
}

static bool can_be_read_again(const char *file)
{
	struct stat st;

	return strcmp(file, "-") != 0 && (stat(file, &st) < 0 || !S_ISFIFO(st.st_mode));
}

static int captured_open(struct frames *f, const struct frames_plan *plan, struct send_error *err)
{
	size_t bytes = plan->file != NULL ? strlen(plan->file) + 1 : 0;

	if (plan->loop && plan->file != NULL && !can_be_read_again(plan->file))
		return send_refuse(
			err, -EINVAL,
			"a pipe can be read only once; write it to a file to use --loop");
	if (bytes > SETTINGS_PATH_BYTES)
		return send_refuse(err, -EINVAL, "the file's name is too long");
	f->settings = calloc(1, sizeof(*f->settings));
	if (f->settings == NULL)
		return send_refuse(err, -ENOMEM, "there is no memory");
	if (plan->file != NULL) {
		f->settings->input_count = 1;
		f->settings->input_bytes = (uint32_t)bytes;
		memcpy(f->settings->input, plan->file, bytes);
	}
	f->backend = plan->file != NULL ? &rx_file : &rx_synth;
	f->loop = plan->loop;
	/* The port of a worker that is not the first: the first one's tells the user what decode
	 * will make of the capture, which is not our business. */
	f->how = (struct rx_open){
		.settings = f->settings,
		.argument = plan->synth,
		.worker = 1,
		.workers = 1,
	};
	return port_open(f, err);
}

static void wait_for_pipe(struct frames *f)
{
	struct pollfd p = { .events = POLLIN };

	p.fd = f->backend->wait_fd != NULL ? f->backend->wait_fd(f->port) : -1;
	if (p.fd >= 0)
		(void)poll(&p, 1, PIPE_WAIT_MS);
}

/* begin_again - A pass without a frame would be followed by others like it. */
static void begin_again(struct frames *f)
{
	if (!f->loop || f->in_pass == 0) {
		f->state = FRAMES_END;
		return;
	}
	f->backend->close(f->port);
	f->port = NULL;
	f->in_pass = 0;
	if (port_open(f, &f->why) < 0)
		f->state = FRAMES_GONE;
}

/* dry - the port gave nothing: wait, begin again, or note why that was all. */
static void dry(struct frames *f)
{
	struct rx_error why = { "" };

	switch (f->backend->state(f->port, &why)) {
	case RX_OPEN: wait_for_pipe(f); return;
	case RX_END: begin_again(f); return;
	case RX_DAMAGED: f->state = FRAMES_DAMAGED; break;
	case RX_GONE: f->state = FRAMES_GONE; break;
	}
	send_refuse(&f->why, 0, "%s", why.text);
}

/* take - Returns how many of the packets are Ethernet frames up to the first that is none. */
static uint32_t take(struct frames *f, const struct packet *packet, uint32_t count,
		     struct tx_frame *ret)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct packet *p = &packet[i];

		if (p->link != LINK_ETHERNET) {
			f->state = FRAMES_FOREIGN;
			send_refuse(&f->why, 0,
				    "packet %llu is of link type %u: only Ethernet frames can be "
				    "sent; convert the capture, or take those packets out of it",
				    (unsigned long long)p->number, p->link);
			return i;
		}
		ret[i] = (struct tx_frame){ .bytes = p->frame,
					    .length_bytes = p->caplen_bytes,
					    .is_cut = p->caplen_bytes < p->wire_bytes };
	}
	return count;
}

static uint32_t captured_pull(struct frames *f, struct tx_frame *ret, uint32_t room)
{
	struct packet packet[BURST_PACKETS];
	uint32_t n;

	if (f->borrowed)
		f->backend->give_back(f->port);
	f->borrowed = false;
	if (f->state != FRAMES_OPEN)
		return 0;
	n = f->backend->pull(f->port, packet, room);
	if (n == 0) {
		dry(f);
		return 0;
	}
	f->borrowed = true;
	f->in_pass += n;
	return take(f, packet, n, ret);
}

/* ---- both ---- */

int frames_open(const struct frames_plan *plan, struct frames **ret, struct send_error *err)
{
	struct frames *f = calloc(1, sizeof(*f));
	int code;

	if (f == NULL)
		return send_refuse(err, -ENOMEM, "there is no memory");
	if (plan->file != NULL || plan->synth != NULL)
		code = captured_open(f, plan, err);
	else
		code = numbered_open(f, plan, err);
	if (code < 0)
		frames_close(f);
	else
		*ret = f;
	return code;
}

uint32_t frames_pull(struct frames *f, struct tx_frame *ret, uint32_t room)
{
	return f->memory != NULL ? numbered_pull(f, ret, room) : captured_pull(f, ret, room);
}

enum frames_state frames_state(const struct frames *f, struct send_error *err)
{
	if (f->state != FRAMES_OPEN && f->state != FRAMES_END)
		*err = f->why;
	return f->state;
}

bool frames_are_numbered(const struct frames *f)
{
	return f->memory != NULL;
}

void frames_close(struct frames *f)
{
	if (f == NULL)
		return;
	if (f->port != NULL)
		f->backend->close(f->port);
	free(f->settings);
	free(f->memory);
	free(f);
}
