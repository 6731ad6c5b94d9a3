#include "control/daemon/progress.h"

#include "dataplane/base/clock.h"

#define REDRAW_NS  (CLOCK_SECOND_NS / 4)
#define LINE_BEGIN "\r\x1b[K"

void progress_init(struct progress *p, bool enabled, uint64_t now_ns)
{
	*p = (struct progress){ .enabled = enabled, .started_ns = now_ns, .last_ns = now_ns };
}

bool progress_due(const struct progress *p, uint64_t now_ns)
{
	return p->enabled && now_ns - p->last_ns >= REDRAW_NS;
}

/* Every worker reads all of the input: what is done is what the slowest has done. */
static uint64_t slowest_position(const struct books *b)
{
	uint64_t position = UINT64_MAX;

	for (uint32_t i = 0; i < b->workers; i++) {
		uint64_t own = b->worker[i].counters.value[C_position_bytes];

		if (own < position)
			position = own;
	}
	return b->workers == 0 ? 0 : position;
}

static void draw_remaining(double position, double total, double seconds, FILE *to)
{
	double left = position > 0 ? (total - position) * seconds / position : 0;
	unsigned long whole = left > 0 ? (unsigned long)(left + 0.5) : 0;

	if (position <= 0)
		return;
	if (whole >= 3600)
		fprintf(to, "   %lu:%02lu:%02lu left", whole / 3600, whole / 60 % 60, whole % 60);
	else
		fprintf(to, "   %lu:%02lu left", whole / 60, whole % 60);
}

void progress_draw(struct progress *p, const struct books *b, uint64_t now_ns, FILE *to)
{
	double position = (double)slowest_position(b);
	double total = b->workers == 0
			       ? 0
			       : (double)b->worker[0].counters.value[C_position_total_bytes];
	double seconds = (double)(now_ns - p->started_ns) / 1e9;

	fputs(LINE_BEGIN, to);
	/* A file that grows while it is read may be read beyond what it was. */
	if (total > 0)
		fprintf(to, "%3.0f %%", position < total ? 100 * position / total : 100.0);
	else
		fprintf(to, "%.1f MB", position / 1e6);
	fprintf(to, "   %.1f MB/s   %llu packets   %llu pairs",
		seconds > 0 ? position / 1e6 / seconds : 0,
		(unsigned long long)books_sum(b, C_received),
		(unsigned long long)books_sum(b, C_requests_paired));
	if (total > 0)
		draw_remaining(position, total, seconds, to);
	fflush(to);
	p->last_ns = now_ns;
	p->shown = true;
}

void progress_erase(struct progress *p, FILE *to)
{
	if (!p->shown)
		return;
	fputs(LINE_BEGIN, to);
	fflush(to);
	p->shown = false;
}
