/* http - the metrics page for those who fetch it: GET /metrics, and a line of help at /.
 *
 * libmicrohttpd without a thread of its own: http_fd() stands in the drain's poll set, and
 * http_run() is a chore between two rounds. Connections are few, short and bounded, so that nobody
 * who reads slowly, or not at all, costs more than his connection.
 *
 *     GET, HEAD /metrics   200, the text of metrics_build()
 *     GET, HEAD /          200, where to look
 *     another path         404
 *     another method       405
 *
 * Threads: one.
 */
#ifndef CONTROL_DAEMON_HTTP_H
#define CONTROL_DAEMON_HTTP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	HTTP_CONNECTIONS = 16,
	HTTP_TIMEOUT_S = 5,               /* without a byte from or to the other side */
	HTTP_CONNECTION_BYTES = 16 * 1024 /* for one request's head */
};

struct MHD_Daemon;

struct http_page {
	/* build - the page's text, from malloc(), or NULL without memory. */
	char *(*build)(void *context, size_t *ret_bytes);
	void *context;
	const char *type; /* Content-Type */
};

struct http {
	struct MHD_Daemon *daemon; /* NULL: closed */
	struct http_page metrics;
	int fd;
};

/* http_open - listen there. `ret` stays where it is until http_close().
 * Returns: 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES and what else bind(2) says; -ENOMEM. */
int http_open(struct http *ret, const struct sockaddr_storage *at, const struct http_page *metrics);

/* http_fd - becomes readable when http_run() has something to do; -1: closed. */
int http_fd(const struct http *h);

/* http_port - the port that is listened on. */
uint16_t http_port(const struct http *h);

/* http_run - one step of every connection that can take one; also when http_fd() is silent, so
 * that idle connections end. */
void http_run(struct http *h);

/* http_close - accepts a zeroed one. */
void http_close(struct http *h);

#endif
