/* file - captures on disk and from pipes: several inputs, one capture.
 *
 * pcap and pcapng, as they are or compressed, one after the other. Packet numbers, and
 * with them flows, go on from one input to the next. Damage ends an input, not
 * the capture: what follows is still read, and the first damage is told at the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/compiler.h"
#include "dataplane/rx/capture_file.h"
#include "dataplane/rx/inputs.h"
#include "dataplane/rx/rx.h"
#include "dataplane/shm/settings.h"

struct file_port {
	struct rx_port_head head;
	struct capture capture;
	struct inputs inputs;
	uint32_t current;     /* input being read; inputs.count: the last one is over */
	uint32_t damaged;     /* inputs that were */
	uint32_t told_inputs; /* inputs up to here need no word about unknown link types any more */
	bool is_first;        /* the first worker's port */
	uint64_t received;
	uint64_t past_bytes;    /* on disk, of the inputs before the current one */
	struct rx_error damage; /* of the first */
};

extern const struct rx_backend rx_file;

static struct file_port *of(struct rx_port *p)
{
	return (struct file_port *)(void *)p;
}

static int file_open(const struct rx_open *how, struct rx_port **ret, struct rx_error *err)
{
	struct file_port *p = calloc(1, sizeof(*p));
	int code = -ENOMEM;

	if (p == NULL || capture_init(&p->capture, (uint32_t)how->settings->snaplen_bytes,
				      how->iface, how->iface_context) < 0) {
		snprintf(err->text, sizeof(err->text), "there is no memory to read files");
		goto err_free;
	}
	code = inputs_open(&p->inputs, how, err);
	if (code < 0)
		goto err_capture;
	p->head.backend = &rx_file;
	p->is_first = how->worker == 0;
	capture_begin(&p->capture, &p->inputs.input[0].stream);
	*ret = (struct rx_port *)(void *)p;
	return 0;

err_capture:
	capture_fini(&p->capture);
err_free:
	free(p);
	return code;
}

static void note_damage(struct file_port *p, const struct input *i)
{
	if (p->damaged++ == 0)
		snprintf(p->damage.text, sizeof(p->damage.text), "%s: %s", i->name,
			 p->capture.damage);
}

/* next_input - the current one is over. */
static void next_input(struct file_port *p)
{
	struct input *i = &p->inputs.input[p->current];

	if (p->capture.state == CAPTURE_DAMAGED)
		note_damage(p, i);
	p->past_bytes += i->stream.regular ? i->stream.size_bytes : i->stream.read_bytes;
	stream_close(&i->stream);
	if (++p->current < p->inputs.count)
		capture_begin(&p->capture, &p->inputs.input[p->current].stream);
}

/* Packets of a link type that decode cannot read are counted there. The user is told of the first
 * type of each input, once, by the first worker: what a capture holds decides over no more lines
 * than that. */
static void tell_unknown_link(struct file_port *p, uint16_t link)
{
	if (p->told_inputs > p->current)
		return;
	p->told_inputs = p->current + 1;
	if (p->is_first)
		fprintf(stderr,
			"weir: %s: packets of link type %u are passed over: weir does not know "
			"it\n",
			p->inputs.input[p->current].name, link);
}

static void look_at_links(struct file_port *p, const struct packet *packet, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (unlikely(packet[i].link != LINK_ETHERNET) && !link_type_known(packet[i].link))
			tell_unknown_link(p, packet[i].link);
}

static uint32_t file_pull(struct rx_port *port, struct packet *packet, uint32_t room)
{
	struct file_port *p = of(port);

	while (p->current < p->inputs.count) {
		uint32_t n = capture_pull(&p->capture, packet, room);

		p->received += n;
		look_at_links(p, packet, n);
		if (n > 0 || p->capture.state == CAPTURE_OPEN || p->capture.borrowed)
			return n;
		next_input(p);
	}
	return 0;
}

static void file_give_back(struct rx_port *port)
{
	capture_give_back(&of(port)->capture);
}

static enum rx_state file_state(struct rx_port *port, struct rx_error *err)
{
	struct file_port *p = of(port);

	if (p->current < p->inputs.count)
		return RX_OPEN;
	if (p->damaged == 0)
		return RX_END;
	if (err == NULL)
		return RX_DAMAGED;
	if (p->damaged == 1)
		*err = p->damage;
	else
		snprintf(err->text, sizeof(err->text), "%.480s, and %u more", p->damage.text,
			 p->damaged - 1);
	return RX_DAMAGED;
}

static uint64_t position_bytes(const struct file_port *p)
{
	uint64_t at = p->past_bytes, total = p->inputs.total_bytes;

	if (p->current < p->inputs.count)
		at += p->inputs.input[p->current].stream.read_bytes;
	/* A file that grows is read beyond the size it had. */
	return total != 0 && at > total ? total : at;
}

static void file_counters(struct rx_port *port, struct rx_counters *ret)
{
	struct file_port *p = of(port);

	*ret = (struct rx_counters){
		.offered = p->capture.records + p->capture.drops,
		.lost[RX_LOST_nic] = p->capture.drops,
		.received = p->received,
		.position_bytes = position_bytes(p),
		.position_total_bytes = p->inputs.total_bytes,
	};
}

/* A pipe may have nothing to read for a while; a file always has, or is over. */
static int file_wait_fd(struct rx_port *port)
{
	struct file_port *p = of(port);
	const struct stream *s;

	if (p->current == p->inputs.count)
		return -1;
	s = &p->inputs.input[p->current].stream;
	return s->regular ? -1 : s->fd;
}

static void file_close(struct rx_port *port)
{
	struct file_port *p = of(port);

	capture_fini(&p->capture);
	inputs_close(&p->inputs);
	free(p);
}

const struct rx_backend rx_file = {
	.name = "file",
	.help = "captures: pcap and pcapng, also gzip or zstd compressed; folders; - for standard "
		"input\n",
	.live = false,
	.open = file_open,
	.pull = file_pull,
	.give_back = file_give_back,
	.state = file_state,
	.counters = file_counters,
	.wait_fd = file_wait_fd,
	.close = file_close,
};
