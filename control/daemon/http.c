#include "control/daemon/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 32 };

#define HELP_PAGE "weir: the metrics are at /metrics, in the text format of Prometheus\n"
#define HELP_TYPE "text/plain; charset=utf-8"

/* ---- pages ---- */

static enum MHD_Result send_page(struct MHD_Connection *c, unsigned status,
				 struct MHD_Response *page, const char *type)
{
	enum MHD_Result result = MHD_NO;

	if (page == NULL)
		return MHD_NO;
	if (MHD_add_response_header(page, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
	    (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
	     MHD_add_response_header(page, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
		result = MHD_queue_response(c, status, page);
	MHD_destroy_response(page);
	return result;
}

static enum MHD_Result send_text(struct MHD_Connection *c, unsigned status, const char *text)
{
	return send_page(c, status,
			 MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
							 MHD_RESPMEM_PERSISTENT),
			 HELP_TYPE);
}

static enum MHD_Result send_metrics(struct MHD_Connection *c, const struct http_page *page)
{
	struct MHD_Response *response;
	size_t bytes;
	char *text = page->build(page->context, &bytes);

	if (text == NULL)
		return send_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
	response = MHD_create_response_from_buffer(bytes, text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(text);
	return send_page(c, MHD_HTTP_OK, response, page->type);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_bytes, void **state)
{
	const struct http *h = context;

	(void)version;
	(void)upload;
	(void)upload_bytes;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return send_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (strcmp(url, "/metrics") == 0)
		return send_metrics(c, &h->metrics);
	if (strcmp(url, "/") == 0)
		return send_text(c, MHD_HTTP_OK, HELP_PAGE);
	return send_text(c, MHD_HTTP_NOT_FOUND, "there is /metrics and nothing else\n");
}

/* ---- begin and end ---- */

/* The library would not say why it cannot listen. An IPv6 socket for every address takes IPv4 as
 * well. */
static int listen_at(const struct sockaddr_storage *at)
{
	socklen_t bytes = at->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						    : sizeof(struct sockaddr_in);
	int fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int yes = 1, no = 0, err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    (at->ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) < 0) ||
	    bind(fd, (const void *)at, bytes) < 0 || listen(fd, BACKLOG) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int http_open(struct http *ret, const struct sockaddr_storage *at, const struct http_page *metrics)
{
	int listen_fd = listen_at(at);
	const union MHD_DaemonInfo *epoll;

	*ret = (struct http){ .metrics = *metrics, .fd = -1 };
	if (listen_fd < 0)
		return listen_fd;
	ret->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, ret, MHD_OPTION_LISTEN_SOCKET, listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES, MHD_OPTION_END);
	if (ret->daemon == NULL) {
		close(listen_fd);
		return -ENOMEM;
	}
	epoll = MHD_get_daemon_info(ret->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (epoll == NULL) {
		http_close(ret);
		return -ENOTSUP;
	}
	ret->fd = epoll->epoll_fd;
	return 0;
}

int http_fd(const struct http *h)
{
	return h->daemon != NULL ? h->fd : -1;
}

uint16_t http_port(const struct http *h)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon,
							       MHD_DAEMON_INFO_LISTEN_FD);
	struct sockaddr_in6 at = { 0 };
	socklen_t bytes = sizeof(at);

	if (info == NULL || getsockname(info->listen_fd, (void *)&at, &bytes) < 0)
		return 0;
	return ntohs(at.sin6_port); /* where sin_port is too */
}

void http_run(struct http *h)
{
	if (h->daemon != NULL)
		(void)MHD_run(h->daemon);
}

void http_close(struct http *h)
{
	if (h->daemon != NULL)
		MHD_stop_daemon(h->daemon);
	h->daemon = NULL;
	h->fd = -1;
}
