#include "control/send/report.h"

#include <inttypes.h>

#include "dataplane/base/clock.h"

#define LATE_NS 1e6

static double seconds_of(const struct send_report *r)
{
	return (double)r->elapsed_ns / (double)CLOCK_SECOND_NS;
}

static void line_extra(uint64_t count, const char *what, FILE *to)
{
	if (count > 0)
		fprintf(to, ", %" PRIu64 " %s", count, what);
}

void report_line(const struct send_report *r, FILE *to)
{
	fprintf(to, "weir send: %" PRIu64 " frames, %" PRIu64 " bytes, %.2f s, %.0f packets/s",
		r->frames, r->bytes, seconds_of(r), r->rate);
	if (r->asked != 0)
		fprintf(to, " (asked %" PRIu64 ")", r->asked);
	fprintf(to, ", %" PRIu64 " dropped", r->dropped);
	line_extra(r->retries, "offered again", to);
	line_extra(r->cut, "cut by the capture", to);
	line_extra(r->unsendable, "not sendable: too long for the interface, or too short", to);
	fprintf(to, ", %s on %s", r->tx, r->interface);
	if (r->has_queue)
		fprintf(to, " queue %" PRIu32, r->queue);
	fputc('\n', to);
}

/* A name may have any byte but a space and a slash. */
static void json_text(const char *text, FILE *to)
{
	fputc('"', to);
	for (const char *c = text; *c != '\0'; c++) {
		unsigned char byte = (unsigned char)*c;

		if (byte < 0x20 || byte >= 0x7f)
			fprintf(to, "\\u%04x", byte);
		else if (byte == '"' || byte == '\\')
			fprintf(to, "\\%c", byte);
		else
			fputc(byte, to);
	}
	fputc('"', to);
}

static void json_number(const char *key, bool is_there, uint64_t value, FILE *to)
{
	if (is_there)
		fprintf(to, ",\"%s\":%" PRIu64, key, value);
	else
		fprintf(to, ",\"%s\":null", key);
}

void report_json(const struct send_report *r, FILE *to)
{
	fprintf(to, "{\"frames\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.6f,\"rate\":%.0f",
		r->frames, r->bytes, seconds_of(r), r->rate);
	json_number("asked", r->asked != 0, r->asked, to);
	json_number("dropped", true, r->dropped, to);
	json_number("retries", true, r->retries, to);
	json_number("cut", true, r->cut, to);
	json_number("unsendable", true, r->unsendable, to);
	fputs(",\"tx\":", to);
	json_text(r->tx, to);
	fputs(",\"mode\":", to);
	json_text(r->mode, to);
	fputs(",\"iface\":", to);
	json_text(r->interface, to);
	json_number("queue", r->has_queue, r->queue, to);
	json_number("first_number", r->is_numbered, r->first_number, to);
	json_number("last_number", r->is_numbered, r->last_number, to);
	fputs("}\n", to);
}

bool report_fell_short(const struct send_report *r)
{
	double late_ns;

	if (r->asked == 0 || r->elapsed_ns == 0)
		return false;
	late_ns = (double)r->elapsed_ns -
		  (double)r->frames * (double)CLOCK_SECOND_NS / (double)r->asked;
	return late_ns > LATE_NS && r->rate < 0.99 * (double)r->asked;
}
