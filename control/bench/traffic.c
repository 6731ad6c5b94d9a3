#include "control/bench/traffic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/bench/load.h"
#include "control/bench/place.h"
#include "control/send/frames.h"

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t hashed(uint64_t hash, const void *bytes, size_t count)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ at[i]) * FNV_PRIME;
	return hash;
}

static uint32_t size_of(const struct trial_load *l)
{
	return l->frame_bytes > NUMBERED_BYTES_MIN ? l->frame_bytes : NUMBERED_BYTES_MIN;
}

static uint32_t flows_of(const struct trial_load *l)
{
	return l->flows > 0 ? l->flows : 1;
}

static uint64_t frames_hash(const struct trial_load *l)
{
	struct frames_plan plan = { .size_bytes = size_of(l), .flows = flows_of(l) };
	struct tx_frame frame[TX_BATCH_FRAMES];
	struct send_error err;
	struct frames *f;
	uint64_t hash = FNV_BASIS;
	uint32_t seen = 0;

	if (frames_open(&plan, &f, &err) < 0)
		return 0;
	while (seen < TRAFFIC_FRAMES) {
		uint32_t room = TRAFFIC_FRAMES - seen < TX_BATCH_FRAMES ? TRAFFIC_FRAMES - seen
									: TX_BATCH_FRAMES;
		uint32_t count = frames_pull(f, frame, room);

		for (uint32_t i = 0; i < count; i++)
			hash = hashed(hash, frame[i].bytes, frame[i].length_bytes);
		seen += count;
		if (count == 0)
			break;
	}
	frames_close(f);
	return hash;
}

static uint64_t http_hash(const struct trial_load *l, const struct place *p)
{
	char url[128] = "", request[LOAD_REQUEST_BYTES];
	struct load_plan plan;
	uint64_t hash = FNV_BASIS;

	if (p == NULL && l->url == NULL)
		return 0;
	if (l->url == NULL)
		place_url(p, l->body_bytes, url);
	if (l->kind != LOAD_HTTP)
		hash = hashed(hash, l->url != NULL ? l->url : url,
			      strlen(l->url != NULL ? l->url : url));
	else if (load_url(l->url != NULL ? l->url : url, &plan) == 0)
		hash = hashed(hash, request, load_request(&plan, request));
	if (l->url == NULL)
		for (uint32_t i = 0; i < l->body_bytes; i++)
			hash = hashed(hash, (const char[]){ PLACE_BODY_BYTE }, 1);
	return hash;
}

uint64_t traffic_hash(const struct trial_load *load, const struct place *p)
{
	switch (load->kind) {
	case LOAD_NONE: return 0;
	case LOAD_FRAMES: return frames_hash(load);
	case LOAD_HTTP:
	case LOAD_WRK:
	case LOAD_HEY: return http_hash(load, p);
	}
	return 0;
}

void traffic_note(const struct trial_load *load, const struct place *p, struct result *r)
{
	uint64_t hash = traffic_hash(load, p);
	char name[64];

	if (hash == 0)
		return;
	if (load->kind == LOAD_FRAMES)
		(void)snprintf(name, sizeof(name), "hash of %" PRIu32 " bytes, %" PRIu32 " flows",
			       size_of(load), flows_of(load));
	else if (load->url != NULL)
		(void)snprintf(name, sizeof(name), "hash of HTTP");
	else
		(void)snprintf(name, sizeof(name), "hash of HTTP, %" PRIu32 " bytes%s",
			       load->body_bytes,
			       load->kind == LOAD_WRK   ? ", wrk"
			       : load->kind == LOAD_HEY ? ", hey"
							: "");
	result_condition(r, "traffic", name, "%016" PRIx64 " (FNV-1a)", hash);
}
