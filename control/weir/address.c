/* address - [IP:]PORT, and whose packets are weir's own. */
#include "control/weir/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static int port_parse(const char *text, in_port_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port;

	if (digits == 0 || digits > 5 || text[digits] != '\0')
		return -EINVAL;
	port = strtoul(text, NULL, 10);
	if (port == 0 || port > 65535)
		return -EINVAL;
	*ret = htons((uint16_t)port);
	return 0;
}

/* Every address: an IPv6 socket takes IPv4 as well. */
static int host_parse(const char *host, bool bracketed, in_port_t port,
		      struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (void *)ret;
	struct sockaddr_in6 *v6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (!bracketed && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		return 0;
	}
	v6->sin6_port = port;
	v6->sin6_family = AF_INET6;
	if (!bracketed && strcmp(host, "*") == 0)
		return 0; /* in6addr_any is all zeros */
	return bracketed && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 ? 0 : -EINVAL;
}

int address_parse(const char *text, struct sockaddr_storage *ret)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	char host[INET6_ADDRSTRLEN];
	size_t bytes;
	in_port_t port;

	if (port_parse(colon != NULL ? colon + 1 : text, &port) < 0)
		return -EINVAL;
	if (colon == NULL)
		return host_parse("127.0.0.1", false, port, ret);
	bytes = (size_t)(colon - text);
	if (bracketed && (bytes < 2 || text[bytes - 1] != ']'))
		return -EINVAL;
	if (bracketed) {
		text++;
		bytes -= 2;
	}
	if (bytes >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, bytes);
	host[bytes] = '\0';
	return host_parse(host, bracketed, port, ret);
}

/* ---- own traffic ---- */

static void own_add(struct settings *s, const struct sockaddr *a, uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct settings_own *own = &s->own[s->own_count];

	if (s->own_count == SETTINGS_OWN_MAX)
		return;
	if (a->sa_family == AF_INET) {
		memcpy(own->ip, mapped, sizeof(mapped));
		memcpy(own->ip + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
	} else if (a->sa_family == AF_INET6) {
		memcpy(own->ip, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
	} else {
		return;
	}
	own->port = port;
	s->own_count++;
}

static void own_add_all(struct settings *s, uint16_t port)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL)
			own_add(s, i->ifa_addr, port);
	freeifaddrs(all);
}

void address_own(struct settings *s)
{
	struct sockaddr_storage a;
	const struct sockaddr_in6 *v6 = (const void *)&a;
	uint16_t port;

	s->own_count = 0;
	if (s->metrics[0] == '\0' || address_parse(s->metrics, &a) < 0)
		return;
	port = ntohs(v6->sin6_port); /* where sin_port is too */
	if (a.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
		own_add_all(s, port);
	else
		own_add(s, (const struct sockaddr *)&a, port);
}
