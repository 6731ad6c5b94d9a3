/* packet_socket - filters, statistics and the end of a packet socket. */
#include "dataplane/rx/packet_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/log.h"
#include "dataplane/rx/kernel_filter.h"

/* A frame that was counted is in the ring; what is waited for is only that its block is handed
 * over, which a busy machine may do late. */
static const uint64_t patience_ns = CLOCK_SECOND_NS;

/* ---- filters ---- */

static int attach(int fd, const struct sock_fprog *program)
{
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, sizeof(*program)) < 0)
		return -errno;
	return 0;
}

/* attach_verdict - a filter that keeps `bytes` of every frame; 0 refuses it. */
static int attach_verdict(int fd, uint32_t bytes)
{
	struct sock_filter verdict[] = { BPF_STMT(BPF_RET | BPF_K, bytes) };
	struct sock_fprog program = { .len = 1, .filter = verdict };

	return attach(fd, &program);
}

int packet_socket_refuse_all(int fd)
{
	return attach_verdict(fd, 0);
}

/* cut_accepted - what the program accepts is kept up to `bytes`. */
static void cut_accepted(const struct sock_fprog *program, uint32_t bytes)
{
	for (uint16_t i = 0; i < program->len; i++) {
		struct sock_filter *f = &program->filter[i];

		if (f->code == (BPF_RET | BPF_K) && f->k > bytes)
			f->k = bytes;
	}
}

int packet_socket_filter(int fd, const char *expression, uint64_t snaplen_bytes)
{
	uint32_t keep_bytes = snaplen_bytes == 0 || snaplen_bytes > UINT32_MAX
				      ? UINT32_MAX
				      : (uint32_t)snaplen_bytes;
	struct sock_fprog program;
	int code = expression == NULL ? -ENODATA : kernel_filter_socket(expression, &program);

	if (code == 0) {
		cut_accepted(&program, keep_bytes);
		code = attach(fd, &program);
		free(program.filter);
	}
	if (code == 0)
		return 0;
	if (code != -ENODATA)
		log_info("the kernel does not take the filter (%d instructions at most, memory by "
			 "net.core.optmem_max): weir runs it alone",
			 BPF_MAXINSNS);
	return attach_verdict(fd, keep_bytes);
}

/* ---- start and end ---- */

int packet_socket_bind(int fd, int index)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = index,
	};

	return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

void packet_socket_start(struct packet_socket *s, int fd, const struct interface *interface,
			 bool tells_losses, uint64_t block_timeout_ns)
{
	*s = (struct packet_socket){
		.rest = UINT64_MAX,
		.fd = fd,
		.tells_losses = tells_losses,
		.wait_ns = patience_ns + 2 * block_timeout_ns,
		.interface = *interface,
	};
	interface_losses(&s->interface, &s->losses);
	s->interface.before = s->interface.now;
	s->losses = (struct interface_losses){ 0 };
}

void packet_socket_end(struct packet_socket *s)
{
	interface_close(&s->interface);
}

/* ---- while capture goes on ---- */

/* read_statistics - what was counted since the last time. */
static void read_statistics(struct packet_socket *s)
{
	struct tpacket_stats_v3 new = { 0 };
	socklen_t bytes = sizeof(new);

	if (getsockopt(s->fd, SOL_PACKET, PACKET_STATISTICS, &new, &bytes) < 0)
		return;
	if (s->dropped == 0 && new.tp_drops > 0)
		log_warn("%s: the kernel's buffer was full, packets are lost: kernel_buffer in the "
			 "ledger; a larger one lasts longer (--list-rx shows how)",
			 s->interface.name);
	/* tp_packets has the dropped ones in it. */
	s->arrived += new.tp_packets - new.tp_drops;
	s->dropped += new.tp_drops;
}

void packet_socket_stop(struct packet_socket *s)
{
	if (s->closing)
		return;
	s->closing = true;
	read_statistics(s);
	s->rest = s->arrived > s->received ? s->arrived - s->received : 0;
	s->deadline_ns = clock_monotonic_ns() + s->wait_ns;
	if (s->tells_losses)
		interface_losses(&s->interface, &s->losses);
}

void packet_socket_look(struct packet_socket *s)
{
	/* What was removed brings no more: the books are closed, and that is not undone. */
	if (interface_look(&s->interface) == INTERFACE_GONE && !s->closing) {
		packet_socket_stop(s);
		s->gone = true;
	}
}

void packet_socket_pulled(struct packet_socket *s, uint32_t count)
{
	socklen_t bytes = sizeof(int);
	int error;

	s->received += count;
	if (s->closing)
		s->rest -= count;
	if (count > 0) {
		s->empty_pulls = 0;
		return;
	}
	if (++s->empty_pulls < 2)
		return;
	s->empty_pulls = 0;
	/* Reading it clears it: ENETDOWN, when the interface went down. */
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error != 0)
		packet_socket_look(s);
}

enum rx_state packet_socket_state(struct packet_socket *s, bool waiting, struct rx_error *err)
{
	if (!s->closing || (s->rest > 0 && (waiting || clock_monotonic_ns() < s->deadline_ns)))
		return RX_OPEN;
	if (!s->gone)
		return RX_END;
	if (err != NULL)
		snprintf(err->text, sizeof(err->text), "%s was removed: the capture ends here",
			 s->interface.name);
	return RX_GONE;
}

void packet_socket_counters(struct packet_socket *s, uint64_t waiting_packets,
			    struct rx_counters *ret)
{
	packet_socket_look(s);
	if (!s->closing) {
		read_statistics(s);
		if (s->tells_losses)
			interface_losses(&s->interface, &s->losses);
	}
	*ret = (struct rx_counters){
		.offered = s->arrived + s->dropped + s->losses.missed,
		.lost[RX_LOST_kernel_buffer] = s->dropped,
		.lost[RX_LOST_nic] = s->losses.missed,
		.received = s->received,
		.in_flight = waiting_packets < s->rest ? waiting_packets : s->rest,
	};
}
