/* settings - defaults, the sealed memfd, and the checks on the way out of it. */
#include "dataplane/shm/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/compiler.h"
#include "dataplane/shm/ring.h"

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };

#define STAGE_NAME(name) #name,
static const char *const stages[] = { STAGE_LIST(STAGE_NAME) };

const char *stage_name(unsigned stage)
{
	return stage < STAGE_COUNT ? stages[stage] : NULL;
}

static const struct {
	size_t offset;
	uint64_t normal, min, max;
} numbers[] = {
#define NUMBER(field, name, def, min, max, unit, help)                                             \
	{ offsetof(struct settings, field), def, min, max },
	SETTINGS_LIST(NUMBER)
};

void settings_defaults(struct settings *s)
{
	memset(s, 0, sizeof(*s));
	s->magic = SETTINGS_MAGIC;
	s->bytes = sizeof(*s);
	s->until = STAGE_normal;
	for (size_t i = 0; i < array_count(numbers); i++)
		*(uint64_t *)(void *)((uint8_t *)s + numbers[i].offset) = numbers[i].normal;
}

static bool numbers_ok(const struct settings *s)
{
	for (size_t i = 0; i < array_count(numbers); i++) {
		uint64_t v = *(const uint64_t *)(const void *)((const uint8_t *)s +
							       numbers[i].offset);

		if (v < numbers[i].min || v > numbers[i].max)
			return false;
	}
	return ring_bytes_ok(s->ring_bytes);
}

static bool choices_ok(const struct settings *s)
{
	return s->until < STAGE_COUNT && s->headers <= HEADERS_NAMED && s->progress <= 1 &&
	       s->quiet <= 1 && s->flow_key < FLOW_KEY_COUNT && s->live <= 1 &&
	       s->ignores_ports <= 1 && s->core_count <= SETTINGS_WORKERS_MAX;
}

static bool string_ok(const char *s, size_t room)
{
	return memchr(s, 0, room) != NULL;
}

/* Strings one after the other, each ended by 0, the list by another within `room`. */
static bool list_ok(const char *list, size_t room)
{
	size_t at = 0;

	while (at < room && list[at] != 0) {
		const char *end = memchr(list + at, 0, room - at);

		if (end == NULL)
			return false;
		at = (size_t)(end - list) + 1;
	}
	return at < room;
}

static bool strings_ok(const struct settings *s)
{
	if (s->rx_count > SETTINGS_RX_MAX)
		return false;
	for (size_t i = 0; i < SETTINGS_RX_MAX; i++)
		if (!string_ok(s->rx[i], sizeof(s->rx[i])))
			return false;
	return string_ok(s->command, sizeof(s->command)) &&
	       string_ok(s->format, sizeof(s->format)) && string_ok(s->output, sizeof(s->output)) &&
	       string_ok(s->ledger, sizeof(s->ledger)) &&
	       string_ok(s->runtime, sizeof(s->runtime)) &&
	       string_ok(s->filter, sizeof(s->filter)) &&
	       list_ok(s->header_names, sizeof(s->header_names)) &&
	       list_ok(s->dissectors, sizeof(s->dissectors));
}

/* `run` goes into every record as it is. */
static bool run_ok(const char run[16])
{
	size_t length = strnlen(run, 16);

	return length < 16 && strspn(run, "0123456789abcdefghijklmnopqrstuvwxyz") == length;
}

/* As many strings as input_count says, ending exactly at input_bytes. */
static bool input_ok(const struct settings *s)
{
	uint32_t strings = 0;

	if (s->input_bytes > SETTINGS_INPUT_BYTES)
		return false;
	for (uint32_t i = 0; i < s->input_bytes; i++)
		strings += s->input[i] == 0;
	return strings == s->input_count &&
	       (s->input_bytes == 0 || s->input[s->input_bytes - 1] == 0);
}

static bool settings_ok(const struct settings *s)
{
	return s->magic == SETTINGS_MAGIC && s->bytes == sizeof(*s) && numbers_ok(s) &&
	       choices_ok(s) && run_ok(s->run) && strings_ok(s) && input_ok(s);
}

static int write_all(int fd, const void *from, size_t bytes)
{
	const uint8_t *at = from;

	while (bytes != 0) {
		ssize_t n = write(fd, at, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int settings_seal(const struct settings *s)
{
	int fd, err;

	if (!settings_ok(s))
		return -EINVAL;
	fd = memfd_create("weir-settings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)sizeof(*s)) < 0) {
		err = -errno;
		goto err_close;
	}
	/* The unused end of `input` stays a hole: megabytes that nobody pays for. */
	err = write_all(fd, s, offsetof(struct settings, input) + s->input_bytes);
	if (err < 0)
		goto err_close;
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		err = -errno;
		goto err_close;
	}
	return fd;

err_close:
	close(fd);
	return err;
}

int settings_map(int fd, const struct settings **ret)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	struct settings *s;

	if (seals < 0)
		return errno == EINVAL ? -EPROTO : -errno; /* EINVAL: a file that knows no seals */
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((seals & SEALS) != SEALS || st.st_size != (off_t)sizeof(*s))
		return -EPROTO;
	/* Private, because kernels before 6.7 refuse a shared mapping of what is sealed against
	 * writing; sealed bytes cannot change, so there is no difference. */
	s = mmap(NULL, sizeof(*s), PROT_READ, MAP_PRIVATE, fd, 0);
	if (s == MAP_FAILED)
		return -errno;
	if (!settings_ok(s)) {
		munmap(s, sizeof(*s));
		return -EPROTO;
	}
	*ret = s;
	return 0;
}
