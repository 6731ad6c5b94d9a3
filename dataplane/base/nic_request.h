/* nic_request - how every request to the kernel's ethtool family begins; for the files of nic. */
#ifndef DATAPLANE_BASE_NIC_REQUEST_H
#define DATAPLANE_BASE_NIC_REQUEST_H

#include "dataplane/base/nic.h"

/* The header is attribute 1 of every one of its messages. */
enum { NIC_REQUEST_HEADER = 1 };

struct nlmsghdr *nic_request(void *buffer, const struct nic *n, uint8_t command, const char *name,
			     uint32_t flags);

#endif
