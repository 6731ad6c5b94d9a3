/* recorded - a kernel that answers with messages written down beforehand. */
#include "tests/support/recorded.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

static ssize_t take_request(void *context, const void *message, size_t bytes)
{
	struct recorded *r = context;

	assert_true(bytes <= sizeof(r->request));
	memcpy(r->request, message, bytes);
	r->request_bytes = bytes;
	r->asked++;
	return (ssize_t)bytes;
}

static ssize_t give_answer(void *context, void *ret, size_t bytes)
{
	struct recorded *r = context;
	struct nlmsghdr head, asked;
	size_t n;

	if (r->next == r->count)
		return -EIO;
	n = r->bytes[r->next];
	assert_true(n <= bytes);
	memcpy(ret, r->answers + r->at[r->next++], n);
	if (n < sizeof(head))
		return (ssize_t)n;
	memcpy(&head, ret, sizeof(head));
	memcpy(&asked, r->request, sizeof(asked));
	head.nlmsg_seq = asked.nlmsg_seq;
	memcpy(ret, &head, sizeof(head));
	return (ssize_t)n;
}

struct netlink_wire recorded_wire(struct recorded *r)
{
	return (struct netlink_wire){ take_request, give_answer, r };
}

void recorded_answer(struct recorded *r, uint16_t type, uint16_t flags, const void *payload,
		     size_t bytes)
{
	struct nlmsghdr head = { .nlmsg_len = (uint32_t)(sizeof(head) + bytes),
				 .nlmsg_type = type,
				 .nlmsg_flags = flags };
	uint8_t *to = r->answers + r->used;

	assert_true(r->count < RECORDED_MAX);
	assert_true(r->used + sizeof(head) + bytes <= sizeof(r->answers));
	memcpy(to, &head, sizeof(head));
	if (bytes > 0)
		memcpy(to + sizeof(head), payload, bytes);
	r->at[r->count] = r->used;
	r->bytes[r->count++] = sizeof(head) + bytes;
	r->used += NLMSG_ALIGN(sizeof(head) + bytes);
}

void recorded_generic(struct recorded *r, uint16_t family, uint8_t command, const void *attributes,
		      size_t bytes)
{
	struct genlmsghdr generic = { .cmd = command, .version = 1 };
	uint8_t payload[32768];

	assert_true(bytes <= sizeof(payload) - sizeof(generic));
	memcpy(payload, &generic, sizeof(generic));
	memcpy(payload + sizeof(generic), attributes, bytes);
	recorded_answer(r, family, 0, payload, sizeof(generic) + bytes);
}

void recorded_end(struct recorded *r, int code)
{
	struct nlmsgerr error = { .error = code };

	recorded_answer(r, NLMSG_ERROR, 0, &error, sizeof(error));
}

void recorded_families(struct recorded *r)
{
	static const uint8_t ethtool[] = { 6, 0, 1, 0, RECORDED_ETHTOOL, 0, 0, 0 };
	static const uint8_t netdev[] = { 6, 0, 1, 0, RECORDED_NETDEV, 0, 0, 0 };

	recorded_generic(r, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY, ethtool, sizeof(ethtool));
	recorded_end(r, 0);
	recorded_generic(r, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY, netdev, sizeof(netdev));
	recorded_end(r, 0);
}

/* ---- attributes ---- */

void recorded_put(struct recorded_attributes *a, uint16_t type, const void *value, size_t bytes)
{
	uint16_t length = (uint16_t)(4 + bytes);

	assert_true(a->used + 4 + bytes + 4 <= sizeof(a->bytes));
	memcpy(a->bytes + a->used, &length, sizeof(length));
	memcpy(a->bytes + a->used + 2, &type, sizeof(type));
	if (bytes > 0)
		memcpy(a->bytes + a->used + 4, value, bytes);
	a->used += (4 + bytes + 3) & ~(size_t)3;
}

void recorded_put_u32(struct recorded_attributes *a, uint16_t type, uint32_t value)
{
	recorded_put(a, type, &value, sizeof(value));
}

void recorded_put_u64(struct recorded_attributes *a, uint16_t type, uint64_t value)
{
	recorded_put(a, type, &value, sizeof(value));
}

void recorded_put_text(struct recorded_attributes *a, uint16_t type, const char *text)
{
	recorded_put(a, type, text, strlen(text) + 1);
}

size_t recorded_begin(struct recorded_attributes *a, uint16_t type)
{
	size_t begin = a->used;

	recorded_put(a, type | NLA_F_NESTED, NULL, 0);
	return begin;
}

void recorded_finish(struct recorded_attributes *a, size_t begin)
{
	uint16_t length = (uint16_t)(a->used - begin);

	memcpy(a->bytes + begin, &length, sizeof(length));
}
