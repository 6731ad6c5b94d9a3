/* stats_log - a log with stats lines as series over time. */
#include "control/bench/stats_log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { LINE_BYTES = 64 << 10, STAMP_WITHIN_BYTES = 256 };
#define MIB                1048576.0
#define BACKWARDS_MIN_S    1.0 /* lines of several threads change places by less */
#define SHORTER_IS_A_PIECE 0.9

#define STATS_LOG_KIND(id, name, unit, rate) { name, unit, rate },
const struct stats_log_kind stats_log_kind[STATS_LOG_SERIES] = { STATS_LOG_LIST(STATS_LOG_KIND) };

/* What is left of a line. */
struct text {
	const char *at, *end;
};

/* ---- text ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* find - the first place of `word`; ret: what is behind it. */
static bool find(struct text t, const char *word, struct text *ret)
{
	const char *at = memmem(t.at, (size_t)(t.end - t.at), word, strlen(word));

	if (at == NULL)
		return false;
	*ret = (struct text){ at + strlen(word), t.end };
	return true;
}

/* number_at - digits, with a fraction or without, and something behind them: a number at the end of
 * the line may have lost some. NaN: none. */
static double number_at(struct text t, bool may_end)
{
	double value = 0, place = 1;

	if (t.at < t.end && *t.at == ' ')
		t.at++;
	if (t.at == t.end || !is_digit(*t.at))
		return NAN;
	for (; t.at < t.end && is_digit(*t.at); t.at++)
		value = value * 10 + (*t.at - '0');
	if (t.at < t.end && *t.at == '.')
		for (t.at++; t.at < t.end && is_digit(*t.at); t.at++)
			value += (*t.at - '0') * (place /= 10);
	return (t.at < t.end || may_end) && isfinite(value) ? value : NAN;
}

/* number_of - behind the first `name`. */
static double number_of(struct text t, const char *name, bool may_end)
{
	struct text behind;

	return find(t, name, &behind) ? number_at(behind, may_end) : NAN;
}

/* ---- time ---- */

/* digits - exactly n of them. Returns -1: there are fewer. */
static int digits(const char **at, const char *end, int n)
{
	int value = 0;

	for (; n > 0; n--, (*at)++) {
		if (*at == end || !is_digit(**at))
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

static bool take(const char **at, const char *end, char c)
{
	if (*at == end || **at != c)
		return false;
	(*at)++;
	return true;
}

/* zone - +0300, +03:00, Z, or nothing: seconds east. */
static int zone(const char *at, const char *end)
{
	int sign, hours, minutes;

	if (at == end || (*at != '+' && *at != '-'))
		return 0;
	sign = *at++ == '-' ? -1 : 1;
	hours = digits(&at, end, 2);
	(void)take(&at, end, ':');
	minutes = digits(&at, end, 2);
	return hours < 0 || minutes < 0 ? 0 : sign * (hours * 3600 + minutes * 60);
}

/* stamp_at - 2022-05-08T16:03:01.018+0300 in seconds; NaN: it is none. */
static double stamp_at(const char *at, const char *end)
{
	struct tm tm = { 0 };
	double fraction = 0, place = 1;

	tm.tm_year = digits(&at, end, 4) - 1900;
	if (!take(&at, end, '-'))
		return NAN;
	tm.tm_mon = digits(&at, end, 2) - 1;
	if (!take(&at, end, '-'))
		return NAN;
	tm.tm_mday = digits(&at, end, 2);
	if (!take(&at, end, 'T') && !take(&at, end, ' '))
		return NAN;
	tm.tm_hour = digits(&at, end, 2);
	if (!take(&at, end, ':'))
		return NAN;
	tm.tm_min = digits(&at, end, 2);
	if (!take(&at, end, ':'))
		return NAN;
	tm.tm_sec = digits(&at, end, 2);
	if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 ||
	    tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
		return NAN;
	if (take(&at, end, '.'))
		for (; at < end && is_digit(*at); at++)
			fraction += (*at - '0') * (place /= 10);
	return (double)timegm(&tm) + fraction - zone(at, end);
}

/* note_time - of a line with a time stamp in brackets; whoever collected the log may have put
 * something before it. */
static void note_time(struct stats_log *log, struct text t)
{
	const char *end = t.end - t.at > STAMP_WITHIN_BYTES ? t.at + STAMP_WITHIN_BYTES : t.end;
	double now = NAN;

	for (const char *at = t.at; at < end && isnan(now); at++)
		if (*at == '[')
			now = stamp_at(at + 1, t.end);
	if (isnan(now))
		return;
	if (!log->stamped) {
		log->stamped = true;
		log->first_s = log->last_s = now;
		return;
	}
	now += log->set_back_s;
	if (now < log->last_s - BACKWARDS_MIN_S) {
		log->backwards++;
		log->set_back_s += log->last_s - now;
		log->counts_at_s = log->dropped[1] = NAN;
	}
	if (now > log->last_s)
		log->last_s = now;
	log->seconds = log->last_s - log->first_s;
}

/* ---- series ---- */

static void add(struct stats_log *log, int series, double value)
{
	struct stats_log_series *s = &log->series[series];

	if (s->count == s->room) {
		s->room = s->room == 0 ? 64 : 2 * s->room;
		s->x = realloc(s->x, s->room * sizeof(*s->x));
		s->y = realloc(s->y, s->room * sizeof(*s->y));
		if (s->x == NULL || s->y == NULL)
			abort();
	}
	s->x[s->count] = log->last_s - log->first_s;
	s->y[s->count++] = value;
}

static void add_to_total(struct stats_log *log, int series, double value)
{
	if (!isnan(value))
		log->total[series] = isnan(log->total[series]) ? value : log->total[series] + value;
}

/* close_first - the first interval has become known: its counts were added as they are. */
static void close_first(struct stats_log *log, double interval_s)
{
	static const int counts[] = { STATS_LOG_PACKETS, STATS_LOG_MATCHED, STATS_LOG_BYTES,
				      STATS_LOG_SHED };

	log->first_is_open = false;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (log->series[counts[i]].count > 0)
			log->series[counts[i]].y[0] /= interval_s;
}

static void add_counts(struct stats_log *log, double interval_s, const double value[4])
{
	static const int series[4] = { STATS_LOG_PACKETS, STATS_LOG_MATCHED, STATS_LOG_BYTES,
				       STATS_LOG_SHED };

	for (int i = 0; i < 4; i++) {
		add(log, series[i], value[i] / interval_s);
		add_to_total(log, series[i], value[i]);
	}
}

/* ---- lines ---- */

static double or_zero(double v)
{
	return isnan(v) ? 0 : v;
}

static void read_counts(struct stats_log *log, struct text t)
{
	double ignored = number_of(t, "\"ignoredPacketsCount\":", false);
	double throttled = number_of(t, "\"throttledPackets\":", false);
	double dropped = number_of(t, "\"droppedTcpStreams\":", false);
	const double value[4] = {
		number_of(t, "\"packetsCount\":", false) - or_zero(ignored),
		number_of(t, "\"matchedPairs\":", false),
		number_of(t, "\"processedBytes\":", false) / MIB,
		isnan(throttled) && isnan(dropped) ? NAN : or_zero(throttled) + or_zero(dropped),
	};
	double interval_s = log->last_s - log->counts_at_s;

	if (log->count_lines++ == 0) {
		log->first_is_open = true;
		interval_s = 1; /* until close_first() */
	} else if (!(interval_s > 0)) {
		interval_s = NAN;
	} else if (interval_s > log->longest_s) {
		log->longest_s = interval_s;
	}
	add_counts(log, interval_s, value);
	add(log, STATS_LOG_LIVE, number_of(t, "\"liveTcpStreams\":", false));
	log->counts_at_s = log->last_s;
}

static void read_resources(struct stats_log *log, struct text t)
{
	double heap = number_of(t, "heap-alloc:", true);

	if (isnan(heap))
		heap = number_of(t, "mem:", true);
	add(log, STATS_LOG_CPU, number_of(t, "cpu:", true));
	add(log, STATS_LOG_RSS, number_of(t, "rss:", true) / MIB);
	add(log, STATS_LOG_HEAP, heap / MIB);
	add(log, STATS_LOG_GOROUTINES, number_of(t, "goroutines:", true));
	log->resource_lines++;
}

/* All sources of the line together. */
static void read_sources(struct stats_log *log, struct text t)
{
	double sum = 0, more, interval_s = log->last_s - log->dropped[1];
	bool known = log->source_lines++ > 0;

	while (find(t, "dropped:", &t))
		sum += or_zero(number_at(t, false));
	/* A count that has shrunk began again. */
	more = known && sum >= log->dropped[0] ? sum - log->dropped[0] : sum;
	if (!known)
		interval_s = log->last_s - log->first_s;
	add(log, STATS_LOG_DROPPED, interval_s > 0 ? more / interval_s : NAN);
	add_to_total(log, STATS_LOG_DROPPED, more);
	log->dropped[0] = sum;
	log->dropped[1] = log->last_s;
}

void stats_log_line(struct stats_log *log, const char *line, size_t bytes, bool whole)
{
	struct text t = { line, line + bytes }, behind = t, rest = t, end;
	bool counts = find(t, "stats - {", &behind);
	bool resources = !counts && find(t, "goroutines:", &end) &&
			 (find(t, "heap-alloc:", &end) || find(t, "mem:", &end));
	bool sources = find(t, "packet-source-stats:", &rest);

	log->lines++;
	note_time(log, t);
	if (!counts && !resources && !sources)
		return;
	if (!log->stamped) {
		log->unstamped++;
		return;
	}
	if ((counts && !find(behind, "}", &end)) || (resources && !whole) ||
	    (sources && !find(rest, "]", &end))) {
		log->cut++;
		return;
	}
	if (counts)
		read_counts(log, behind);
	if (resources)
		read_resources(log, t);
	if (sources)
		read_sources(log, rest);
}

/* ---- a log ---- */

void stats_log_init(struct stats_log *log)
{
	*log = (struct stats_log){ .counts_at_s = NAN, .dropped = { 0, NAN } };
	for (int i = 0; i < STATS_LOG_SERIES; i++)
		log->total[i] = NAN;
}

void stats_log_free(struct stats_log *log)
{
	for (int i = 0; i < STATS_LOG_SERIES; i++) {
		free(log->series[i].x);
		free(log->series[i].y);
	}
	stats_log_init(log);
}

void stats_log_end(struct stats_log *log)
{
	double since_first;

	if (!log->first_is_open)
		return;
	since_first = log->series[STATS_LOG_PACKETS].x[0];
	if (since_first >= SHORTER_IS_A_PIECE * log->longest_s && since_first > 0.05)
		close_first(log, since_first);
	else if (log->longest_s > 0)
		close_first(log, log->longest_s);
	else {
		close_first(log, NAN);
		log->no_interval = true;
	}
}

bool stats_log_usable(const struct stats_log *log)
{
	return log->count_lines + log->resource_lines + log->source_lines > 0;
}

/* ---- a file ---- */

static void read_lines(struct stats_log *log, FILE *f, char *line)
{
	size_t used = 0;
	int c;

	while ((c = getc_unlocked(f)) != EOF) {
		log->binary = log->binary || c == '\0';
		if (c == '\n') {
			stats_log_line(log, line, used, true);
			used = 0;
		} else if (used < LINE_BYTES)
			line[used++] = (char)c;
	}
	if (used > 0)
		stats_log_line(log, line, used, false);
}

/* gzip's and xz's first bytes, which begin no text. */
static bool begins_compressed(FILE *f)
{
	int c = getc(f);

	ungetc(c, f);
	return c == 0x1f || c == 0xfd;
}

int stats_log_read(struct stats_log *log, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line;
	struct stat st;
	int err;

	if (f == NULL)
		return -errno;
	if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(f);
		return -EISDIR;
	}
	line = malloc(LINE_BYTES);
	if (line == NULL)
		abort();
	stats_log_init(log);
	log->compressed = begins_compressed(f);
	errno = 0;
	read_lines(log, f, line);
	err = ferror(f) ? -(errno != 0 ? errno : EIO) : 0;
	free(line);
	fclose(f);
	if (err < 0)
		stats_log_free(log);
	else
		stats_log_end(log);
	return err;
}
