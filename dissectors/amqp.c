/* amqp - AMQP 0-9-1, as RabbitMQ and others speak it (the specification's sections are named at the
 * checks).
 *
 * Understood: every class and method, content headers and bodies, heartbeats. A synchronous method
 * and its -ok are a pair, whichever side asks; basic.get is answered by get-ok or get-empty. A
 * basic.publish is answered by the broker's ack or nack on channels in confirm mode
 * (confirm.select), a basic.deliver by the consumer's ack, nack or reject unless the consumer said
 * no-ack: one of them with `multiple` answers all before it. A channel or connection that is closed
 * because of a method answers that method with the reply code. Everything else is `oneway`: publish
 * without confirms, deliver without acks, return, methods with no-wait.
 *
 * Left alone: headers tables and arguments, what bodies mean, AMQP 1.0 (another protocol under the
 * same name).
 *
 *     frame   type 1 | channel 2 | size 4 | payload | 0xce          type: method 1, header 2, body
 * 3, heartbeat 8 method  class 2 | method 2 | arguments                         header: class 2 |
 * weight 2 | body size 8 | flags 2 | properties
 *
 * Methods of a channel are answered in order, and nothing in an answer names its question. So where
 * messages may be missing, before the capture began or in a hole, a channel's methods are told but
 * not paired until the channel is opened anew. Acks name their message by number and are safe
 * everywhere.
 */
#include <string.h>

#include "dissectors/dissector.h"

enum own_field {
	AMQP_EXCHANGE = FIELD_OWN,
	AMQP_ROUTING_KEY,
	AMQP_QUEUE,
	AMQP_CONSUMER,
	AMQP_DELIVERY,
	AMQP_MULTIPLE,
	AMQP_REDELIVERED,
	AMQP_REPLY_TEXT,
	AMQP_MESSAGES,
	AMQP_CONSUMERS,
	AMQP_VHOST,
	AMQP_CONTENT_TYPE,
	AMQP_CONTENT_ENCODING,
	AMQP_CORRELATION_ID,
	AMQP_REPLY_TO,
	AMQP_MESSAGE_ID,
	AMQP_TYPE,
	AMQP_USER_ID,
	AMQP_APP_ID,
};

static const struct field fields[] = {
	{ "exchange", FIELD_TEXT, "exchange that the method names" },
	{ "routing_key", FIELD_TEXT, "routing key" },
	{ "queue", FIELD_TEXT, "queue that the method names" },
	{ "consumer_tag", FIELD_TEXT, "consumer" },
	{ "delivery_tag", FIELD_NUMBER, "number of the message on its channel" },
	{ "multiple", FIELD_NUMBER, "1: an ack or nack of all messages up to this one" },
	{ "redelivered", FIELD_NUMBER, "1: delivered before" },
	{ "reply_text", FIELD_TEXT, "what the code means" },
	{ "message_count", FIELD_NUMBER, "messages in the queue" },
	{ "consumer_count", FIELD_NUMBER, "consumers of the queue" },
	{ "vhost", FIELD_TEXT, "virtual host" },
	{ "content_type", FIELD_TEXT, "property of the message" },
	{ "content_encoding", FIELD_TEXT, "property of the message" },
	{ "correlation_id", FIELD_TEXT, "property of the message" },
	{ "reply_to", FIELD_TEXT, "property of the message" },
	{ "message_id", FIELD_TEXT, "property of the message" },
	{ "type", FIELD_TEXT, "property of the message" },
	{ "user_id", FIELD_TEXT, "property of the message" },
	{ "app_id", FIELD_TEXT, "property of the message" },
};

/* ---- the methods ---- */

enum kind {
	ASKS,    /* answered by a method of its own */
	ANSWERS, /* to `asked` */
	TELLS,   /* nobody answers */
	PUBLISH, /* answered where the channel is in confirm mode */
	DELIVER, /* answered unless the consumer wants no acks */
	SETTLES, /* answers publish or deliver, by number */
};

enum from { CLIENT = 1, SERVER = 2, EITHER = 3 };

struct method {
	uint16_t class, method;
	uint8_t kind, from;
	bool has_content;
	uint16_t asked; /* ANSWERS: the method of this class that it answers */
	const char *name;
	/* Its arguments in order, a letter each: e exchange, r routing key, q queue, c consumer
	 * tag, d delivery tag, b bits, k reply code, x reply text, m message count, n consumer
	 * count, v virtual host, C class and M method of a failure; of no interest: w two bytes, l
	 * four, o one, s a short string, S a long string or table. */
	const char *arguments;
	uint8_t no_wait, multiple, no_ack, redelivered; /* bit in `b`, from 1; 0: none */
};

/* clang-format off */
static const struct method methods[] = {
	{ 10, 10, ASKS,    SERVER, false, 0,  "connection.start",    "ooSSS" },
	{ 10, 11, ANSWERS, CLIENT, false, 10, "connection.start-ok", "SsSs" },
	{ 10, 20, ASKS,    SERVER, false, 0,  "connection.secure",   "S" },
	{ 10, 21, ANSWERS, CLIENT, false, 20, "connection.secure-ok", "S" },
	{ 10, 30, ASKS,    SERVER, false, 0,  "connection.tune",     "wlw" },
	{ 10, 31, ANSWERS, CLIENT, false, 30, "connection.tune-ok",  "wlw" },
	{ 10, 40, ASKS,    CLIENT, false, 0,  "connection.open",     "vsb" },
	{ 10, 41, ANSWERS, SERVER, false, 40, "connection.open-ok",  "s" },
	{ 10, 50, ASKS,    EITHER, false, 0,  "connection.close",    "kxCM" },
	{ 10, 51, ANSWERS, EITHER, false, 50, "connection.close-ok", "" },
	{ 10, 60, TELLS,   SERVER, false, 0,  "connection.blocked",  "x" },
	{ 10, 61, TELLS,   SERVER, false, 0,  "connection.unblocked", "" },
	{ 10, 70, ASKS,    CLIENT, false, 0,  "connection.update-secret", "Ss" },
	{ 10, 71, ANSWERS, SERVER, false, 70, "connection.update-secret-ok", "" },
	{ 20, 10, ASKS,    CLIENT, false, 0,  "channel.open",        "s" },
	{ 20, 11, ANSWERS, SERVER, false, 10, "channel.open-ok",     "S" },
	{ 20, 20, ASKS,    EITHER, false, 0,  "channel.flow",        "b" },
	{ 20, 21, ANSWERS, EITHER, false, 20, "channel.flow-ok",     "b" },
	{ 20, 40, ASKS,    EITHER, false, 0,  "channel.close",       "kxCM" },
	{ 20, 41, ANSWERS, EITHER, false, 40, "channel.close-ok",    "" },
	{ 30, 10, ASKS,    CLIENT, false, 0,  "access.request",      "sb" },
	{ 30, 11, ANSWERS, SERVER, false, 10, "access.request-ok",   "w" },
	{ 40, 10, ASKS,    CLIENT, false, 0,  "exchange.declare",    "wesbS", 5 },
	{ 40, 11, ANSWERS, SERVER, false, 10, "exchange.declare-ok", "" },
	{ 40, 20, ASKS,    CLIENT, false, 0,  "exchange.delete",     "web", 2 },
	{ 40, 21, ANSWERS, SERVER, false, 20, "exchange.delete-ok",  "" },
	{ 40, 30, ASKS,    CLIENT, false, 0,  "exchange.bind",       "wesrbS", 1 },
	{ 40, 31, ANSWERS, SERVER, false, 30, "exchange.bind-ok",    "" },
	{ 40, 40, ASKS,    CLIENT, false, 0,  "exchange.unbind",     "wesrbS", 1 },
	{ 40, 51, ANSWERS, SERVER, false, 40, "exchange.unbind-ok",  "" },
	{ 50, 10, ASKS,    CLIENT, false, 0,  "queue.declare",       "wqbS", 5 },
	{ 50, 11, ANSWERS, SERVER, false, 10, "queue.declare-ok",    "qmn" },
	{ 50, 20, ASKS,    CLIENT, false, 0,  "queue.bind",          "wqerbS", 1 },
	{ 50, 21, ANSWERS, SERVER, false, 20, "queue.bind-ok",       "" },
	{ 50, 30, ASKS,    CLIENT, false, 0,  "queue.purge",         "wqb", 1 },
	{ 50, 31, ANSWERS, SERVER, false, 30, "queue.purge-ok",      "m" },
	{ 50, 40, ASKS,    CLIENT, false, 0,  "queue.delete",        "wqb", 3 },
	{ 50, 41, ANSWERS, SERVER, false, 40, "queue.delete-ok",     "m" },
	{ 50, 50, ASKS,    CLIENT, false, 0,  "queue.unbind",        "wqerS" },
	{ 50, 51, ANSWERS, SERVER, false, 50, "queue.unbind-ok",     "" },
	{ 60, 10, ASKS,    CLIENT, false, 0,  "basic.qos",           "lwb" },
	{ 60, 11, ANSWERS, SERVER, false, 10, "basic.qos-ok",        "" },
	{ 60, 20, ASKS,    CLIENT, false, 0,  "basic.consume",       "wqcbS", 4, 0, 2 },
	{ 60, 21, ANSWERS, SERVER, false, 20, "basic.consume-ok",    "c" },
	{ 60, 30, ASKS,    EITHER, false, 0,  "basic.cancel",        "cb", 1 },
	{ 60, 31, ANSWERS, EITHER, false, 30, "basic.cancel-ok",     "c" },
	{ 60, 40, PUBLISH, CLIENT, true,  0,  "basic.publish",       "werb" },
	{ 60, 50, TELLS,   SERVER, true,  0,  "basic.return",        "kxer" },
	{ 60, 60, DELIVER, SERVER, true,  0,  "basic.deliver",       "cdber", 0, 0, 0, 1 },
	{ 60, 70, ASKS,    CLIENT, false, 0,  "basic.get",           "wqb", 0, 0, 1 },
	{ 60, 71, ANSWERS, SERVER, true,  70, "basic.get-ok",        "dberm", 0, 0, 0, 1 },
	{ 60, 72, ANSWERS, SERVER, false, 70, "basic.get-empty",     "s" },
	{ 60, 80, SETTLES, EITHER, false, 0,  "basic.ack",           "db", 0, 1 },
	{ 60, 90, SETTLES, CLIENT, false, 0,  "basic.reject",        "db" },
	{ 60, 100, TELLS,  CLIENT, false, 0,  "basic.recover-async", "b" },
	{ 60, 110, ASKS,   CLIENT, false, 0,  "basic.recover",       "b" },
	{ 60, 111, ANSWERS, SERVER, false, 110, "basic.recover-ok",  "" },
	{ 60, 120, SETTLES, EITHER, false, 0, "basic.nack",          "db", 0, 1 },
	{ 85, 10, ASKS,    CLIENT, false, 0,  "confirm.select",      "b", 1 },
	{ 85, 11, ANSWERS, SERVER, false, 10, "confirm.select-ok",   "" },
	{ 90, 10, ASKS,    CLIENT, false, 0,  "tx.select",           "" },
	{ 90, 11, ANSWERS, SERVER, false, 10, "tx.select-ok",        "" },
	{ 90, 20, ASKS,    CLIENT, false, 0,  "tx.commit",           "" },
	{ 90, 21, ANSWERS, SERVER, false, 20, "tx.commit-ok",        "" },
	{ 90, 30, ASKS,    CLIENT, false, 0,  "tx.rollback",         "" },
	{ 90, 31, ANSWERS, SERVER, false, 30, "tx.rollback-ok",      "" },
};
/* clang-format on */

enum number { /* class << 16 | method */
	      CONNECTION_CLOSE = 10 << 16 | 50,
	      CHANNEL_OPEN = 20 << 16 | 10,
	      CHANNEL_CLOSE = 20 << 16 | 40,
	      BASIC_CONSUME = 60 << 16 | 20,
	      BASIC_CONSUME_OK = 60 << 16 | 21,
	      BASIC_ACK = 60 << 16 | 80,
	      CONFIRM_SELECT = 85 << 16 | 10,
};

static uint32_t number_of(const struct method *m)
{
	return (uint32_t)m->class << 16 | m->method;
}

static const struct method *method_find(uint32_t class, uint32_t method)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].class == class && methods[i].method == method)
			return &methods[i];
	return NULL;
}

/* ---- state ---- */

enum {
	FRAME_METHOD = 1,
	FRAME_HEADER = 2,
	FRAME_BODY = 3,
	FRAME_HEARTBEAT = 8,
	FRAME_END = 0xce,
	FRAME_HEADER_BYTES = 7,
	FRAME_BYTES_MAX = 1 << 26, /* what a peer may reasonably have negotiated */
	PREFACE_BYTES = 8,
	CONTENT_BYTES = 14, /* of a content header, before its properties */
	CHANNELS_MAX = 256,
	CONSUMERS_MAX = 256,
	SETTLED_MAX = 512, /* messages that one ack with `multiple` answers */
	REPLY_FAILED = 300,
	FRAMES_WEIGHED = 16,
};

/* A message whose content is on its way, on one side of a channel. */
struct content {
	struct message *m; /* NULL while `expected`: not told */
	uint64_t left;     /* bytes of the body; valid behind the header */
	bool expected;     /* the method has come, the header has not */
	bool open;         /* the header has come, the body has not all */
};

struct channel {
	uint16_t number;
	bool confirms;      /* publishes are numbered, and `published` is the broker's number */
	bool lost;          /* messages may be missing: answers cannot be told */
	uint64_t published; /* number of the newest publish */
	uint64_t confirmed; /* every publish up to this one has been answered */
	uint64_t delivered; /* newest delivery */
	uint64_t settled;   /* every delivery up to this one has been answered */
	struct content content[2];
};

struct consumer {
	uint64_t tag; /* hash of channel and tag */
	bool no_ack;
};

struct amqp_side {
	bool begun, resumes, dropped;
	bool in_body;     /* bytes of a body frame are being skipped, or its last byte is to come */
	bool passes;      /* the same of a frame of no interest */
	uint16_t channel; /* of the body */
};

struct amqp_conn {
	struct amqp_side side[2];
	struct channel *channel; /* NULL, or room for CHANNELS_MAX */
	struct consumer *consumer;
	uint32_t channels, consumers, newest;
	uint64_t alone;  /* key of a message that nobody answers */
	bool from_start; /* the protocol header was seen, and nothing is missing since */
	bool holes;
	bool done;
};

static struct amqp_conn *state_of(struct conn *c)
{
	return conn_state(c);
}

static size_t end_reading(struct conn *c)
{
	state_of(c)->done = true;
	conn_become(c, NULL);
	return 0;
}

/* NULL: too many, or no memory. */
static struct channel *channel_of(struct conn *c, uint16_t number)
{
	struct amqp_conn *a = state_of(c);

	for (uint32_t i = 0; i < a->channels; i++) {
		uint32_t at = (a->newest + i) % a->channels; /* mostly the one as before */

		if (a->channel[at].number == number) {
			a->newest = at;
			return &a->channel[at];
		}
	}
	if (a->channel == NULL)
		a->channel = conn_take(c, CHANNELS_MAX / 8 * sizeof(*a->channel));
	if (a->channel == NULL || a->channels == CHANNELS_MAX)
		return NULL;
	if (a->channels >= CHANNELS_MAX / 8 && (a->channels & (a->channels - 1)) == 0) {
		struct channel *more = conn_resize(c, a->channel, 2 * a->channels * sizeof(*more));

		if (more == NULL)
			return NULL;
		a->channel = more;
	}
	a->newest = a->channels++;
	a->channel[a->newest] = (struct channel){ .number = number, .lost = !a->from_start };
	return &a->channel[a->newest];
}

static uint64_t hash_tag(uint16_t channel, struct slice tag)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ channel; /* FNV-1a */

	for (size_t i = 0; i < tag.bytes; i++)
		h = (h ^ tag.at[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void consumer_add(struct conn *c, uint64_t tag, bool no_ack)
{
	struct amqp_conn *a = state_of(c);
	struct consumer *free = NULL;

	if (a->consumer == NULL)
		a->consumer = conn_take(c, CONSUMERS_MAX * sizeof(*a->consumer));
	if (a->consumer == NULL)
		return;
	for (uint32_t i = 0; i < a->consumers && free == NULL; i++)
		if (a->consumer[i].tag == tag)
			free = &a->consumer[i];
	if (free == NULL)
		free = &a->consumer[a->consumers < CONSUMERS_MAX ? a->consumers++
								 : tag % CONSUMERS_MAX];
	*free = (struct consumer){ tag, no_ack };
}

/* Is this consumer known to acknowledge what it gets? */
static bool consumer_acks(const struct amqp_conn *a, uint64_t tag)
{
	for (uint32_t i = 0; i < a->consumers; i++)
		if (a->consumer[i].tag == tag)
			return !a->consumer[i].no_ack;
	return false;
}

/* ---- arguments ---- */

struct arguments {
	struct slice exchange, routing_key, queue, consumer, reply_text, vhost;
	uint64_t delivery;
	uint32_t messages, consumers;
	uint16_t code, class, method;
	uint8_t bits;
	bool has[128]; /* by letter */
};

static struct slice short_string(struct cursor *c)
{
	return cursor_take(c, cursor_u8(c));
}

static void read_argument(struct cursor *c, char letter, struct arguments *a)
{
	a->has[(unsigned char)letter] = true;
	switch (letter) {
	case 'e': a->exchange = short_string(c); break;
	case 'r': a->routing_key = short_string(c); break;
	case 'q': a->queue = short_string(c); break;
	case 'c': a->consumer = short_string(c); break;
	case 'x': a->reply_text = short_string(c); break;
	case 'v': a->vhost = short_string(c); break;
	case 's': short_string(c); break;
	case 'S': cursor_take(c, cursor_be32(c)); break;
	case 'd': a->delivery = cursor_be(c, 8); break;
	case 'm': a->messages = cursor_be32(c); break;
	case 'n': a->consumers = cursor_be32(c); break;
	case 'k': a->code = cursor_be16(c); break;
	case 'C': a->class = cursor_be16(c); break;
	case 'M': a->method = cursor_be16(c); break;
	case 'b': a->bits = cursor_u8(c); break;
	case 'w': cursor_take(c, 2); break;
	case 'l': cursor_take(c, 4); break;
	case 'o': cursor_take(c, 1); break;
	}
}

/* Returns whether they add up to the frame. */
static bool read_arguments(const struct method *m, struct slice payload, struct arguments *ret)
{
	struct cursor c = cursor_over(payload);

	*ret = (struct arguments){ .bits = 0 };
	for (const char *letter = m->arguments; *letter != 0; letter++)
		read_argument(&c, *letter, ret);
	return !c.failed && c.left.bytes == 0;
}

static bool bit(const struct arguments *a, uint8_t which)
{
	return which != 0 && (a->bits >> (which - 1) & 1) != 0;
}

/* ---- keys ---- */

/* What answers what: a method by class and method, a publish or a delivery by its number. */
enum what { METHOD, PUBLISHED, DELIVERED, ALONE };

static uint64_t key_of(enum what what, uint16_t channel, uint64_t number)
{
	return UINT64_C(1) << 63 | (uint64_t)what << 60 | (uint64_t)channel << 44 |
	       (number & ((UINT64_C(1) << 44) - 1));
}

static uint64_t key_alone(struct amqp_conn *a)
{
	return key_of(ALONE, 0, ++a->alone);
}

/* ---- messages ---- */

/* A method frame: where it lies, what it says. */
struct frame {
	enum side side;
	uint16_t channel;
	const uint8_t *begin, *end;
	const struct method *method;
	struct arguments arguments;
};

static void tell_text(struct message *m, uint16_t field, const struct arguments *a, char letter,
		      struct slice value)
{
	if (a->has[(unsigned char)letter] && value.bytes > 0)
		message_text(m, field, value);
}

static void tell_number(struct message *m, uint16_t field, const struct arguments *a, char letter,
			uint64_t value)
{
	if (a->has[(unsigned char)letter])
		message_number(m, field, value);
}

/* Exchange or queue, whichever the method is about. The default exchange has no name: there the
 * routing key is the queue. */
static struct slice target_of(const struct frame *f)
{
	const struct arguments *a = &f->arguments;

	if (f->method->class == 50 || (a->has['q'] && !a->has['e']))
		return a->queue;
	if (a->has['e'])
		return a->exchange.bytes > 0 ? a->exchange : a->routing_key;
	return a->has['v'] ? a->vhost : a->consumer;
}

static void tell_code(struct message *m, uint16_t code)
{
	uint8_t digits[5];
	size_t n = sizeof(digits);

	do
		digits[--n] = (uint8_t)('0' + code % 10);
	while ((code /= 10) > 0);
	message_text(m, FIELD_CODE, slice_of(digits + n, sizeof(digits) - n));
}

static void tell_method(struct message *m, const struct frame *f)
{
	const struct arguments *a = &f->arguments;
	struct slice target = target_of(f);

	message_stream(m, f->channel);
	message_text(m, FIELD_METHOD, slice_of(f->method->name, strlen(f->method->name)));
	if (target.bytes > 0)
		message_text(m, FIELD_TARGET, target);
	if (a->has['k'])
		tell_code(m, a->code);
	if (a->has['k'] && a->code >= REPLY_FAILED)
		message_failed(m);
	tell_text(m, AMQP_EXCHANGE, a, 'e', a->exchange);
	tell_text(m, AMQP_ROUTING_KEY, a, 'r', a->routing_key);
	tell_text(m, AMQP_QUEUE, a, 'q', a->queue);
	tell_text(m, AMQP_CONSUMER, a, 'c', a->consumer);
	tell_number(m, AMQP_DELIVERY, a, 'd', a->delivery);
	if (bit(a, f->method->multiple))
		message_number(m, AMQP_MULTIPLE, 1);
	if (bit(a, f->method->redelivered))
		message_number(m, AMQP_REDELIVERED, 1);
	tell_text(m, AMQP_REPLY_TEXT, a, 'x', a->reply_text);
	tell_number(m, AMQP_MESSAGES, a, 'm', a->messages);
	tell_number(m, AMQP_CONSUMERS, a, 'n', a->consumers);
	tell_text(m, AMQP_VHOST, a, 'v', a->vhost);
}

static struct message *begin(struct conn *c, const struct frame *f, enum message_kind kind,
			     uint64_t key, uint64_t note)
{
	struct message *m = message_begin(
		c, f->side, f->begin,
		(struct message_open){ .kind = kind, .key = key, .note = note });

	tell_method(m, f);
	if (kind == MESSAGE_ONEWAY && conn_client(c) == side_other(f->side))
		message_flag(m, FLAG_from_server);
	message_head(m, f->end);
	return m;
}

static void end_content(struct content *content, const uint8_t *end)
{
	message_end(content->m, end);
	*content = (struct content){ .m = NULL };
}

/* What a method is followed by decides when its message ends. */
static void finish(struct conn *c, const struct frame *f, struct message *m)
{
	struct channel *ch = f->method->has_content ? channel_of(c, f->channel) : NULL;
	struct content *content = ch == NULL ? NULL : &ch->content[f->side];

	if (content == NULL) {
		message_end(m, f->end);
		return;
	}
	if (content->m != NULL) /* the last one was not finished (4.2.6: content may not be
				   interrupted on its channel) */
		message_end(content->m, f->begin);
	*content = (struct content){ .m = m, .expected = true };
}

static void ask(struct conn *c, const struct frame *f, const struct channel *ch, enum what what,
		uint64_t number, uint64_t note)
{
	struct amqp_conn *a = state_of(c);
	uint64_t key = key_of(what, f->channel, number);

	if (ch == NULL || (what == METHOD && ch->lost)) {
		key = key_alone(a);
		finish(c, f, begin(c, f, MESSAGE_REQUEST, key, note));
		conn_request_close(c, f->side, key,
				   ch == NULL ? WHY_limit
				   : a->holes ? WHY_gap
					      : WHY_midstream);
		return;
	}
	finish(c, f, begin(c, f, MESSAGE_REQUEST, key, note));
}

static void answer(struct conn *c, const struct frame *f, uint64_t key, const char *code,
		   bool failed)
{
	struct message *m = begin(c, f, MESSAGE_RESPONSE, key, 0);

	if (code != NULL)
		message_text(m, FIELD_CODE, slice_of(code, strlen(code)));
	if (failed)
		message_failed(m);
	finish(c, f, m);
}

static void tell_oneway(struct conn *c, const struct frame *f)
{
	finish(c, f, begin(c, f, MESSAGE_ONEWAY, 0, 0));
}

/* ---- who answers whom ---- */

static uint32_t asked_number(uint16_t class, uint16_t method)
{
	return (uint32_t) class << 16 | method;
}

/* A channel or connection is closed because of a method (4.10: class and method name it): that
 * method has its answer. */
static void answer_failed(struct conn *c, const struct frame *f)
{
	const struct method *cause = method_find(f->arguments.class, f->arguments.method);
	struct channel *ch = channel_of(c, f->channel);
	uint64_t note, key;

	if (cause == NULL || cause->kind != ASKS || ch == NULL || ch->lost ||
	    f->arguments.code < REPLY_FAILED)
		return;
	key = key_of(METHOD, f->channel, asked_number(cause->class, cause->method));
	if (conn_request_note(c, f->side, f->begin, key, &note) == REQUEST_FOUND)
		message_end(begin(c, f, MESSAGE_RESPONSE, key, 0), f->end);
}

/* Anew, whatever was on its way on it. */
static void open_channel(struct channel *ch)
{
	for (int i = 0; i < 2; i++)
		end_content(&ch->content[i], NULL);
	*ch = (struct channel){ .number = ch->number };
}

static void take_ask(struct conn *c, const struct frame *f, struct channel *ch)
{
	uint32_t number = number_of(f->method);
	bool no_ack = bit(&f->arguments, f->method->no_ack);

	if (number == CHANNEL_OPEN && ch != NULL)
		open_channel(ch);
	/* Counting begins at the first confirm.select of a channel, and goes on at others: where
	 * this one may not be the first nobody knows the numbers. */
	if (number == CONFIRM_SELECT && ch != NULL)
		ch->confirms = !ch->lost;
	if (number == BASIC_CONSUME && f->arguments.consumer.bytes > 0)
		consumer_add(c, hash_tag(f->channel, f->arguments.consumer), no_ack);
	if (number == CHANNEL_CLOSE || number == CONNECTION_CLOSE)
		answer_failed(c, f);
	if (bit(&f->arguments, f->method->no_wait))
		tell_oneway(c, f);
	else
		ask(c, f, ch, METHOD, number, no_ack);
}

static void take_answer(struct conn *c, const struct frame *f, const struct channel *ch)
{
	uint64_t key = key_of(METHOD, f->channel, asked_number(f->method->class, f->method->asked)),
		 note = 0;

	if (ch == NULL || ch->lost)
		key = key_alone(state_of(c));
	/* Only the answer tells the tag that the broker has made up. */
	if (number_of(f->method) == BASIC_CONSUME_OK &&
	    conn_request_note(c, f->side, f->begin, key, &note) == REQUEST_FOUND)
		consumer_add(c, hash_tag(f->channel, f->arguments.consumer), note != 0);
	answer(c, f, key, "OK", false);
}

/* settle - answer one message, or all that are open up to it. `*settled`: up to where that has been
 * done. Numbers are the peers' claims, up to 2^64 - 1. */
static void settle(struct conn *c, const struct frame *f, enum what what, uint64_t newest,
		   uint64_t *settled)
{
	bool multiple = bit(&f->arguments, f->method->multiple), told = false;
	bool is_ack = number_of(f->method) == BASIC_ACK;
	const char *code = is_ack ? "ACK" : f->method->method == 90 ? "REJECT" : "NACK";
	/* 1.8.3.13: 0 is all */
	uint64_t last = multiple && f->arguments.delivery == 0 ? newest : f->arguments.delivery;
	uint64_t count = 1;

	if (multiple && last > *settled)
		count = last - *settled > SETTLED_MAX ? SETTLED_MAX : last - *settled;
	if (last > newest)
		count = 0;
	for (uint64_t i = last - count + 1; count > 0; i++, count--) {
		uint64_t key = key_of(what, f->channel, i), note;

		if (conn_request_note(c, f->side, f->begin, key, &note) != REQUEST_FOUND)
			continue;
		answer(c, f, key, code, !is_ack);
		told = true;
	}
	if (last <= newest && last > *settled && (multiple || last == *settled + 1))
		*settled = last;
	if (!told)
		tell_oneway(c, f);
}

static void take_settles(struct conn *c, const struct frame *f, struct channel *ch)
{
	enum side client = conn_client(c);

	if (ch == NULL || client == SIDE_UNKNOWN)
		tell_oneway(c, f);
	else if (f->side == client)
		settle(c, f, DELIVERED, ch->delivered, &ch->settled);
	else
		settle(c, f, PUBLISHED, ch->published, &ch->confirmed);
}

static void take_publish(struct conn *c, const struct frame *f, struct channel *ch)
{
	if (ch == NULL || !ch->confirms)
		tell_oneway(c, f);
	else
		ask(c, f, ch, PUBLISHED, ++ch->published, 0);
}

static void take_deliver(struct conn *c, const struct frame *f, struct channel *ch)
{
	if (ch == NULL ||
	    !consumer_acks(state_of(c), hash_tag(f->channel, f->arguments.consumer))) {
		tell_oneway(c, f);
		return;
	}
	if (f->arguments.delivery > ch->delivered)
		ch->delivered = f->arguments.delivery;
	ask(c, f, ch, DELIVERED, f->arguments.delivery, 0);
}

static void take_method(struct conn *c, const struct frame *f)
{
	struct channel *ch = channel_of(c, f->channel);

	/* Who may send it says who is the client, where nobody saw the connection begin. */
	if (f->method->from != EITHER)
		conn_client_is(c, f->method->from == CLIENT ? f->side : side_other(f->side));
	switch ((enum kind)f->method->kind) {
	case ASKS: take_ask(c, f, ch); break;
	case ANSWERS: take_answer(c, f, ch); break;
	case TELLS: tell_oneway(c, f); break;
	case PUBLISH: take_publish(c, f, ch); break;
	case DELIVER: take_deliver(c, f, ch); break;
	case SETTLES: take_settles(c, f, ch); break;
	}
}

/* ---- frames ---- */

static uint32_t be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* 4.2.3. Heartbeats are on channel 0 and empty (4.2.7). */
static bool is_frame(const uint8_t *at)
{
	uint32_t size = be32(at + 3);

	if (at[0] == FRAME_HEARTBEAT)
		return be16(at + 1) == 0 && size == 0;
	if (at[0] == FRAME_METHOD)
		return size >= 4 && size <= FRAME_BYTES_MAX;
	return (at[0] == FRAME_HEADER ? size >= CONTENT_BYTES : at[0] == FRAME_BODY) &&
	       size <= FRAME_BYTES_MAX;
}

/* The payload of a frame all of which is there; false if its last byte is not the mark. */
static bool payload_of(struct slice frame, struct slice *ret)
{
	*ret = slice_of(frame.at + FRAME_HEADER_BYTES, frame.bytes - FRAME_HEADER_BYTES - 1);
	return frame.at[frame.bytes - 1] == FRAME_END;
}

/* Returns the bytes of the frame if all of it is there; 0 if more is needed, or the frame is larger
 * than what is ever gathered. */
static size_t whole_frame(struct conn *c, enum side side, struct slice in)
{
	size_t bytes = FRAME_HEADER_BYTES + (size_t)be32(in.at + 3) + 1;

	if (in.bytes >= bytes)
		return bytes;
	if (!conn_full(c, side))
		conn_need(c, side, bytes);
	return 0;
}

static size_t read_method(struct conn *c, enum side side, struct slice in)
{
	size_t bytes = whole_frame(c, side, in);
	struct frame f = {
		.side = side, .channel = be16(in.at + 1), .begin = in.at, .end = in.at + bytes
	};
	struct slice payload;

	if (bytes == 0)
		return conn_full(c, side) ? end_reading(c) : 0;
	if (!payload_of(slice_of(in.at, bytes), &payload))
		return end_reading(c);
	f.method = method_find(be16(payload.at), be16(payload.at + 2));
	if (f.method == NULL || !read_arguments(f.method, slice_after(payload, 4), &f.arguments))
		return end_reading(c);
	take_method(c, &f);
	return bytes;
}

/* ---- content ---- */

/* 4.2.6.1: a bit for each property, from the highest; in the order of the class (1.8.1). What is
 * behind the headers may be cut off. */
static void tell_properties(struct message *m, struct slice properties)
{
	/* s: short string, t: table, o: octet, d: eight bytes */
	static const char kinds[] = "sstoossssdssss";
	static const uint16_t told[] = { AMQP_CONTENT_TYPE,
					 AMQP_CONTENT_ENCODING,
					 0,
					 0,
					 0,
					 AMQP_CORRELATION_ID,
					 AMQP_REPLY_TO,
					 0,
					 AMQP_MESSAGE_ID,
					 0,
					 AMQP_TYPE,
					 AMQP_USER_ID,
					 AMQP_APP_ID,
					 0 };
	struct cursor c = cursor_over(properties);
	uint16_t present = cursor_be16(&c);

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]) && !c.failed; i++) {
		struct slice value = { 0 };

		if ((present >> (15 - i) & 1) == 0)
			continue;
		switch (kinds[i]) {
		case 's': value = short_string(&c); break;
		case 't': cursor_take(&c, cursor_be32(&c)); break;
		case 'o': cursor_take(&c, 1); break;
		case 'd': cursor_take(&c, 8); break;
		}
		if (!c.failed && told[i] != 0 && value.bytes > 0)
			message_text(m, told[i], value);
	}
}

/* The frame's bytes from `in` on are passed over, its last one too. */
static size_t pass(struct conn *c, enum side side, struct slice in)
{
	state_of(c)->side[side].passes = true;
	conn_skip(c, side, (uint64_t)be32(in.at + 3), NULL);
	return FRAME_HEADER_BYTES;
}

static size_t read_header(struct conn *c, enum side side, struct slice in)
{
	struct channel *ch = channel_of(c, be16(in.at + 1));
	struct content *content = ch == NULL ? NULL : &ch->content[side];
	size_t bytes = whole_frame(c, side, in);
	struct slice payload;

	if (bytes == 0 && !conn_full(c, side))
		return 0;
	if (bytes == 0) /* its headers are larger than what is gathered */
		bytes = in.bytes < FRAME_HEADER_BYTES + CONTENT_BYTES ? 0 : in.bytes;
	if (bytes == 0)
		return end_reading(c);
	payload = slice_of(in.at + FRAME_HEADER_BYTES, bytes - FRAME_HEADER_BYTES);
	if (content != NULL && content->expected) {
		struct cursor size = cursor_over(slice_after(payload, 4));

		content->expected = false;
		content->open = true;
		content->left = cursor_be(&size, 8);
		tell_properties(content->m, slice_after(payload, 12));
	}
	if (bytes != FRAME_HEADER_BYTES + (size_t)be32(in.at + 3) + 1)
		return pass(c, side, in);
	if (in.at[bytes - 1] != FRAME_END)
		return end_reading(c);
	if (content != NULL && content->open && content->left == 0)
		end_content(content, in.at + bytes);
	return bytes;
}

static size_t begin_body(struct conn *c, enum side side, struct slice in)
{
	struct amqp_side *s = &state_of(c)->side[side];
	struct channel *ch = channel_of(c, be16(in.at + 1));
	struct content *content = ch == NULL ? NULL : &ch->content[side];
	uint32_t bytes = be32(in.at + 3);

	if (content == NULL || !content->open || bytes > content->left)
		return pass(c, side, in);
	content->left -= bytes;
	s->in_body = true;
	s->channel = ch->number;
	conn_skip(c, side, bytes, content->m);
	return FRAME_HEADER_BYTES;
}

/* The byte behind a body frame, or behind one that was passed over. Returns how many bytes were
 * taken. */
static size_t end_frame(struct conn *c, enum side side, struct slice in)
{
	struct amqp_side *s = &state_of(c)->side[side];
	struct channel *ch = s->in_body ? channel_of(c, s->channel) : NULL;

	if (in.at[0] != FRAME_END)
		return end_reading(c);
	s->in_body = s->passes = false;
	if (ch != NULL && ch->content[side].open && ch->content[side].left == 0)
		end_content(&ch->content[side], in.at + 1);
	return 1;
}

/* ---- feed ---- */

static const uint8_t preface[PREFACE_BYTES] = { 'A', 'M', 'Q', 'P', 0, 0, 9, 1 };

/* 4.2.2: the client begins with it; a server answers with it to a version that it does not speak.
 */
static int read_preface(struct slice in)
{
	size_t n = in.bytes < PREFACE_BYTES ? in.bytes : PREFACE_BYTES;

	if (memcmp(in.at, preface, n) != 0)
		return -1;
	return n == PREFACE_BYTES ? PREFACE_BYTES : 0;
}

/* After a hole: a frame is believed where its method exists and its last byte is in its place. */
static enum guess weigh(struct slice in)
{
	uint32_t size;

	if (in.bytes < FRAME_HEADER_BYTES)
		return GUESS_MORE;
	if (!is_frame(in.at))
		return GUESS_NO;
	size = be32(in.at + 3);
	if (in.at[0] == FRAME_METHOD) {
		if (in.bytes < FRAME_HEADER_BYTES + 4)
			return GUESS_MORE;
		if (method_find(be16(in.at + 7), be16(in.at + 9)) == NULL)
			return GUESS_NO;
	}
	if (in.bytes <= FRAME_HEADER_BYTES + (size_t)size)
		return in.at[0] == FRAME_METHOD ? GUESS_MAYBE : GUESS_MORE;
	return in.at[FRAME_HEADER_BYTES + size] != FRAME_END             ? GUESS_NO
	       : in.at[0] == FRAME_METHOD || in.at[0] == FRAME_HEARTBEAT ? GUESS_YES
									 : GUESS_MAYBE;
}

/* Whole frames one behind the other, until one of them can hardly be anything else. */
static enum guess weigh_frames(struct slice in)
{
	enum guess g = GUESS_MORE;

	for (int i = 0; i < FRAMES_WEIGHED; i++) {
		g = weigh(in);
		if (g != GUESS_MAYBE || in.bytes <= FRAME_HEADER_BYTES + (size_t)be32(in.at + 3))
			return g;
		in = slice_after(in, FRAME_HEADER_BYTES + (size_t)be32(in.at + 3) + 1);
	}
	return g;
}

static size_t read_frame(struct conn *c, enum side side, struct slice in)
{
	switch (in.at[0]) {
	case FRAME_METHOD: return read_method(c, side, in);
	case FRAME_HEADER: return read_header(c, side, in);
	case FRAME_BODY: return begin_body(c, side, in);
	}
	return in.bytes > FRAME_HEADER_BYTES ? in.at[FRAME_HEADER_BYTES] == FRAME_END
						       ? FRAME_HEADER_BYTES + 1
						       : end_reading(c)
					     : 0;
}

/* Is the byte behind the hole the first of a frame? If that cannot be told nothing more of this
 * side is read. Returns whether to go on. */
static bool resume(struct conn *c, enum side side, struct slice in)
{
	struct amqp_side *s = &state_of(c)->side[side];
	enum guess g = weigh_frames(in);

	if (g == GUESS_YES) {
		s->resumes = false;
		return true;
	}
	if (g != GUESS_NO && !conn_full(c, side)) {
		conn_need(c, side, in.bytes + 1);
		return false;
	}
	s->dropped = true;
	conn_skip(c, side, UINT64_MAX, NULL);
	return false;
}

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct amqp_conn *a = state_of(c);
	struct amqp_side *s = &a->side[side];
	size_t taken = 0, n = 1;

	if (!s->begun && in.bytes > 0) {
		int found = read_preface(in);

		if (found == 0 && !conn_full(c, side))
			return 0;
		s->begun = true;
		a->from_start = a->from_start || found > 0;
		taken = found > 0 ? (size_t)found : 0;
	}
	while (n > 0 && !a->done && !s->dropped) {
		struct slice rest = slice_after(in, taken);
		bool ends = s->in_body || s->passes;

		if (rest.bytes < (ends ? 1u : FRAME_HEADER_BYTES)) {
			if (!ends && rest.bytes > 0)
				conn_need(c, side, FRAME_HEADER_BYTES);
			break;
		}
		if (s->resumes && !resume(c, side, rest))
			break;
		if (!ends && !is_frame(rest.at))
			n = end_reading(c);
		else
			n = ends ? end_frame(c, side, rest) : read_frame(c, side, rest);
		taken += n;
		if (!ends && (s->in_body || s->passes)) /* the host skips what follows */
			break;
		if (n == 0 && !a->done && !conn_full(c, side) && rest.at[0] == FRAME_HEARTBEAT)
			conn_need(c, side, FRAME_HEADER_BYTES + 1);
	}
	return taken;
}

/* ---- the rest of the contract ---- */

/* Answers to what is missing would be taken for answers to what is not: no method is paired on any
 * channel open now. */
static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	struct amqp_conn *a = state_of(c);
	struct amqp_side *s = &a->side[side];

	(void)bytes;
	a->from_start = false;
	a->holes = true;
	s->begun = s->resumes = true;
	s->in_body = s->passes = false;
	for (uint32_t i = 0; i < a->channels; i++) {
		struct channel *ch = &a->channel[i];

		ch->lost = true;
		ch->confirms = false;
		message_flag(ch->content[side].m, FLAG_gap_in_body);
		end_content(&ch->content[side], NULL);
	}
	return RESYNC_SEARCH;
}

static void close_side(struct conn *c, enum side side, enum why why)
{
	struct amqp_conn *a = state_of(c);

	(void)why;
	for (uint32_t i = 0; i < a->channels; i++)
		end_content(&a->channel[i].content[side], NULL);
}

static enum guess probe(struct slice first, uint16_t port_hint)
{
	enum guess g;

	(void)port_hint;
	if (first.bytes == 0)
		return GUESS_MORE;
	if (first.at[0] == 'A') {
		int found = read_preface(first);

		return found > 0 ? GUESS_YES : found == 0 ? GUESS_MORE : GUESS_NO;
	}
	g = weigh_frames(first);
	/* A method frame longer than what is shown: its class and method exist. */
	return g == GUESS_MAYBE && first.at[0] == FRAME_METHOD && first.bytes >= 64 ? GUESS_YES
	       : g == GUESS_MAYBE                                                   ? GUESS_MORE
										    : g;
}

/* 2: `.` is any byte. The protocol header; a method frame of less than 16 MB; a heartbeat. */
static const struct pattern patterns[] = {
	{ "^AMQP\\x00\\x00\\x09\\x01", 0 },
	{ "^\\x01..\\x00...\\x00", 2 },
	{ "^\\x08\\x00\\x00\\x00\\x00\\x00\\x00\\xce", 0 },
};

const struct dissector dissector_amqp = {
	.name = "amqp",
	.proto = "amqp",
	.title = "AMQP 0-9-1",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.conn_bytes = sizeof(struct amqp_conn),
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.close = close_side,
};
