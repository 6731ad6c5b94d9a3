#include "control/send/wire.h"

#include <assert.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/base/bytes.h"

static_assert(WIRE_NAME_BYTES == IFNAMSIZ, "the kernel's interface names");

enum { VLAN_TAG_BYTES = 4 };

int send_refuse(struct send_error *err, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	return code;
}

/* names_here - "lo, eth0", as far as there is room. */
static void names_here(char *ret, size_t room)
{
	struct if_nameindex *all = if_nameindex();
	size_t have = 0;

	ret[0] = '\0';
	for (struct if_nameindex *i = all; i != NULL && i->if_index != 0 && have < room; i++)
		have += (size_t)snprintf(ret + have, room - have, "%s%s", have > 0 ? ", " : "",
					 i->if_name);
	if (all != NULL)
		if_freenameindex(all);
}

static int refuse_absent(const char *name, struct send_error *err)
{
	char names[256];

	names_here(names, sizeof(names));
	return send_refuse(err, -ENODEV, "%.40s: there is no such interface; there are: %s", name,
			   names);
}

/* has_carrier - asked of the driver: IFF_RUNNING follows up to a second later. */
static bool has_carrier(int fd, const char *name)
{
	struct ethtool_value link = { .cmd = ETHTOOL_GLINK };
	struct ifreq ifr = { 0 };

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_data = (char *)&link;
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 || link.data != 0;
}

static int check_state(int fd, const char *name, unsigned flags, struct send_error *err)
{
	if (!(flags & IFF_UP))
		return send_refuse(err, -ENETDOWN,
				   "%s is down; bring it up with: ip link set %s up", name, name);
	if (!has_carrier(fd, name))
		return send_refuse(err, -ENETDOWN,
				   "%s has no carrier: nothing could leave; plug it in, or bring "
				   "the other end up",
				   name);
	return 0;
}

static int ask(int fd, struct wire *w, struct send_error *err)
{
	struct ifreq ifr = { 0 };

	memcpy(ifr.ifr_name, w->name, sizeof(ifr.ifr_name));
	if (ioctl(fd, SIOCGIFINDEX, &ifr) < 0)
		return refuse_absent(w->name, err);
	w->index = ifr.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return refuse_absent(w->name, err);
	if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER && ifr.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
		return send_refuse(err, -ENOTSUP,
				   "%s carries no Ethernet frames (its type is %u); choose another "
				   "interface",
				   w->name, ifr.ifr_hwaddr.sa_family);
	if (ioctl(fd, SIOCGIFMTU, &ifr) < 0)
		return refuse_absent(w->name, err);
	w->mtu_bytes = (uint32_t)ifr.ifr_mtu;
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return refuse_absent(w->name, err);
	return check_state(fd, w->name, (unsigned short)ifr.ifr_flags, err);
}

int wire_find(const char *name, struct wire *ret, struct send_error *err)
{
	struct wire w = { 0 };
	int fd, code;

	if (name[0] == '\0' || strlen(name) >= sizeof(w.name))
		return refuse_absent(name, err);
	strcpy(w.name, name);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return send_refuse(err, -errno, "the interfaces cannot be asked: %s",
				   strerror(errno));
	code = ask(fd, &w, err);
	close(fd);
	if (code == 0)
		*ret = w;
	return code;
}

bool wire_takes(const struct wire *w, const uint8_t *frame, uint32_t bytes)
{
	uint32_t limit = w->mtu_bytes + ETHER_HDR_LEN;

	if (bytes < ETHER_HDR_LEN)
		return false;
	if (be16_at(frame + 2 * ETHER_ADDR_LEN) == ETHERTYPE_VLAN)
		limit += VLAN_TAG_BYTES;
	return bytes <= limit;
}
