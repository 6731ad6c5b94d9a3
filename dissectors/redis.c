/* redis - the protocol of Redis and Valkey: RESP2 and RESP3
 * (redis.io/docs/latest/develop/reference/protocol-spec).
 *
 * Understood: every type of both versions, streamed strings and aggregates and
 * attributes included; pipelines; inline commands; pushes; publish/subscribe
 * (RESP2's arrays are told from replies by the subscriptions there are; of the
 * several confirmations of one SUBSCRIBE the last answers it); transactions;
 * CLIENT REPLY (a command without reply is `oneway`); MONITOR; replication (the
 * snapshot is skipped, the master's commands are `oneway`).
 *
 * Left alone: the snapshot's content, what MONITOR tells, arguments behind the first key.
 *
 * One interpretation is chosen where bytes break the rules:
 *     a length, count or type that RESP does not have    nobody knows what follows: opaque
 *     more nesting, or a longer line, than the limits    opaque
 *     CLIENT REPLY where commands before it are unknown  opaque: replies would shift
 *     a reply nobody waits for after CLIENT REPLY        opaque: it was refused
 *     a command's name that is longer than any           no method, flagged `anomaly`
 *
 * Strings of more than TEXT_BYTES, and every string that is a whole reply, are
 * skipped as body; shorter ones inside arrays are stepped over. Nesting is a
 * stack of counts, not recursion.
 *
 * After a gap a client is found again at a segment that begins with a command
 * of a known name; a server where the client had acknowledged all before when
 * it sent the oldest open request, or at a push.
 */
#include <string.h>

#include "dissectors/dissector.h"

enum own_field { REDIS_ARGS = FIELD_OWN, REDIS_VALUE, REDIS_ELEMENTS, REDIS_ERRORS, REDIS_REASON };

static const struct field fields[] = {
	{ "args", FIELD_NUMBER, "arguments of the command, its name not counted" },
	{ "value", FIELD_TEXT, "a reply that is a number, a boolean or a status" },
	{ "elements", FIELD_NUMBER, "elements of a reply that is an array or set, pairs of a map" },
	{ "errors", FIELD_NUMBER, "errors inside a reply, such as that of EXEC" },
	{ "reason", FIELD_TEXT, "text of an error" },
};

enum {
	TEXT_BYTES = 512,  /* longer strings are not gathered */
	NAME_BYTES = 24,   /* no command's name is longer */
	WORD_BYTES = 64,   /* what is looked at to see what a message is */
	HEADER_BYTES = 24, /* of a length or count with its type and CRLF */
	VALUE_BYTES = 128, /* of what is shown of a reply */
	DEPTH_MAX = 32,
	EOF_MARK_BYTES = 40, /* behind a snapshot of unknown length */
	/* The smallest head limit there is: less than this is all there is because the side has
	 * ended, and not because it is all that is gathered. */
	LIMIT_BYTES = 1024,
};
#define COUNT_MAX  INT64_C(0x7fffffff) /* of one aggregate, as in the server */
#define LENGTH_MAX (INT64_C(1) << 40)  /* of one string: beyond any proto-max-bulk-len in use */
#define STREAMED   UINT64_MAX          /* in the stack of counts: until its end comes */

/* ---- commands ---- */

/* Those whose reply is not just the next one; CMD_OTHER is any other. */
enum command_id {
	CMD_OTHER,
	CMD_SUBSCRIBE,
	CMD_PSUBSCRIBE,
	CMD_SSUBSCRIBE,
	CMD_UNSUBSCRIBE,
	CMD_PUNSUBSCRIBE,
	CMD_SUNSUBSCRIBE,
	CMD_PING,
	CMD_QUIT,
	CMD_RESET,
	CMD_MONITOR,
	CMD_SYNC,
	CMD_PSYNC,
	CMD_CLIENT,
	CMD_REPLCONF,
	CMD_MULTI,
	CMD_EXEC,
	CMD_DISCARD,
};

enum key_rule {
	KEY_PLAIN,     /* argument `key` is the first key; 0: it has none */
	KEY_CONTAINER, /* argument 1 is part of the name */
	KEY_NUMBERED,  /* argument `key` - 1 says how many keys follow */
	KEY_STREAMS,   /* behind STREAMS, which stands at `key` or later */
	KEY_MIGRATE,   /* argument `key`, or behind KEYS where that is empty */
};

struct command {
	char name[NAME_BYTES];
	uint8_t key;
	uint8_t rule; /* enum key_rule */
	uint8_t id;   /* enum command_id */
};

/* clang-format off */
/* Sorted. As COMMAND of 7.0 lists them, and those that came later. */
#define I(name, key, rule, id) { name, key, KEY_##rule, CMD_##id }
#define R(name, key, rule) I(name, key, rule, OTHER)
#define K(name, key) R(name, key, PLAIN)
static const struct command commands[] = {
	R("ACL", 0, CONTAINER), K("APPEND", 1), K("ASKING", 0), K("AUTH", 0),
	K("BGREWRITEAOF", 0), K("BGSAVE", 0), K("BITCOUNT", 1), K("BITFIELD", 1),
	K("BITFIELD_RO", 1), K("BITOP", 2), K("BITPOS", 1), K("BLMOVE", 1),
	R("BLMPOP", 3, NUMBERED), K("BLPOP", 1), K("BRPOP", 1), K("BRPOPLPUSH", 1),
	R("BZMPOP", 3, NUMBERED), K("BZPOPMAX", 1), K("BZPOPMIN", 1),
	I("CLIENT", 0, CONTAINER, CLIENT), R("CLUSTER", 0, CONTAINER), R("COMMAND", 0, CONTAINER),
	R("COMMANDLOG", 0, CONTAINER), R("CONFIG", 0, CONTAINER), K("COPY", 1), K("DBSIZE", 0),
	K("DEBUG", 0), K("DECR", 1), K("DECRBY", 1), K("DEL", 1), K("DELEX", 1), K("DELIFEQ", 1),
	K("DIGEST", 1), I("DISCARD", 0, PLAIN, DISCARD), K("DUMP", 1), K("ECHO", 0),
	R("EVAL", 3, NUMBERED), R("EVALSHA", 3, NUMBERED), R("EVALSHA_RO", 3, NUMBERED),
	R("EVAL_RO", 3, NUMBERED), I("EXEC", 0, PLAIN, EXEC), K("EXISTS", 1), K("EXPIRE", 1),
	K("EXPIREAT", 1), K("EXPIRETIME", 1), K("FAILOVER", 0), R("FCALL", 3, NUMBERED),
	R("FCALL_RO", 3, NUMBERED), K("FLUSHALL", 0), K("FLUSHDB", 0),
	R("FUNCTION", 0, CONTAINER), K("GEOADD", 1), K("GEODIST", 1), K("GEOHASH", 1),
	K("GEOPOS", 1), K("GEORADIUS", 1), K("GEORADIUSBYMEMBER", 1),
	K("GEORADIUSBYMEMBER_RO", 1), K("GEORADIUS_RO", 1), K("GEOSEARCH", 1),
	K("GEOSEARCHSTORE", 1), K("GET", 1), K("GETBIT", 1), K("GETDEL", 1), K("GETEX", 1),
	K("GETRANGE", 1), K("GETSET", 1), K("HDEL", 1), K("HELLO", 0), K("HEXISTS", 1),
	K("HEXPIRE", 1), K("HEXPIREAT", 1), K("HEXPIRETIME", 1), K("HGET", 1), K("HGETALL", 1),
	K("HGETDEL", 1), K("HGETEX", 1), K("HINCRBY", 1), K("HINCRBYFLOAT", 1), K("HKEYS", 1),
	K("HLEN", 1), K("HMGET", 1), K("HMSET", 1), K("HPERSIST", 1), K("HPEXPIRE", 1),
	K("HPEXPIREAT", 1), K("HPEXPIRETIME", 1), K("HPTTL", 1), K("HRANDFIELD", 1),
	K("HSCAN", 1), K("HSET", 1), K("HSETEX", 1), K("HSETNX", 1), K("HSTRLEN", 1),
	K("HTTL", 1), K("HVALS", 1), K("INCR", 1), K("INCRBY", 1), K("INCRBYFLOAT", 1),
	K("INFO", 0), K("KEYS", 0), K("LASTSAVE", 0), R("LATENCY", 0, CONTAINER), K("LCS", 1),
	K("LINDEX", 1), K("LINSERT", 1), K("LLEN", 1), K("LMOVE", 1), R("LMPOP", 2, NUMBERED),
	K("LOLWUT", 0), K("LPOP", 1), K("LPOS", 1), K("LPUSH", 1), K("LPUSHX", 1), K("LRANGE", 1),
	K("LREM", 1), K("LSET", 1), K("LTRIM", 1), R("MEMORY", 0, CONTAINER), K("MGET", 1),
	R("MIGRATE", 3, MIGRATE), R("MODULE", 0, CONTAINER), I("MONITOR", 0, PLAIN, MONITOR),
	K("MOVE", 1), K("MSET", 1), R("MSETEX", 2, NUMBERED), K("MSETNX", 1),
	I("MULTI", 0, PLAIN, MULTI), R("OBJECT", 2, CONTAINER), K("PERSIST", 1), K("PEXPIRE", 1),
	K("PEXPIREAT", 1), K("PEXPIRETIME", 1), K("PFADD", 1), K("PFCOUNT", 1), K("PFDEBUG", 2),
	K("PFMERGE", 1), K("PFSELFTEST", 0), I("PING", 0, PLAIN, PING), K("PSETEX", 1),
	I("PSUBSCRIBE", 1, PLAIN, PSUBSCRIBE), I("PSYNC", 0, PLAIN, PSYNC), K("PTTL", 1),
	K("PUBLISH", 1), R("PUBSUB", 0, CONTAINER), I("PUNSUBSCRIBE", 1, PLAIN, PUNSUBSCRIBE),
	I("QUIT", 0, PLAIN, QUIT), K("RANDOMKEY", 0), K("READONLY", 0), K("READWRITE", 0),
	K("RENAME", 1), K("RENAMENX", 1), I("REPLCONF", 0, PLAIN, REPLCONF), K("REPLICAOF", 0),
	I("RESET", 0, PLAIN, RESET), K("RESTORE", 1), K("RESTORE-ASKING", 1), K("ROLE", 0),
	K("RPOP", 1), K("RPOPLPUSH", 1), K("RPUSH", 1), K("RPUSHX", 1), K("SADD", 1),
	K("SAVE", 0), K("SCAN", 0), K("SCARD", 1), R("SCRIPT", 0, CONTAINER), K("SDIFF", 1),
	K("SDIFFSTORE", 1), K("SELECT", 0), R("SENTINEL", 0, CONTAINER), K("SET", 1),
	K("SETBIT", 1), K("SETEX", 1), K("SETNX", 1), K("SETRANGE", 1), K("SHUTDOWN", 0),
	K("SINTER", 1), R("SINTERCARD", 2, NUMBERED), K("SINTERSTORE", 1), K("SISMEMBER", 1),
	K("SLAVEOF", 0), R("SLOWLOG", 0, CONTAINER), K("SMEMBERS", 1), K("SMISMEMBER", 1),
	K("SMOVE", 1), K("SORT", 1), K("SORT_RO", 1), K("SPOP", 1), K("SPUBLISH", 1),
	K("SRANDMEMBER", 1), K("SREM", 1), K("SSCAN", 1), I("SSUBSCRIBE", 1, PLAIN, SSUBSCRIBE),
	K("STRLEN", 1), I("SUBSCRIBE", 1, PLAIN, SUBSCRIBE), K("SUBSTR", 1), K("SUNION", 1),
	K("SUNIONSTORE", 1), I("SUNSUBSCRIBE", 1, PLAIN, SUNSUBSCRIBE), K("SWAPDB", 0),
	I("SYNC", 0, PLAIN, SYNC), K("TIME", 0), K("TOUCH", 1), K("TTL", 1), K("TYPE", 1),
	K("UNLINK", 1), I("UNSUBSCRIBE", 1, PLAIN, UNSUBSCRIBE), K("UNWATCH", 0), K("VADD", 1),
	K("VCARD", 1), K("VDIM", 1), K("VEMB", 1), K("VGETATTR", 1), K("VINFO", 1),
	K("VISMEMBER", 1), K("VLINKS", 1), K("VRANDMEMBER", 1), K("VRANGE", 1), K("VREM", 1),
	K("VSETATTR", 1), K("VSIM", 1), K("WAIT", 0), K("WAITAOF", 0), K("WATCH", 1),
	K("XACK", 1), K("XACKDEL", 1), K("XADD", 1), K("XAUTOCLAIM", 1), K("XCLAIM", 1),
	K("XDEL", 1), K("XDELEX", 1), R("XGROUP", 2, CONTAINER), R("XINFO", 2, CONTAINER),
	K("XLEN", 1), K("XPENDING", 1), K("XRANGE", 1), R("XREAD", 1, STREAMS),
	R("XREADGROUP", 4, STREAMS), K("XREVRANGE", 1), K("XSETID", 1), K("XTRIM", 1),
	K("ZADD", 1), K("ZCARD", 1), K("ZCOUNT", 1), R("ZDIFF", 2, NUMBERED), K("ZDIFFSTORE", 1),
	K("ZINCRBY", 1), R("ZINTER", 2, NUMBERED), R("ZINTERCARD", 2, NUMBERED),
	K("ZINTERSTORE", 1), K("ZLEXCOUNT", 1), R("ZMPOP", 2, NUMBERED), K("ZMSCORE", 1),
	K("ZPOPMAX", 1), K("ZPOPMIN", 1), K("ZRANDMEMBER", 1), K("ZRANGE", 1),
	K("ZRANGEBYLEX", 1), K("ZRANGEBYSCORE", 1), K("ZRANGESTORE", 1), K("ZRANK", 1),
	K("ZREM", 1), K("ZREMRANGEBYLEX", 1), K("ZREMRANGEBYRANK", 1), K("ZREMRANGEBYSCORE", 1),
	K("ZREVRANGE", 1), K("ZREVRANGEBYLEX", 1), K("ZREVRANGEBYSCORE", 1), K("ZREVRANK", 1),
	K("ZSCAN", 1), K("ZSCORE", 1), R("ZUNION", 2, NUMBERED), K("ZUNIONSTORE", 1),
};
#undef K
#undef R
#undef I
/* clang-format on */

static uint8_t upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? c & 0xdf : c;
}

/* `word` in upper case. */
static bool is_word(struct slice s, const char *word)
{
	size_t n = strlen(word);

	if (s.bytes != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (upper(s.at[i]) != (uint8_t)word[i])
			return false;
	return true;
}

static const struct command *find_command(struct slice name)
{
	size_t from = 0, to = sizeof(commands) / sizeof(commands[0]);
	char key[NAME_BYTES] = { 0 };

	if (name.bytes == 0 || name.bytes >= NAME_BYTES)
		return NULL;
	for (size_t i = 0; i < name.bytes; i++)
		key[i] = (char)upper(name.at[i]);
	while (from < to) {
		size_t middle = (from + to) / 2;
		int order = memcmp(key, commands[middle].name, NAME_BYTES);

		if (order == 0)
			return &commands[middle];
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

/* What whoever reads the reply must know: the command, and how many channels it names. */
static uint64_t note_of(const struct command *command, uint64_t args)
{
	return command == NULL ? 0 : args << 8 | command->id;
}

/* ---- state ---- */

enum state {
	AT_START,     /* of a command or reply */
	IN_ARGS,      /* of a command */
	IN_VALUE,     /* of a reply: the next value */
	BEHIND_TEXT,  /* CRLF of a string that was skipped */
	BEHIND_CHUNK, /* the same for a part of a streamed string */
	SNAPSHOT,     /* a replica's: "$<length>" or "$EOF:<mark>" is next */
	IN_SNAPSHOT,  /* of known length; the next feed() is behind it */
	UNTIL_MARK,
	SEARCHING,
};

struct redis_side {
	struct message *m;
	uint8_t state;
	bool begun;      /* feed() has been called */
	bool torn;       /* its last bytes are part of something */
	bool headed;     /* message_head() has been called */
	bool replica_of; /* the server's: what follows are the master's commands */
	size_t searched; /* bytes not taken that hold no line end */
	/* the command so far */
	const struct command *command;
	uint64_t args, arg; /* with its name; the next one's number */
	uint64_t want;      /* number of the one that is the target; 0: none */
	/* the reply so far */
	bool coded;       /* its code is known */
	bool chunks;      /* inside a streamed string */
	bool push;        /* it is one: its fields are those of a request */
	bool resp3;       /* its type is that of pushes */
	uint8_t depth;    /* of aggregates open */
	uint8_t confirms; /* enum command_id of what it confirms */
	uint32_t notes;   /* bit d: the aggregate at depth d is an attribute */
	uint64_t left[DEPTH_MAX];
	uint64_t element; /* of the outermost aggregate: the next one's number */
	uint64_t errors;
	uint8_t mark[EOF_MARK_BYTES];
};

struct redis_conn {
	struct redis_side side[2];
	/* of the client */
	bool reply_off, skip_next; /* CLIENT REPLY */
	bool unreplied;            /* CLIENT REPLY has been used */
	bool in_multi;
	bool unsure; /* commands may have been missed */
	bool replica;
	/* of the server */
	bool subscribed; /* arrays may be pushes (RESP2) */
	bool monitors;
	uint64_t channels, patterns, shards;
	uint64_t confirms; /* still to come for the oldest request */
};

/* One call of feed(). */
struct reader {
	struct conn *c;
	enum side side;
	struct redis_conn *h;
	struct redis_side *s;
	const uint8_t *from;
	bool client;
	bool stop; /* what follows is skipped, or nobody's */
};

static const uint8_t *end_of(struct slice s)
{
	return s.at + s.bytes;
}

static bool is_all(const struct reader *r, struct slice in)
{
	return in.at == r->from && conn_full(r->c, r->side);
}

static void head_ends(struct redis_side *s, const uint8_t *at)
{
	if (!s->headed && at != NULL)
		message_head(s->m, at);
	s->headed = true;
}

static void message_over(struct redis_side *s, const uint8_t *at)
{
	if (s->errors > 0)
		message_number(s->m, REDIS_ERRORS, s->errors);
	head_ends(s, at);
	message_end(s->m, at);
	s->m = NULL;
	s->state = AT_START;
}

/* Nobody can tell what the connection says from here on. */
static void give_up(struct reader *r, const uint8_t *at)
{
	if (r->s->m != NULL) {
		message_flag(r->s->m, FLAG_anomaly);
		message_over(r->s, at);
	}
	conn_become(r->c, NULL);
	r->stop = true;
}

static void skip(struct reader *r, uint64_t bytes, enum state then)
{
	conn_skip(r->c, r->side, bytes, r->s->m);
	r->s->state = (uint8_t)then;
	r->stop = true;
}

/* ---- pieces of RESP ---- */

enum got { GOT, MORE, BAD };

/* [-] 1*DIGIT, as far as 18 digits. */
static bool read_integer(struct slice s, int64_t *ret)
{
	bool minus = s.bytes > 0 && s.at[0] == '-';
	int64_t v = 0;

	s = slice_after(s, minus);
	if (s.bytes == 0 || s.bytes > 18)
		return false;
	for (size_t i = 0; i < s.bytes; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		v = v * 10 + (s.at[i] - '0');
	}
	*ret = minus ? -v : v;
	return true;
}

/* A type and a length or count: "$12" CRLF. *ret_end is what it takes; -2 is `?`. */
static enum got read_header(struct slice in, int64_t *ret, size_t *ret_end)
{
	size_t most = in.bytes < HEADER_BYTES ? in.bytes : HEADER_BYTES;
	const uint8_t *lf;
	size_t n;

	if (most < 2)
		return MORE;
	lf = memchr(in.at, '\n', most);
	n = lf == NULL ? most : (size_t)(lf - in.at);
	for (size_t i = 1; i < n; i++) {
		bool last = i + 1 == n && in.at[i] == '\r';

		if (!last && (in.at[i] < '0' || in.at[i] > '9') &&
		    (i > 1 || (in.at[i] != '-' && in.at[i] != '?')))
			return BAD;
	}
	if (lf == NULL)
		return most == HEADER_BYTES ? BAD : MORE;
	if (n < 3 || in.at[n - 1] != '\r')
		return BAD;
	*ret_end = n + 1;
	if (n == 3 && in.at[1] == '?') {
		*ret = -2;
		return GOT;
	}
	return read_integer(slice_of(in.at + 1, n - 2), ret) && *ret >= -1 ? GOT : BAD;
}

/* The string that begins at `in`, if it has at most `most` bytes. *ret_length says how many. */
static enum got read_text(struct slice in, int64_t most, struct slice *ret, int64_t *ret_length,
			  size_t *ret_end)
{
	size_t head;
	enum got got;

	if (in.bytes > 0 && in.at[0] != '$')
		return BAD;
	got = read_header(in, ret_length, &head);
	if (got != GOT)
		return got;
	if (*ret_length < 0 || *ret_length > LENGTH_MAX)
		return BAD;
	*ret_end = head;
	if (*ret_length > most)
		return GOT;
	if (in.bytes < head + (size_t)*ret_length + 2)
		return MORE;
	*ret = slice_of(in.at + head, (size_t)*ret_length);
	*ret_end = head + (size_t)*ret_length + 2;
	return memcmp(end_of(*ret), "\r\n", 2) == 0 ? GOT : BAD;
}

/* The line that `in` begins with, without its type and end. */
static enum got read_line(struct reader *r, struct slice in, struct slice *ret, size_t *ret_end)
{
	struct redis_side *s = r->s;
	const uint8_t *lf = memchr(in.at + s->searched, '\n', in.bytes - s->searched);
	size_t n;

	if (lf == NULL) {
		s->searched = in.bytes;
		return is_all(r, in) ? BAD : MORE;
	}
	s->searched = 0;
	n = (size_t)(lf - in.at);
	if (n < 2 || in.at[n - 1] != '\r')
		return BAD;
	*ret = slice_of(in.at + 1, n - 2);
	*ret_end = n + 1;
	return GOT;
}

/* ---- commands: "*<count>" and that many strings, or a line ---- */

/* A word that a name may be: what is shown as a method is never somebody's data. */
static bool is_name(struct slice s, size_t most)
{
	if (s.bytes == 0 || s.bytes > most)
		return false;
	for (size_t i = 0; i < s.bytes; i++) {
		uint8_t c = upper(s.at[i]);

		if ((c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' &&
		    c != '-')
			return false;
	}
	return true;
}

static void put_method(struct message *m, struct slice name, struct slice sub)
{
	uint8_t text[NAME_BYTES * 2 + WORD_BYTES];
	size_t n = 0;

	if (!is_name(name, WORD_BYTES)) {
		message_flag(m, FLAG_anomaly);
		return;
	}
	for (size_t i = 0; i < name.bytes; i++)
		text[n++] = upper(name.at[i]);
	if (is_name(sub, NAME_BYTES)) {
		text[n++] = ' ';
		for (size_t i = 0; i < sub.bytes; i++)
			text[n++] = upper(sub.at[i]);
	}
	message_text(m, FIELD_METHOD, slice_of(text, n));
}

static bool is_container(const struct command *command)
{
	return command != NULL && command->rule == KEY_CONTAINER;
}

/* Which argument is the target, as far as the command's name tells. */
static uint64_t wanted_of(const struct command *command, struct slice name)
{
	if (command == NULL)
		/* Commands of modules have a dot in their names, and nearly all a key in front. */
		return is_name(name, WORD_BYTES) && memchr(name.at, '.', name.bytes) != NULL;
	switch ((enum key_rule)command->rule) {
	case KEY_PLAIN:
	case KEY_MIGRATE:
	case KEY_NUMBERED: return command->key;
	case KEY_CONTAINER:
	case KEY_STREAMS: break;
	}
	return 0;
}

/* Is this argument looked at? */
static bool is_looked_at(const struct redis_side *s)
{
	const struct command *k = s->command;

	if (s->want != 0 && s->arg == s->want)
		return true;
	if (k == NULL)
		return false;
	switch ((enum key_rule)k->rule) {
	case KEY_PLAIN: return false;
	case KEY_CONTAINER: return s->arg == 1;
	case KEY_NUMBERED: return s->arg + 1 == k->key;
	case KEY_STREAMS: return s->want == 0 && s->arg >= k->key;
	case KEY_MIGRATE: return s->want == 0 && s->arg > k->key + 2u;
	}
	return false;
}

static void take_arg(struct redis_side *s, struct slice arg)
{
	const struct command *k = s->command;
	int64_t n = 0;

	if (s->arg == s->want) {
		if (arg.bytes > 0 || k == NULL || k->rule != KEY_MIGRATE)
			message_text(s->m, FIELD_TARGET, arg);
		else
			s->want = 0; /* its keys come behind KEYS */
		return;
	}
	switch ((enum key_rule)k->rule) {
	case KEY_CONTAINER:
		put_method(s->m, slice_of(k->name, strlen(k->name)), arg);
		/* Of MEMORY only USAGE has a key. */
		s->want = k->key != 0 || is_word(arg, "USAGE") ? 2 : 0;
		break;
	case KEY_NUMBERED:
		if (!read_integer(arg, &n) || n <= 0)
			s->want = 0;
		break;
	case KEY_STREAMS: s->want = is_word(arg, "STREAMS") ? s->arg + 1 : 0; break;
	case KEY_MIGRATE: s->want = is_word(arg, "KEYS") ? s->arg + 1 : 0; break;
	case KEY_PLAIN: break;
	}
}

/* CLIENT REPLY ON|OFF|SKIP, as the server keeps it. */
enum reply_mode { REPLY_OTHER, REPLY_ON, REPLY_OFF, REPLY_SKIP };

static enum reply_mode reply_mode_of(struct slice word)
{
	if (is_word(word, "ON"))
		return REPLY_ON;
	if (is_word(word, "OFF"))
		return REPLY_OFF;
	return is_word(word, "SKIP") ? REPLY_SKIP : REPLY_OTHER;
}

/* What must be known of a command before it begins. */
struct opening {
	const struct command *command;
	struct slice name;
	enum reply_mode mode;
	bool ack; /* REPLCONF ACK: never answered */
};

static enum message_kind kind_of_command(struct reader *r, const struct opening *o)
{
	struct redis_conn *h = r->h;
	bool skipped = h->skip_next;

	if (!r->client)
		return MESSAGE_ONEWAY; /* a master's */
	h->skip_next = false;
	if (o->mode == REPLY_ON)
		h->reply_off = skipped = false;
	if (o->mode == REPLY_OFF)
		h->reply_off = true;
	if (o->mode == REPLY_SKIP)
		h->skip_next = !h->reply_off;
	if (o->mode == REPLY_OFF || o->mode == REPLY_SKIP)
		h->unreplied = skipped = true;
	if (o->command != NULL) {
		switch ((enum command_id)o->command->id) {
		case CMD_MULTI: h->in_multi = true; break;
		case CMD_EXEC:
		case CMD_DISCARD: h->in_multi = false; break;
		case CMD_RESET: h->in_multi = h->reply_off = skipped = false; break;
		case CMD_SYNC:
		case CMD_PSYNC: h->replica = true; break;
		default: break;
		}
	}
	return h->reply_off || skipped || o->ack ? MESSAGE_ONEWAY : MESSAGE_REQUEST;
}

static bool begin_command(struct reader *r, const uint8_t *at, const struct opening *o,
			  uint64_t args)
{
	struct redis_side *s = r->s;
	struct message_open open;

	/* What mode it is in cannot be known: replies would be taken for others'. */
	if (r->client && o->mode != REPLY_OTHER && (r->h->in_multi || r->h->unsure)) {
		give_up(r, at);
		return false;
	}
	open = (struct message_open){ .kind = kind_of_command(r, o),
				      .note = note_of(o->command, args - 1) };
	s->m = message_begin(r->c, r->side, at, open);
	s->headed = s->coded = false;
	s->errors = 0;
	s->command = o->command;
	s->args = args;
	s->arg = 1;
	s->want = wanted_of(o->command, o->name);
	if (!is_container(o->command) || args == 1)
		put_method(s->m, o->name, slice_of(NULL, 0));
	message_number(s->m, REDIS_ARGS, args - 1);
	s->state = IN_ARGS;
	return true;
}

/* The arguments behind the name that decide what kind of message it is. */
static enum got read_opening(struct slice rest, uint64_t args, struct opening *o)
{
	enum command_id id = o->command == NULL ? CMD_OTHER : (enum command_id)o->command->id;
	struct slice first = { 0 }, second = { 0 };
	int64_t length;
	size_t end;
	enum got got;

	if ((id != CMD_CLIENT && id != CMD_REPLCONF) || args < 3)
		return GOT;
	got = read_text(rest, WORD_BYTES, &first, &length, &end);
	if (got != GOT || length > WORD_BYTES)
		return got;
	if (id == CMD_REPLCONF) {
		o->ack = is_word(first, "ACK") || is_word(first, "GETACK");
		return GOT;
	}
	if (!is_word(first, "REPLY") || args != 3)
		return GOT;
	got = read_text(slice_after(rest, end), WORD_BYTES, &second, &length, &end);
	if (got != GOT || length > WORD_BYTES)
		return got;
	o->mode = reply_mode_of(second);
	return GOT;
}

/* What `in` begins with is broken, or not all there. Returns what is done with. */
static size_t incomplete(struct reader *r, enum got got, struct slice in)
{
	if (got == BAD || (is_all(r, in) && in.bytes >= LIMIT_BYTES)) {
		give_up(r, in.at);
		return 0;
	}
	if (!is_all(r, in))
		return 0;
	/* The side ends, or has a hole, in it. */
	r->s->torn = true;
	return in.bytes;
}

static size_t in_args(struct reader *r, struct slice in)
{
	struct redis_side *s = r->s;
	struct slice left = in, text;
	size_t end;
	int64_t length;

	while (s->arg < s->args) {
		enum got got = read_text(left, TEXT_BYTES, &text, &length, &end);
		size_t shown = 0;

		if (got != GOT) {
			left = slice_after(left, incomplete(r, got, left));
			break;
		}
		if (length <= TEXT_BYTES) {
			if (is_looked_at(s))
				take_arg(s, text);
			s->arg++;
			left = slice_after(left, end);
			continue;
		}
		if (is_looked_at(s)) {
			if (left.bytes < end + TEXT_BYTES) {
				conn_need(r->c, r->side, end + TEXT_BYTES);
				left = slice_after(left, incomplete(r, MORE, left));
				break;
			}
			shown = TEXT_BYTES;
			take_arg(s, slice_of(left.at + end, shown));
			message_flag(s->m, FLAG_head_cut);
		}
		s->arg++;
		left = slice_after(left, end + shown);
		head_ends(s, left.at);
		skip(r, (uint64_t)length - shown, BEHIND_TEXT);
		return in.bytes - left.bytes;
	}
	if (s->arg == s->args && s->state == IN_ARGS)
		message_over(s, left.at);
	return in.bytes - left.bytes;
}

/* The next word of an inline command. */
static bool take_word(struct slice *rest, struct slice *ret)
{
	size_t from = 0, to;
	uint8_t quote = 0;

	while (from < rest->bytes && (rest->at[from] == ' ' || rest->at[from] == '\t'))
		from++;
	if (from == rest->bytes)
		return false;
	if (rest->at[from] == '"' || rest->at[from] == '\'')
		quote = rest->at[from++];
	for (to = from; to < rest->bytes; to++) {
		if (quote != 0 ? rest->at[to] == quote
			       : rest->at[to] == ' ' || rest->at[to] == '\t')
			break;
		if (quote == '"' && rest->at[to] == '\\' && to + 1 < rest->bytes)
			to++;
	}
	*ret = slice_of(rest->at + from, to - from);
	*rest = slice_after(*rest, to + (quote != 0));
	return true;
}

static void open_inline(struct slice line, struct opening *o, uint64_t *ret_args)
{
	struct slice word = { 0 }, second = { 0 }, third = { 0 };
	uint64_t args = 0;

	while (take_word(&line, &word)) {
		if (args == 0)
			o->name = word;
		else if (args == 1)
			second = word;
		else if (args == 2)
			third = word;
		args++;
	}
	*ret_args = args;
	o->command = find_command(o->name);
	if (o->command == NULL || args < 3)
		return;
	if (o->command->id == CMD_REPLCONF)
		o->ack = is_word(second, "ACK") || is_word(second, "GETACK");
	if (o->command->id == CMD_CLIENT && is_word(second, "REPLY") && args == 3)
		o->mode = reply_mode_of(third);
}

/* A line is a command too, of words with white space between them. */
static size_t inline_command(struct reader *r, struct slice in)
{
	struct redis_side *s = r->s;
	const uint8_t *lf = memchr(in.at + s->searched, '\n', in.bytes - s->searched);
	struct opening o = { 0 };
	struct slice line, word;
	uint64_t args;
	size_t n;

	if (lf == NULL) {
		s->searched = in.bytes;
		/* Text, as far as it has come. */
		return incomplete(r, in.at[0] >= ' ' || in.at[0] == '\r' ? MORE : BAD, in);
	}
	s->searched = 0;
	n = (size_t)(lf - in.at) + 1;
	line = slice_of(in.at, n - 1 - (n > 1 && lf[-1] == '\r'));
	open_inline(line, &o, &args);
	if (args == 0)
		return n; /* ignored, as by the server */
	if (!is_name(o.name, WORD_BYTES)) {
		give_up(r, in.at);
		return 0;
	}
	if (!begin_command(r, in.at, &o, args))
		return 0;
	for (take_word(&line, &word); take_word(&line, &word); s->arg++)
		if (is_looked_at(s))
			take_arg(s, word);
	message_over(s, in.at + n);
	return n;
}

static size_t command_start(struct reader *r, struct slice in)
{
	struct opening o = { 0 };
	int64_t count, length;
	size_t head, end;
	enum got got;

	if (in.at[0] != '*')
		return inline_command(r, in);
	got = read_header(in, &count, &head);
	if (got != GOT || count < -1 || count > COUNT_MAX)
		return incomplete(r, got == MORE ? MORE : BAD, in);
	if (count <= 0)
		return head; /* ignored, as by the server */
	got = read_text(slice_after(in, head), WORD_BYTES, &o.name, &length, &end);
	if (got != GOT)
		return incomplete(r, got, in);
	if (length > WORD_BYTES) {
		if (!begin_command(r, in.at, &o, (uint64_t)count))
			return 0;
		r->s->arg = 0;
		return head;
	}
	o.command = find_command(o.name);
	got = read_opening(slice_after(in, head + end), (uint64_t)count, &o);
	if (got != GOT)
		return incomplete(r, got, in);
	if (!begin_command(r, in.at, &o, (uint64_t)count))
		return 0;
	if (count == 1)
		message_over(r->s, in.at + head + end);
	return head + end;
}

/* ---- replies ---- */

static const char *type_name(uint8_t type, int64_t n)
{
	if (n == -1)
		return "nil";
	switch (type) {
	case '+': return "string";
	case '-':
	case '!': return "error";
	case ':': return "integer";
	case '$': return "bulk";
	case '=': return "verbatim";
	case '*': return "array";
	case '%': return "map";
	case '~': return "set";
	case '>': return "push";
	case ',': return "double";
	case '#': return "boolean";
	case '(': return "bignumber";
	case '_': return "nil";
	default: return NULL;
	}
}

static bool is_aggregate(uint8_t type)
{
	return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}

static bool is_text(uint8_t type)
{
	return type == '$' || type == '=' || type == '!';
}

/* What a whole reply is: its code, once, and what goes with it. */
static void put_code(struct redis_side *s, const char *code)
{
	if (s->depth > 0 || s->coded)
		return;
	s->coded = true;
	if (!s->push)
		message_text(s->m, FIELD_CODE, slice_of(code, strlen(code)));
}

/* "OK", "PONG", "QUEUED", "FULLRESYNC <id> <offset>": the word tells more than the type. */
static struct slice first_word(struct slice line)
{
	const uint8_t *space = memchr(line.at, ' ', line.bytes);
	size_t n = space == NULL ? line.bytes : (size_t)(space - line.at);

	if (n == 0 || n > NAME_BYTES)
		return slice_of(NULL, 0);
	for (size_t i = 0; i < n; i++)
		if ((line.at[i] < 'A' || line.at[i] > 'Z') && line.at[i] != '_' &&
		    (i == 0 || line.at[i] < '0' || line.at[i] > '9'))
			return slice_of(NULL, 0);
	return slice_of(line.at, n);
}

static struct slice shown(struct slice s)
{
	return slice_of(s.at, s.bytes < VALUE_BYTES ? s.bytes : VALUE_BYTES);
}

static void put_error(struct redis_side *s, struct slice line)
{
	struct slice word = first_word(line);

	if (s->depth > 0) {
		s->errors += (s->notes == 0);
		return;
	}
	s->coded = true;
	message_failed(s->m);
	message_text(s->m, FIELD_CODE, word.bytes > 0 ? word : slice_of("error", 5));
	if (line.bytes > 0)
		message_text(s->m, REDIS_REASON,
			     slice_of(line.at, line.bytes < TEXT_BYTES ? line.bytes : TEXT_BYTES));
}

static void put_status(struct redis_side *s, struct slice line)
{
	struct slice word = first_word(line);

	if (s->depth > 0)
		return;
	s->coded = true;
	message_text(s->m, FIELD_CODE, word.bytes > 0 ? word : slice_of("string", 6));
	if (word.bytes != line.bytes)
		message_text(s->m, REDIS_VALUE, shown(line));
}

/* ---- publish/subscribe ---- */

static enum command_id confirmed(struct slice word)
{
	static const char *const words[] = {
		[CMD_SUBSCRIBE] = "SUBSCRIBE",       [CMD_PSUBSCRIBE] = "PSUBSCRIBE",
		[CMD_SSUBSCRIBE] = "SSUBSCRIBE",     [CMD_UNSUBSCRIBE] = "UNSUBSCRIBE",
		[CMD_PUNSUBSCRIBE] = "PUNSUBSCRIBE", [CMD_SUNSUBSCRIBE] = "SUNSUBSCRIBE",
	};

	for (int i = CMD_SUBSCRIBE; i <= CMD_SUNSUBSCRIBE; i++)
		if (is_word(word, words[i]))
			return (enum command_id)i;
	return CMD_OTHER;
}

static bool is_pushed_word(struct slice word, int64_t count)
{
	return (count == 3 && (is_word(word, "MESSAGE") || is_word(word, "SMESSAGE"))) ||
	       (count == 4 && is_word(word, "PMESSAGE"));
}

/* The third element of a confirmation: channels and patterns, or shard channels, that are left. */
static void take_subscriptions(struct redis_conn *h, enum command_id what, int64_t total, bool push)
{
	uint64_t n = total > 0 ? (uint64_t)total : 0;

	switch (what) {
	case CMD_SUBSCRIBE:
	case CMD_UNSUBSCRIBE: h->channels = n > h->patterns ? n - h->patterns : 0; break;
	case CMD_PSUBSCRIBE:
	case CMD_PUNSUBSCRIBE: h->patterns = n > h->channels ? n - h->channels : 0; break;
	case CMD_SSUBSCRIBE:
	case CMD_SUNSUBSCRIBE: h->shards = n; break;
	default: return;
	}
	h->subscribed = !push && (n > 0 || h->channels + h->patterns + h->shards > 0);
}

/* How many confirmations answer the request. Without channels: one for each there is. */
static uint64_t confirmations(const struct redis_conn *h, enum command_id id, uint64_t args)
{
	uint64_t all = id == CMD_UNSUBSCRIBE    ? h->channels
		       : id == CMD_PUNSUBSCRIBE ? h->patterns
						: h->shards;

	if (args > 0)
		return args;
	return all > 0 ? all : 1;
}

/* The last confirmation answers; those before it are interim. */
static enum message_kind confirm(struct redis_conn *h, enum command_id id, uint64_t note)
{
	if (h->confirms == 0)
		h->confirms = confirmations(h, id, note >> 8);
	h->confirms--;
	return h->confirms == 0 ? MESSAGE_RESPONSE : MESSAGE_INTERIM;
}

/* What a reply looks like before it begins. */
struct reply {
	uint8_t type;
	int64_t count;     /* or length */
	struct slice line; /* of a type that is a line */
	struct slice word; /* the first element, if it is a short string */
	size_t end;        /* of the header or line */
};

static bool may_come_while_subscribed(enum command_id id)
{
	return (id >= CMD_SUBSCRIBE && id <= CMD_RESET);
}

static enum message_kind kind_of_reply(struct reader *r, const struct reply *v, bool open,
				       uint64_t note)
{
	enum command_id asked = open ? (enum command_id)(note & 0xff) : CMD_OTHER;
	enum command_id what = confirmed(v->word);
	struct redis_conn *h = r->h;

	r->s->confirms = (uint8_t)what;
	if (v->type == '+' && h->monitors && v->line.bytes > 0 && v->line.at[0] >= '0' &&
	    v->line.at[0] <= '9')
		return MESSAGE_ONEWAY;
	if (v->type != '*' && v->type != '>') {
		h->confirms = 0;
		return MESSAGE_RESPONSE;
	}
	if (what != CMD_OTHER && what == asked)
		return confirm(h, what, note);
	if (v->type == '>')
		return MESSAGE_ONEWAY;
	if (h->subscribed && (what != CMD_OTHER || is_pushed_word(v->word, v->count)))
		return MESSAGE_ONEWAY;
	/* Joined later, only what cannot be the reply is a push. */
	if (h->unsure && is_pushed_word(v->word, v->count) &&
	    (!open || may_come_while_subscribed(asked))) {
		h->subscribed = true;
		return MESSAGE_ONEWAY;
	}
	r->s->confirms = CMD_OTHER;
	return MESSAGE_RESPONSE;
}

/* The header of the value that `in` begins with, or its line. */
static enum got read_reply(struct reader *r, struct slice in, struct reply *v)
{
	struct slice first;
	int64_t length;
	size_t end;
	enum got got;

	*v = (struct reply){ .type = in.at[0] };
	if (!is_aggregate(v->type) && !is_text(v->type))
		return type_name(v->type, 0) == NULL ? BAD : read_line(r, in, &v->line, &v->end);
	got = read_header(in, &v->count, &v->end);
	if (got != GOT)
		return got;
	if (v->count > (is_text(v->type) ? LENGTH_MAX : COUNT_MAX))
		return BAD;
	if (r->s->m != NULL || (v->type != '*' && v->type != '>') || v->count <= 0)
		return GOT;
	/* Is it a push? */
	first = slice_after(in, v->end);
	if (first.bytes == 0)
		return MORE;
	if (first.at[0] != '$')
		return GOT;
	got = read_text(first, NAME_BYTES, &v->word, &length, &end);
	return got;
}

/* The request that what begins at `at` would answer. False: it may only be late. */
static bool find_request(struct reader *r, const uint8_t *at, bool *ret_open, uint64_t *ret_note)
{
	enum request_known known = conn_request_note(r->c, r->side, at, 0, ret_note);

	*ret_open = known == REQUEST_FOUND;
	if (known != REQUEST_NONE || conn_waited(r->c, r->side))
		return true;
	conn_wait_peer(r->c, r->side);
	return false;
}

/* A value is complete: and with it the aggregates that it was the last of. */
static void value_over(struct redis_side *s, const uint8_t *at)
{
	while (s->depth > 0) {
		uint64_t *left = &s->left[s->depth - 1];
		bool note;

		if (s->depth == 1)
			s->element++;
		if (*left == STREAMED || --*left > 0)
			return;
		s->depth--;
		note = (s->notes >> s->depth & 1) != 0;
		s->notes &= ~(UINT32_C(1) << s->depth);
		if (note)
			return; /* what it is about comes next */
	}
	message_over(s, at);
}

static bool open_aggregate(struct reader *r, uint8_t type, int64_t count, const uint8_t *at)
{
	struct redis_side *s = r->s;
	uint64_t n = count == -2 ? STREAMED : (uint64_t)count;

	if (type != '|')
		put_code(s, type_name(type, count));
	if (s->depth == 0 && type != '|' && count >= 0 && !s->push)
		message_number(s->m, REDIS_ELEMENTS, (uint64_t)count);
	if (count == -1 || (count == 0 && type != '|')) {
		value_over(s, at);
		return true;
	}
	if (count == 0)
		return true;
	if (s->depth == DEPTH_MAX) {
		give_up(r, at);
		return false;
	}
	if (s->depth == 0)
		s->element = 0;
	if (type == '|')
		s->notes |= UINT32_C(1) << s->depth;
	s->left[s->depth++] = n != STREAMED && (type == '%' || type == '|') ? n * 2 : n;
	return true;
}

/* The outermost elements of a push or a confirmation. */
static void take_element(struct reader *r, uint8_t type, struct slice text)
{
	struct redis_side *s = r->s;
	int64_t n;

	if (s->depth != 1 || (!s->push && s->confirms == CMD_OTHER))
		return;
	if (s->element == 0 && s->push && is_name(text, NAME_BYTES))
		message_text(s->m, FIELD_METHOD, text);
	else if (s->element == 1 && s->push && type == '$')
		message_text(s->m, FIELD_TARGET, text);
	else if (s->element == 2 && type == ':' && read_integer(text, &n))
		take_subscriptions(r->h, (enum command_id)s->confirms, n, s->resp3);
}

/* A string that is skipped, or one that is stepped over. Returns how much of `in` it is; 0: there
 * is not enough yet. */
static size_t take_string(struct reader *r, struct slice in, const struct reply *v)
{
	struct redis_side *s = r->s;
	struct slice text = slice_after(in, v->end);
	size_t n = (size_t)v->count, looked = 0, need;

	if (v->count == -1) {
		put_code(s, "nil");
		value_over(s, text.at);
		return v->end;
	}
	if (v->count == -2) {
		put_code(s, type_name(v->type, 0));
		s->chunks = true;
		return v->end;
	}
	if (v->type == '!' || s->depth > 0)
		looked = n <= TEXT_BYTES ? n : v->type == '!' ? TEXT_BYTES : 0;
	need = v->end + looked + (looked == n ? 2 : 0);
	if (in.bytes < need) {
		conn_need(r->c, r->side, need);
		return incomplete(r, MORE, in);
	}
	text.bytes = looked;
	if (v->type == '!')
		put_error(s, text);
	else
		put_code(s, type_name(v->type, 0));
	if (looked == n) {
		if (memcmp(text.at + n, "\r\n", 2) != 0) {
			give_up(r, text.at);
			return 0;
		}
		take_element(r, v->type, text);
		value_over(s, text.at + n + 2);
		return v->end + n + 2;
	}
	head_ends(s, text.at + looked);
	skip(r, n - looked, BEHIND_TEXT);
	return v->end + looked;
}

/* In a streamed string: ";<length>", and at its end ";0". */
static size_t take_chunk(struct reader *r, struct slice in)
{
	struct redis_side *s = r->s;
	int64_t n;
	size_t end;
	enum got got = in.at[0] == ';' ? read_header(in, &n, &end) : BAD;

	if (got != GOT || n < 0 || n > LENGTH_MAX)
		return incomplete(r, got == MORE ? MORE : BAD, in);
	if (n == 0) {
		s->chunks = false;
		value_over(s, in.at + end);
		return end;
	}
	head_ends(s, in.at + end);
	skip(r, (uint64_t)n, BEHIND_CHUNK);
	return end;
}

/* ".": what a streamed aggregate ends with. */
static size_t take_end(struct reader *r, struct slice in)
{
	struct redis_side *s = r->s;
	bool note;

	if (in.bytes < 3)
		return incomplete(r, MORE, in);
	if (memcmp(in.at, ".\r\n", 3) != 0 || s->depth == 0 || s->left[s->depth - 1] != STREAMED)
		return incomplete(r, BAD, in);
	s->depth--;
	note = (s->notes >> s->depth & 1) != 0;
	s->notes &= ~(UINT32_C(1) << s->depth);
	if (!note)
		value_over(s, in.at + 3);
	return 3;
}

static size_t take_value(struct reader *r, struct slice in, const struct reply *v)
{
	struct redis_side *s = r->s;
	const uint8_t *end = in.at + v->end;

	if (is_text(v->type))
		return take_string(r, in, v);
	if (is_aggregate(v->type))
		return open_aggregate(r, v->type, v->count, end) ? v->end : 0;
	if (v->type == '-') {
		put_error(s, v->line);
	} else if (v->type == '+') {
		put_status(s, v->line);
	} else {
		if (s->depth == 0 && v->type != '_')
			message_text(s->m, REDIS_VALUE, shown(v->line));
		put_code(s, type_name(v->type, 0));
	}
	take_element(r, v->type, v->line);
	value_over(s, end);
	return v->end;
}

static size_t in_value(struct reader *r, struct slice in)
{
	struct redis_side *s = r->s;
	struct slice left = in;

	while (s->state == IN_VALUE && !r->stop && left.bytes > 0) {
		struct reply v;
		enum got got;
		size_t n;

		if (s->chunks) {
			n = take_chunk(r, left);
		} else if (left.at[0] == '.') {
			n = take_end(r, left);
		} else {
			got = read_reply(r, left, &v);
			/* Only a whole message is a push. */
			n = got == GOT && v.type != '>'
				    ? take_value(r, left, &v)
				    : incomplete(r, got == MORE ? MORE : BAD, left);
		}
		if (n == 0)
			break;
		left = slice_after(left, n);
	}
	return in.bytes - left.bytes;
}

/* ---- replication ---- */

static void begin_oneway(struct reader *r, const uint8_t *at, const char *method)
{
	struct redis_side *s = r->s;

	s->m = message_begin(r->c, r->side, at, (struct message_open){ .kind = MESSAGE_ONEWAY });
	s->headed = false;
	s->errors = 0;
	if (method != NULL)
		message_text(s->m, FIELD_METHOD, slice_of(method, strlen(method)));
}

/* A snapshot: "$<length>" CRLF and the bytes, or "$EOF:<mark>" CRLF, the bytes, the mark. Both
 * without a CRLF behind them. What follows are the master's commands. */
static size_t snapshot(struct reader *r, struct slice in)
{
	struct redis_side *s = r->s;
	enum { MARKED = 5 + EOF_MARK_BYTES + 2 };
	int64_t n;
	size_t end;
	enum got got;

	if (in.at[0] == '\n')
		return 1; /* the master is still writing it */
	if (in.bytes >= 2 && memcmp(in.at, "$E", 2) == 0) {
		if (in.bytes < MARKED)
			return incomplete(r, MORE, in);
		if (memcmp(in.at, "$EOF:", 5) != 0 || memcmp(in.at + MARKED - 2, "\r\n", 2) != 0)
			return incomplete(r, BAD, in);
		memcpy(s->mark, in.at + 5, EOF_MARK_BYTES);
		if (s->m == NULL)
			begin_oneway(r, in.at, "RDB");
		head_ends(s, in.at + MARKED);
		s->state = UNTIL_MARK;
		return MARKED;
	}
	got = in.at[0] == '$' ? read_header(in, &n, &end) : BAD;
	if (got != GOT || n < 0 || n > LENGTH_MAX)
		return incomplete(r, got == MORE ? MORE : BAD, in);
	if (s->m == NULL)
		begin_oneway(r, in.at, "RDB");
	head_ends(s, in.at + end);
	if (n == 0) {
		message_over(s, in.at + end);
		s->replica_of = true;
		return end;
	}
	skip(r, (uint64_t)n, IN_SNAPSHOT);
	return end;
}

static size_t until_mark(struct reader *r, struct slice in)
{
	struct redis_side *s = r->s;
	const uint8_t *mark = memmem(in.at, in.bytes, s->mark, EOF_MARK_BYTES);
	size_t n;

	if (mark == in.at) {
		message_over(s, in.at + EOF_MARK_BYTES);
		s->replica_of = true;
		return EOF_MARK_BYTES;
	}
	if (mark == NULL && in.bytes < EOF_MARK_BYTES)
		return incomplete(r, MORE, in);
	n = mark != NULL ? (size_t)(mark - in.at) : in.bytes - EOF_MARK_BYTES + 1;
	skip(r, n, UNTIL_MARK);
	return 0;
}

/* ---- the beginning of a reply ---- */

/* What the request that this answers makes of the connection. */
static void answered(struct reader *r, enum command_id asked, const struct reply *v)
{
	struct redis_conn *h = r->h;
	bool ok = v->type == '+';

	switch (asked) {
	case CMD_RESET:
		if (ok) {
			h->subscribed = h->monitors = false;
			h->channels = h->patterns = h->shards = 0;
		}
		break;
	case CMD_MONITOR: h->monitors = h->monitors || ok; break;
	case CMD_PSYNC:
		if (ok && is_word(first_word(v->line), "FULLRESYNC"))
			r->s->state = SNAPSHOT;
		else if (ok && is_word(first_word(v->line), "CONTINUE"))
			r->s->replica_of = true;
		break;
	default: break;
	}
}

static size_t reply_start(struct reader *r, struct slice in)
{
	struct redis_side *s = r->s;
	struct redis_conn *h = r->h;
	enum message_kind kind;
	struct reply v;
	uint64_t note = 0;
	bool open;
	size_t n;
	enum got got;

	if (h->replica && in.at[0] == '\n')
		return 1; /* a master that has to wait says so */
	got = h->replica && in.at[0] == '$' && in.bytes < 3 ? MORE : GOT;
	if (got == GOT && h->replica && in.at[0] == '$') {
		if (!find_request(r, in.at, &open, &note))
			return 0;
		if (open && (note & 0xff) == CMD_SYNC) {
			s->m = message_begin(r->c, r->side, in.at,
					     (struct message_open){ .kind = MESSAGE_RESPONSE });
			s->headed = false;
			s->errors = 0;
			message_text(s->m, FIELD_CODE, slice_of("RDB", 3));
			s->state = SNAPSHOT;
			return 0;
		}
	}
	if (got == GOT)
		got = read_reply(r, in, &v);
	if (got != GOT)
		return incomplete(r, got, in);
	if (!find_request(r, in.at, &open, &note)) {
		s->searched = 0;
		return 0;
	}
	kind = kind_of_reply(r, &v, open, note);
	if (kind == MESSAGE_RESPONSE && !open && h->unreplied) {
		give_up(r, in.at);
		return 0;
	}
	s->push = kind == MESSAGE_ONEWAY;
	s->resp3 = v.type == '>';
	s->coded = s->chunks = false;
	s->depth = 0;
	s->notes = 0;
	s->element = 0;
	if (s->push && v.type == '+') {
		begin_oneway(r, in.at, "monitor");
		message_over(s, in.at + v.end);
		return v.end;
	}
	if (s->push)
		begin_oneway(r, in.at, NULL);
	else
		s->m = message_begin(r->c, r->side, in.at, (struct message_open){ .kind = kind });
	s->headed = false;
	s->errors = 0;
	s->state = IN_VALUE;
	n = take_value(r, in, &v);
	if (open && kind == MESSAGE_RESPONSE)
		answered(r, (enum command_id)(note & 0xff), &v);
	return n;
}

/* ---- who speaks, and finding it again ---- */

/* Is what follows the name in an array of three a channel and a count? Then a server confirms a
 * subscription: commands are of strings only. */
static enum got is_no_confirmation(struct slice rest)
{
	struct slice channel = { 0 };
	int64_t length;
	size_t end;
	enum got got = read_text(rest, TEXT_BYTES, &channel, &length, &end);

	if (got != GOT)
		return got;
	if (length > TEXT_BYTES)
		return BAD; /* too far away to be seen */
	if (rest.bytes == end)
		return MORE;
	return rest.at[end] == '$' ? GOT : BAD;
}

/* Does a command of a known name begin here? */
static enum got is_command(struct slice in)
{
	struct slice name = { 0 };
	int64_t count, length;
	size_t head, end;
	enum got got;

	if (in.bytes > 0 && in.at[0] != '*')
		return BAD;
	got = read_header(in, &count, &head);
	if (got != GOT)
		return got;
	if (count < 1 || count > COUNT_MAX)
		return BAD;
	got = read_text(slice_after(in, head), NAME_BYTES, &name, &length, &end);
	if (got != GOT)
		return got;
	if (length > NAME_BYTES || find_command(name) == NULL)
		return BAD;
	return count == 3 && confirmed(name) != CMD_OTHER
		       ? is_no_confirmation(slice_after(in, head + end))
		       : GOT;
}

/* "message" and its like, in an array or a push: a server says so without being asked. */
static enum got is_pushed(struct slice in)
{
	struct slice name = { 0 };
	int64_t count, length;
	size_t head, end;
	enum got got;

	if (in.bytes > 0 && in.at[0] != '*' && in.at[0] != '>')
		return BAD;
	got = read_header(in, &count, &head);
	if (got != GOT)
		return got;
	got = read_text(slice_after(in, head), NAME_BYTES, &name, &length, &end);
	if (got != GOT)
		return got;
	return is_pushed_word(name, count) ? GOT : BAD;
}

/* A whole segment is dropped if nothing is known to begin at its beginning. */
static size_t searching(struct reader *r, struct slice in)
{
	enum got got;
	uint64_t note;
	bool open;

	if (r->client || r->s->replica_of) {
		got = is_command(in);
	} else {
		got = is_pushed(in);
		if (got != GOT && type_name(in.at[0], 0) != NULL) {
			if (!find_request(r, in.at, &open, &note))
				return 0;
			got = open ? GOT : got;
		}
	}
	if (got == MORE && !is_all(r, in))
		return 0;
	if (got != GOT)
		return in.bytes;
	r->s->state = AT_START;
	return 0;
}

static void lost(struct redis_conn *h, struct redis_side *s, bool client)
{
	s->state = SEARCHING;
	s->torn = false;
	s->searched = 0;
	if (client)
		h->unsure = true, h->in_multi = false;
	else
		h->confirms = 0;
}

/* Without a SYN: who says a known command is the client. False: it cannot be told yet. */
static bool find_client(struct reader *r, struct slice in, size_t *ret_taken)
{
	enum side client = conn_client(r->c);
	enum got got;

	*ret_taken = 0;
	if (client != SIDE_UNKNOWN) {
		r->client = client == r->side;
		return true;
	}
	got = is_command(in);
	r->client = got == GOT;
	if (got == GOT)
		return true;
	if (got == MORE && !is_all(r, in))
		return false;
	/* The other side may say. */
	if (!conn_waited(r->c, r->side) && !is_all(r, in))
		conn_wait_peer(r->c, r->side);
	else
		*ret_taken = in.bytes;
	return false;
}

static size_t behind_text(struct reader *r, struct slice in)
{
	struct redis_side *s = r->s;

	if (in.bytes < 2)
		return incomplete(r, MORE, in);
	if (memcmp(in.at, "\r\n", 2) != 0)
		return incomplete(r, BAD, in);
	if (r->client || s->replica_of) {
		s->state = IN_ARGS;
		if (s->arg == s->args)
			message_over(s, in.at + 2);
		return 2;
	}
	s->state = IN_VALUE;
	if (!s->chunks)
		value_over(s, in.at + 2);
	return 2;
}

static size_t step(struct reader *r, struct slice in)
{
	struct redis_side *s = r->s;
	size_t taken;

	if (s->state == IN_SNAPSHOT) {
		message_over(s, in.bytes > 0 ? in.at : NULL);
		s->replica_of = true;
		return 0;
	}
	if (in.bytes == 0)
		return 0;
	if (s->torn) {
		give_up(r, in.at);
		return 0;
	}
	if (!find_client(r, in, &taken))
		return taken;
	switch ((enum state)s->state) {
	case AT_START:
		return r->client || s->replica_of ? command_start(r, in) : reply_start(r, in);
	case IN_ARGS: return in_args(r, in);
	case IN_VALUE: return in_value(r, in);
	case BEHIND_TEXT:
	case BEHIND_CHUNK: return behind_text(r, in);
	case SNAPSHOT: return snapshot(r, in);
	case UNTIL_MARK: return until_mark(r, in);
	case SEARCHING: return searching(r, in);
	case IN_SNAPSHOT: break;
	}
	return 0;
}

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct redis_conn *h = conn_state(c);
	struct reader r = { .c = c, .side = side, .h = h, .s = &h->side[side], .from = in.at };
	struct slice left = in;
	size_t n;
	uint8_t before;

	if (!r.s->begun) {
		r.s->begun = true;
		if (conn_is_midstream(c, side))
			lost(h, r.s, true);
	}
	do {
		before = r.s->state;
		n = step(&r, left);
		if (n > 0)
			left = slice_after(left, n);
	} while (!r.stop && left.bytes > 0 && (n > 0 || r.s->state != before));
	return in.bytes - left.bytes;
}

static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	struct redis_conn *h = conn_state(c);
	struct redis_side *s = &h->side[side];

	(void)bytes;
	s->begun = true;
	/* The mark that ends the snapshot may have been in it. */
	if (s->state == UNTIL_MARK || s->state == SNAPSHOT || s->state == IN_SNAPSHOT) {
		message_flag(s->m, FLAG_gap_in_body);
		if (s->m != NULL)
			message_over(s, NULL);
		return RESYNC_OPAQUE;
	}
	if (s->m != NULL) {
		message_flag(s->m, s->headed ? FLAG_gap_in_body : FLAG_gap_in_head);
		message_over(s, NULL);
	}
	lost(h, s, conn_client(c) != side_other(side));
	return RESYNC_SEARCH;
}

static void close_side(struct conn *c, enum side side, enum why why)
{
	struct redis_side *s = &((struct redis_conn *)conn_state(c))->side[side];

	(void)why;
	if (s->m == NULL)
		return;
	message_flag(s->m, s->headed ? FLAG_body_cut : FLAG_head_cut);
	message_over(s, NULL);
}

/* ---- identification ---- */

static const struct pattern patterns[] = {
	{ "^\\*[1-9]", 0 },
	{ "^([:$,(][0-9-]|[%~>|][0-9]|_\\r|#[tf]\\r)", 0 },
	{ "^[A-Za-z]{2,}( |\\r|$)", 0 },
};

/* A line of text whose first word is a command. */
static enum guess probe_inline(struct slice first)
{
	const uint8_t *lf = memchr(first.at, '\n', first.bytes);
	size_t n = lf == NULL ? first.bytes : (size_t)(lf - first.at);
	struct slice line, word;

	for (size_t i = 0; i < n; i++)
		if (first.at[i] < ' ' && first.at[i] != '\t' && first.at[i] != '\r')
			return GUESS_NO;
	line = slice_of(first.at, n > 0 && first.at[n - 1] == '\r' ? n - 1 : n);
	if (n == 0 || !take_word(&line, &word) || !is_name(word, NAME_BYTES))
		return GUESS_NO;
	/* A line of HTTP is no command, though Redis would try. */
	if (memmem(first.at, n, " HTTP/", 6) != NULL)
		return GUESS_NO;
	if (lf == NULL)
		return first.bytes < WORD_BYTES ? GUESS_MORE : GUESS_NO;
	return find_command(word) != NULL ? GUESS_MAYBE : GUESS_NO;
}

/* A server's side alone: a header of a reply, or a whole line of one. Statuses and errors are left
 * to the client's side: other protocols have them too. */
static enum guess probe_reply(struct slice first)
{
	const uint8_t *lf = memchr(first.at, '\n', first.bytes);
	size_t end;
	int64_t n;

	switch (first.at[0]) {
	case '$':
	case '*':
	case '%':
	case '~':
	case '>':
	case '|':
	case ':':
		switch (read_header(first, &n, &end)) {
		case GOT: return GUESS_MAYBE;
		case MORE: return GUESS_MORE;
		case BAD: break;
		}
		return GUESS_NO;
	case ',':
	case '(':
	case '#':
	case '_':
		for (size_t i = 1; i < first.bytes && first.at + i != lf; i++)
			if (first.at[i] != '\r' && (first.at[i] < '+' || first.at[i] > 'z'))
				return GUESS_NO;
		if (lf == NULL)
			return first.bytes < WORD_BYTES ? GUESS_MORE : GUESS_NO;
		return lf[-1] == '\r' ? GUESS_MAYBE : GUESS_NO;
	default: return GUESS_NO;
	}
}

static enum guess probe(struct slice first, uint16_t port_hint)
{
	(void)port_hint;
	if (first.bytes == 0)
		return GUESS_MORE;
	if (first.at[0] == '*') {
		switch (is_command(first)) {
		case GOT: return GUESS_YES;
		case MORE: return GUESS_MORE;
		case BAD: break;
		}
		return probe_reply(first);
	}
	return is_name(slice_of(first.at, 1), 1) ? probe_inline(first) : probe_reply(first);
}

const struct dissector dissector_redis = {
	.name = "redis",
	.proto = "redis",
	.title = "Redis: RESP2 and RESP3",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.conn_bytes = sizeof(struct redis_conn),
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.close = close_side,
};
