/* netlink - requests to the kernel and what it answers; libmnl does the framing. */
#include "dataplane/base/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "dataplane/base/compiler.h"

enum {
	ANSWER_BYTES = 65536, /* of one datagram: twice what the kernel puts into one of a dump */
	ANSWERS_MAX = 65536,  /* datagrams of one answer */
	TRIES = 4,            /* of a dump that changed meanwhile */
	PATIENCE_S = 5,
};

/* ---- the socket as a wire ---- */

static ssize_t socket_send(void *context, const void *message, size_t bytes)
{
	ssize_t n = mnl_socket_sendto(context, message, bytes);

	return n < 0 ? -errno : n;
}

static ssize_t socket_receive(void *context, void *ret, size_t bytes)
{
	ssize_t n;

	do
		n = mnl_socket_recvfrom(context, ret, bytes);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int netlink_open(struct netlink *ret, int protocol)
{
	struct netlink n = { .wire = { socket_send, socket_receive, NULL } };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int on = 1;

	n.socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	if (n.socket == NULL)
		return -errno;
	if (mnl_socket_bind(n.socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int code = -errno;

		mnl_socket_close(n.socket);
		return code;
	}
	/* Better answers where the kernel knows how; nothing rests on either. */
	(void)mnl_socket_setsockopt(n.socket, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(mnl_socket_get_fd(n.socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
			 sizeof(patience));
	n.wire.context = n.socket;
	*ret = n;
	return 0;
}

void netlink_on(struct netlink *ret, const struct netlink_wire *wire)
{
	*ret = (struct netlink){ .wire = *wire };
}

void netlink_close(struct netlink *n)
{
	if (n->socket != NULL)
		mnl_socket_close(n->socket);
	*n = (struct netlink){ 0 };
}

/* ---- asking ---- */

struct answer {
	struct netlink *line;
	netlink_take_fn *take;
	void *context;
	int code;
};

static int on_message(const struct nlmsghdr *message, void *context)
{
	struct answer *a = context;

	/* After an error the rest is read all the same, or it would be taken for the next answer.
	 */
	if (a->take != NULL && a->code == 0)
		a->code = a->take(message, a->context);
	return MNL_CB_OK;
}

/* keep_reason - the sentence that newer kernels add to an error. */
static void keep_reason(struct netlink *n, const struct nlmsghdr *message,
			const struct nlmsgerr *error)
{
	size_t at = sizeof(*error), end = mnl_nlmsg_get_payload_len(message);
	const struct nlattr *attr;

	if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0)
		return;
	if ((message->nlmsg_flags & NLM_F_CAPPED) == 0) {
		if (error->msg.nlmsg_len < sizeof(struct nlmsghdr) || error->msg.nlmsg_len > end)
			return;
		at += NLMSG_ALIGN(error->msg.nlmsg_len) - sizeof(struct nlmsghdr);
	}
	if (at >= end)
		return;
	NETLINK_EACH_UNTIL(attr, (const void *)((const uint8_t *)error + at),
			   (const uint8_t *)error + end)
	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
		(void)snprintf(n->reason, sizeof(n->reason), "%.*s",
			       (int)mnl_attr_get_payload_len(attr),
			       (const char *)mnl_attr_get_payload(attr));
}

/* on_error - an acknowledgement is an error of 0. */
static int on_error(const struct nlmsghdr *message, void *context)
{
	struct answer *a = context;
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*error)) {
		a->code = -EPROTO;
	} else if (error->error != 0) {
		a->code = error->error > 0 ? -error->error : error->error;
		keep_reason(a->line, message, error);
	}
	return MNL_CB_STOP;
}

/* on_done - the end of a dump, which may have failed on the way. */
static int on_done(const struct nlmsghdr *message, void *context)
{
	struct answer *a = context;
	int32_t error = 0;

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(message), sizeof(error));
	if (error < 0 && a->code == 0)
		a->code = error;
	return MNL_CB_STOP;
}

/* is_stale - the rest of an answer that was given up. */
static bool is_stale(const struct netlink *n, const void *datagram, size_t bytes)
{
	const struct nlmsghdr *first = datagram;

	return bytes >= sizeof(*first) && first->nlmsg_seq != n->sequence;
}

static int take_answer(struct netlink *n, struct answer *a)
{
	static mnl_cb_t control[NLMSG_MIN_TYPE] = {
		[NLMSG_ERROR] = on_error, [NLMSG_DONE] = on_done
	};
	_Alignas(struct nlmsghdr) uint8_t datagram[ANSWER_BYTES];

	for (int i = 0; i < ANSWERS_MAX; i++) {
		ssize_t bytes = n->wire.receive(n->wire.context, datagram, sizeof(datagram));
		int how;

		if (bytes < 0)
			return (int)bytes;
		if (is_stale(n, datagram, (size_t)bytes))
			continue;
		how = mnl_cb_run2(datagram, (size_t)bytes, n->sequence, 0, on_message, a, control,
				  array_count(control));
		if (how == MNL_CB_STOP)
			return a->code;
		if (how < 0 || bytes == 0)
			return how < 0 && errno == EINTR ? -EINTR : -EPROTO;
	}
	return -EPROTO;
}

static int ask_once(struct netlink *n, struct nlmsghdr *request, netlink_take_fn *take,
		    void *context)
{
	struct answer a = { .line = n, .take = take, .context = context };
	ssize_t sent;

	n->reason[0] = 0;
	request->nlmsg_seq = ++n->sequence;
	request->nlmsg_flags |= NLM_F_REQUEST;
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK; /* which then ends the answer */
	sent = n->wire.send(n->wire.context, request, request->nlmsg_len);
	return sent < 0 ? (int)sent : take_answer(n, &a);
}

int netlink_ask(struct netlink *n, struct nlmsghdr *request, netlink_take_fn *take, void *context)
{
	int code = -EINTR;

	for (int i = 0; i < TRIES && code == -EINTR; i++)
		code = ask_once(n, request, take, context);
	return code;
}

/* ---- generic families ---- */

struct nlmsghdr *netlink_generic(void *buffer, uint16_t family, uint8_t command)
{
	struct nlmsghdr *head = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *generic = mnl_nlmsg_put_extra_header(head, sizeof(*generic));

	head->nlmsg_type = family;
	generic->cmd = command;
	generic->version = 1;
	return head;
}

static int take_family(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;
	uint16_t *ret = context;

	netlink_each(attr, message,
		     sizeof(struct genlmsghdr)) if (mnl_attr_get_type(attr) ==
							    CTRL_ATTR_FAMILY_ID &&
						    mnl_attr_validate(attr, MNL_TYPE_U16) >=
							    0) *ret = mnl_attr_get_u16(attr);
	return 0;
}

int netlink_family(struct netlink *n, const char *name, uint16_t *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[256] = { 0 };
	struct nlmsghdr *request = netlink_generic(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	uint16_t id = 0;
	int code;

	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, name);
	code = netlink_ask(n, request, take_family, &id);
	if (code == 0 && id == 0)
		code = -EPROTO;
	if (code == 0)
		*ret = id;
	return code;
}
