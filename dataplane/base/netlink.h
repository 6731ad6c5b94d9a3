/* netlink - requests to the kernel and what it answers; libmnl does the framing.
 *
 *     line ---- request ---->  kernel      one request at a time
 *          <--- messages ----
 *          <--- end, or an error with the kernel's own words
 *
 * What carries the messages is a netlink_wire: a socket, or in tests a list of
 * messages that were written down beforehand.
 *
 * Threads: one per line.
 */
#ifndef DATAPLANE_BASE_NETLINK_H
#define DATAPLANE_BASE_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	NETLINK_REQUEST_BYTES = 32768, /* the largest: an indirection table and a key */
	NETLINK_REASON_BYTES = 128,
};

struct netlink_wire {
	/* Both return bytes, or -errno. A receive takes one datagram. */
	ssize_t (*send)(void *context, const void *message, size_t bytes);
	ssize_t (*receive)(void *context, void *ret, size_t bytes);
	void *context;
};

struct netlink {
	struct netlink_wire wire;
	struct mnl_socket *socket; /* NULL: the wire is somebody else's */
	uint32_t sequence;
	char reason[NETLINK_REASON_BYTES]; /* what the kernel said to the last error; often empty */
};

/* A message of an answer. Returns: 0 to go on; -errno, which netlink_ask() then returns. */
typedef int netlink_take_fn(const struct nlmsghdr *message, void *context);

/* netlink_open - a line of NETLINK_GENERIC or NETLINK_ROUTE. Returns: 0; -errno. */
int netlink_open(struct netlink *ret, int protocol);
void netlink_on(struct netlink *ret, const struct netlink_wire *wire);
void netlink_close(struct netlink *n);

/* netlink_ask - send, and take every message of the answer until its end. Flags, sequence number
 * and so on are set here; NLM_F_DUMP asks for all there is. `take` may be NULL.
 * Returns: 0; -errno: the kernel's, or -EPROTO for what no kernel sends. */
int netlink_ask(struct netlink *n, struct nlmsghdr *request, netlink_take_fn *take, void *context);

/* netlink_family - the number of a generic family. Returns: 0; -ENOENT: this kernel has none. */
int netlink_family(struct netlink *n, const char *name, uint16_t *ret);

/* netlink_generic - begin a request to a family. `buffer` is zeroed: libmnl leaves what is between
 * attributes as it is. */
struct nlmsghdr *netlink_generic(void *buffer, uint16_t family, uint8_t command);

/* netlink_each, netlink_each_nested - loops over attributes: libmnl's own do not pass our warnings.
 * The file that uses them includes <libmnl/libmnl.h>. */
#define NETLINK_EACH_UNTIL(attr, first, end)                                                       \
	for ((attr) = (first);                                                                     \
	     mnl_attr_ok((attr), (int)((const char *)(end) - (const char *)(attr)));               \
	     (attr) = mnl_attr_next(attr))
#define netlink_each(attr, message, offset)                                                        \
	NETLINK_EACH_UNTIL(attr, mnl_nlmsg_get_payload_offset((message), (offset)),                \
			   mnl_nlmsg_get_payload_tail(message))
#define netlink_each_nested(attr, nest)                                                            \
	NETLINK_EACH_UNTIL(attr, mnl_attr_get_payload(nest),                                       \
			   (const char *)mnl_attr_get_payload(nest) +                              \
				   mnl_attr_get_payload_len(nest))

#endif
