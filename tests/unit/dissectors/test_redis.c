/* Proves of dissectors/redis.c:
 *   - commands become messages with their name and first key, replies with their code, in every
 *     type of RESP2 and RESP3;
 *   - what is never answered, answered several times, or said without being asked shifts no pair;
 *   - strings of any length are stepped over, nesting and counts have limits;
 *   - a replica's snapshot is skipped and its master's commands are seen;
 *   - the same bytes give the same messages however they are cut, and no part of a message is
 *     taken for the whole;
 *   - after a gap nothing is invented; probe() says yes to commands and to nothing else.
 * Every input ends at an unreadable page (fake_host.h).
 */
#include "tests/support/check.h"

#include <stdio.h>
#include <time.h>

#include "dissectors/registry.h"
#include "tests/support/fake_host.h"

extern const struct dissector dissector_redis;

static struct conn c;

static int open_conn(void **state)
{
	(void)state;
	fake_open(&c, &dissector_redis, NULL);
	return 0;
}

static int free_conn(void **state)
{
	(void)state;
	fake_free(&c);
	return 0;
}

static void reopen(struct fake_settings settings)
{
	fake_free(&c);
	fake_open(&c, &dissector_redis, &settings);
}

static const struct message *expect(enum side side, uint32_t n, const char *fields)
{
	const struct message *m = fake_message(&c, side, n);

	assert_non_null(m);
	assert_string_equal(m->fields, fields);
	return m;
}

/* The n-th message of the server answers this request of the client; -1: none. */
static const struct message *expect_reply(uint32_t n, const char *fields, int64_t answers)
{
	const struct message *m = expect(SIDE_B, n, fields);

	assert_int_equal(m->answers, answers);
	return m;
}

/* A command as clients send it, from words with a space between them. */
static void command(enum side side, const char *words)
{
	char text[1024], all[1200];
	size_t n = 0;
	int count = 0;

	for (const char *w = words; *w != 0; w += *w == ' ') {
		size_t word = strcspn(w, " ");

		n += (size_t)snprintf(text + n, sizeof(text) - n, "$%zu\r\n%.*s\r\n", word,
				      (int)word, w);
		w += word;
		count++;
	}
	snprintf(all, sizeof(all), "*%d\r\n%s", count, text);
	fake_say(&c, side, all);
}

/* ---- commands ---- */

static void a_command_has_a_method_and_its_first_key(void **state)
{
	(void)state;
	static const char *const all[][2] = {
		{ "get a", "method=GET args=1 target=a" },
		{ "SET key value EX 10", "method=SET args=4 target=key" },
		{ "PING", "method=PING args=0" },
		{ "AUTH user secret", "method=AUTH args=2" },
		{ "HELLO 3 AUTH user secret", "method=HELLO args=4" },
		{ "EVAL return 2 k1 k2 arg", "method=EVAL args=5 target=k1" },
		{ "EVAL return 0 arg", "method=EVAL args=3" },
		{ "ZUNION 2 z1 z2", "method=ZUNION args=3 target=z1" },
		{ "BLMPOP 0 1 list LEFT", "method=BLMPOP args=4 target=list" },
		{ "XREAD COUNT 2 STREAMS s1 s2 0 0", "method=XREAD args=7 target=s1" },
		{ "XREADGROUP GROUP streams c STREAMS s1 >", "method=XREADGROUP args=6 target=s1" },
		{ "OBJECT encoding key", "args=2 method=OBJECT ENCODING target=key" },
		{ "MEMORY USAGE key", "args=2 method=MEMORY USAGE target=key" },
		{ "MEMORY STATS", "args=1 method=MEMORY STATS" },
		{ "CLIENT LIST", "args=1 method=CLIENT LIST" },
		{ "BITOP AND dest a b", "method=BITOP args=4 target=dest" },
		{ "MIGRATE h 1 key 0 9", "method=MIGRATE args=5 target=key" },
		{ "PUBLISH news hello", "method=PUBLISH args=2 target=news" },
		{ "JSON.GET doc $", "method=JSON.GET args=2 target=doc" },
		{ "NOSUCH secret", "method=NOSUCH args=1" },
	};

	for (uint32_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		command(SIDE_A, all[i][0]);
		expect(SIDE_A, i, all[i][1]);
	}
}

static void a_command_of_no_arguments_ends_with_its_name(void **state)
{
	(void)state;
	command(SIDE_A, "PING");
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->head_bytes, 14);
}

static void a_line_is_a_command_too(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "\r\nping\r\nset  \"a b\" 'c d'\nCLIENT REPLY OFF\r\nGET k\r\n");
	expect(SIDE_A, 0, "method=PING args=0");
	expect(SIDE_A, 1, "method=SET args=2 target=a b");
	assert_true(expect(SIDE_A, 2, "args=2 method=CLIENT REPLY")->kind == MESSAGE_ONEWAY);
	assert_true(expect(SIDE_A, 3, "method=GET args=1 target=k")->kind == MESSAGE_ONEWAY);
}

static void empty_arrays_are_no_commands(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n");
	assert_int_equal(fake_count(&c, SIDE_A), 1);
	expect(SIDE_A, 0, "method=PING args=0");
}

static void a_long_argument_is_a_body_and_a_long_key_is_cut(void **state)
{
	(void)state;
	char text[5000];
	const struct message *m;
	int n = snprintf(text, sizeof(text),
			 "*3\r\n$3\r\nSET\r\n$600\r\n%0600d\r\n$3000\r\n%03000d\r\n", 1, 2);

	fake_feed(&c, SIDE_A, text, (size_t)n);
	command(SIDE_A, "GET b");
	m = fake_message(&c, SIDE_A, 0);
	assert_true(m->ended);
	assert_int_equal(m->flags, FLAG_head_cut);
	assert_int_equal(m->body_bytes, 88 + 3000);
	assert_int_equal(strlen(m->fields), strlen("method=SET args=2 target=") + 512);
	expect(SIDE_A, 1, "method=GET args=1 target=b");
}

static void a_name_longer_than_any_is_no_method(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "*2\r\n$70\r\n");
	for (int i = 0; i < 7; i++)
		fake_say(&c, SIDE_A, "0123456789");
	fake_say(&c, SIDE_A, "\r\n$1\r\na\r\n");
	assert_int_equal(expect(SIDE_A, 0, "args=1")->flags, FLAG_anomaly);
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
}

/* ---- replies ---- */

static void every_type_of_reply_has_its_code(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *fields;
		bool failed;
	} all[] = {
		{ "+OK\r\n", "code=OK", false },
		{ "+PONG\r\n", "code=PONG", false },
		{ "+Background saving started\r\n", "code=string value=Background saving started",
		  false },
		{ "-ERR unknown command\r\n", "code=ERR reason=ERR unknown command", true },
		{ "-WRONGTYPE Operation\r\n", "code=WRONGTYPE reason=WRONGTYPE Operation", true },
		{ "-MOVED 3999 127.0.0.1:6381\r\n", "code=MOVED reason=MOVED 3999 127.0.0.1:6381",
		  true },
		{ "-oops\r\n", "code=error reason=oops", true },
		{ "!21\r\nSYNTAX invalid syntax\r\n", "code=SYNTAX reason=SYNTAX invalid syntax",
		  true },
		{ ":1000\r\n", "value=1000 code=integer", false },
		{ ":-1\r\n", "value=-1 code=integer", false },
		{ "$5\r\nhello\r\n", "code=bulk", false },
		{ "$0\r\n\r\n", "code=bulk", false },
		{ "$-1\r\n", "code=nil", false },
		{ "*-1\r\n", "code=nil", false },
		{ "_\r\n", "code=nil", false },
		{ "*0\r\n", "code=array elements=0", false },
		{ "*2\r\n$1\r\na\r\n*1\r\n:1\r\n", "code=array elements=2", false },
		{ "*3\r\n+OK\r\n-ERR x\r\n*1\r\n-ERR y\r\n", "code=array elements=3 errors=2",
		  false },
		{ "%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n", "code=map elements=2", false },
		{ "~2\r\n+a\r\n#t\r\n", "code=set elements=2", false },
		{ ",1.23\r\n", "value=1.23 code=double", false },
		{ ",inf\r\n", "value=inf code=double", false },
		{ "#t\r\n", "value=t code=boolean", false },
		{ "(3492890328409238509324850943850943825024385\r\n",
		  "value=3492890328409238509324850943850943825024385 code=bignumber", false },
		{ "=15\r\ntxt:Some string\r\n", "code=verbatim", false },
		{ "|1\r\n+ttl\r\n:3600\r\n:7\r\n", "value=7 code=integer", false },
		{ "*2\r\n:1\r\n|1\r\n+a\r\n*2\r\n:1\r\n:2\r\n:3\r\n", "code=array elements=2",
		  false },
		{ "$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n", "code=bulk", false },
		{ "*?\r\n:1\r\n*2\r\n:1\r\n:2\r\n.\r\n", "code=array", false },
		{ "%?\r\n+a\r\n*?\r\n.\r\n.\r\n", "code=map", false },
	};

	for (uint32_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		command(SIDE_A, "GET a");
		fake_say(&c, SIDE_B, all[i].bytes);
		assert_true(expect_reply(i, all[i].fields, i)->ended);
		assert_true(fake_message(&c, SIDE_B, i)->failed == all[i].failed);
	}
	assert_false(c.opaque);
}

static void a_string_that_is_the_reply_is_its_body(void **state)
{
	(void)state;
	command(SIDE_A, "GET a");
	command(SIDE_A, "GET b");
	fake_say(&c, SIDE_B, "$5\r\nhello\r\n$7\r\n+OK\r\n\r\n\r\n");
	assert_int_equal(fake_message(&c, SIDE_B, 0)->body_bytes, 5);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->head_bytes, 4);
	assert_int_equal(expect_reply(1, "code=bulk", 1)->body_bytes, 7);
	assert_int_equal(fake_count(&c, SIDE_B), 2);
}

static void pipelined_commands_are_answered_in_order(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		command(SIDE_A, "INCR n");
	for (uint32_t i = 0; i < 50; i++) {
		char text[32];

		snprintf(text, sizeof(text), ":%u\r\n", i + 1);
		fake_say(&c, SIDE_B, text);
		assert_int_equal(fake_message(&c, SIDE_B, i)->answers, i);
	}
}

static void a_transaction_is_queued_and_then_answered_as_one(void **state)
{
	(void)state;
	command(SIDE_A, "MULTI");
	command(SIDE_A, "SET a b");
	command(SIDE_A, "LPUSH a b");
	command(SIDE_A, "EXEC");
	fake_say(&c, SIDE_B, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n-WRONGTYPE x\r\n");
	expect_reply(1, "code=QUEUED", 1);
	expect_reply(3, "code=array elements=2 errors=1", 3);
}

/* ---- what does not answer one for one ---- */

static void what_client_reply_silences_is_oneway(void **state)
{
	(void)state;
	command(SIDE_A, "CLIENT REPLY OFF");
	command(SIDE_A, "SET a b");
	command(SIDE_A, "CLIENT REPLY SKIP");
	command(SIDE_A, "SET c d");
	command(SIDE_A, "CLIENT REPLY ON");
	command(SIDE_A, "CLIENT REPLY SKIP");
	command(SIDE_A, "SET e f");
	command(SIDE_A, "GET g");
	fake_say(&c, SIDE_B, "+OK\r\n$1\r\n1\r\n");
	for (uint32_t i = 0; i < 7; i++)
		assert_true((fake_message(&c, SIDE_A, i)->kind == MESSAGE_ONEWAY) == (i != 4));
	expect_reply(0, "code=OK", 0);
	expect_reply(1, "code=bulk", 1);
}

static void client_reply_that_was_refused_shifts_nothing(void **state)
{
	(void)state;
	command(SIDE_A, "CLIENT REPLY OFF");
	fake_say(&c, SIDE_B, "-ERR unknown command\r\n");
	fake_wait_over(&c);
	assert_true(c.opaque);
	assert_int_equal(fake_count(&c, SIDE_B), 0);
}

static void client_reply_in_a_transaction_is_not_followed(void **state)
{
	(void)state;
	command(SIDE_A, "MULTI");
	command(SIDE_A, "CLIENT REPLY OFF");
	assert_true(c.opaque);
}

static void several_confirmations_answer_one_subscribe(void **state)
{
	(void)state;
	command(SIDE_A, "SUBSCRIBE a b c");
	command(SIDE_A, "PING");
	fake_say(&c, SIDE_B,
		 "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
		 "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"
		 "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
		 "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:3\r\n"
		 "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
	assert_true(fake_message(&c, SIDE_B, 0)->kind == MESSAGE_INTERIM);
	assert_true(expect(SIDE_B, 1, "method=message target=a")->kind == MESSAGE_ONEWAY);
	assert_true(fake_message(&c, SIDE_B, 2)->kind == MESSAGE_INTERIM);
	expect_reply(3, "code=array elements=3", 0);
	expect_reply(4, "code=array elements=2", 1);
}

static void unsubscribe_from_all_is_confirmed_for_each(void **state)
{
	(void)state;
	command(SIDE_A, "SUBSCRIBE a b");
	fake_say(&c, SIDE_B,
		 "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
		 "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
	command(SIDE_A, "UNSUBSCRIBE");
	command(SIDE_A, "UNSUBSCRIBE");
	command(SIDE_A, "LRANGE l 0 2");
	fake_say(&c, SIDE_B,
		 "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n"
		 "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n"
		 "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
		 "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
	expect_reply(3, "code=array elements=3", 1);
	expect_reply(4, "code=array elements=3", 2);
	/* Nobody is subscribed: the same words are a reply. */
	expect_reply(5, "code=array elements=3", 3);
}

static void pushes_of_resp3_answer_nothing(void **state)
{
	(void)state;
	command(SIDE_A, "HELLO 3");
	command(SIDE_A, "SUBSCRIBE a");
	command(SIDE_A, "GET k");
	fake_say(&c, SIDE_B,
		 "%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n"
		 ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"
		 ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
		 ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"
		 "$1\r\nv\r\n");
	expect_reply(0, "code=map elements=1", 0);
	assert_true(expect(SIDE_B, 1, "method=invalidate")->kind == MESSAGE_ONEWAY);
	expect_reply(2, "code=push elements=3", 1);
	assert_true(expect(SIDE_B, 3, "method=message target=a")->kind == MESSAGE_ONEWAY);
	expect_reply(4, "code=bulk", 2);
}

static void a_monitor_is_told_and_asks_on(void **state)
{
	(void)state;
	command(SIDE_A, "MONITOR");
	fake_say(&c, SIDE_B, "+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n");
	command(SIDE_A, "RESET");
	fake_say(&c, SIDE_B, "+RESET\r\n");
	assert_true(expect(SIDE_B, 1, "method=monitor")->kind == MESSAGE_ONEWAY);
	expect_reply(2, "code=RESET", 1);
}

static void a_reply_waits_for_a_command_that_is_late(void **state)
{
	(void)state;
	fake_say(&c, SIDE_B, "+OK\r\n");
	assert_int_equal(fake_count(&c, SIDE_B), 0);
	command(SIDE_A, "SET a b");
	expect_reply(0, "code=OK", 0);
	fake_say(&c, SIDE_B, ":1\r\n");
	fake_wait_over(&c);
	expect_reply(1, "value=1 code=integer", -1);
}

/* ---- replication ---- */

static void a_replica_gets_a_snapshot_and_then_commands(void **state)
{
	(void)state;
	command(SIDE_A, "PING");
	command(SIDE_A, "REPLCONF listening-port 6380");
	command(SIDE_A, "PSYNC ? -1");
	fake_say(&c, SIDE_B,
		 "+PONG\r\n+OK\r\n\n\n+FULLRESYNC 8de1 0\r\n\n\n$8\r\nREDIS\r\n+"
		 "*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n");
	command(SIDE_A, "REPLCONF ACK 14");
	expect_reply(2, "code=FULLRESYNC value=FULLRESYNC 8de1 0", 2);
	assert_int_equal(expect(SIDE_B, 3, "method=RDB")->body_bytes, 8);
	assert_true(expect(SIDE_B, 4, "method=PING args=0")->kind == MESSAGE_ONEWAY);
	assert_true(expect(SIDE_B, 5, "method=SET args=2 target=a")->kind == MESSAGE_ONEWAY);
	assert_true(fake_message(&c, SIDE_A, 3)->kind == MESSAGE_ONEWAY);
	assert_false(c.opaque);
}

static void a_snapshot_of_unknown_length_ends_at_its_mark(void **state)
{
	(void)state;
	static const char mark[] = "abcdefghijklmnopqrstuvwxyz01234567891234";

	command(SIDE_A, "PSYNC ? -1");
	fake_say(&c, SIDE_B, "+FULLRESYNC 8de1 0\r\n$EOF:");
	fake_say(&c, SIDE_B, mark);
	fake_say(&c, SIDE_B, "\r\nREDISabcdefghij");
	fake_feed_bytewise(&c, SIDE_B, mark, 40);
	fake_say(&c, SIDE_B, "*1\r\n$4\r\nPING\r\n");
	assert_int_equal(expect(SIDE_B, 1, "method=RDB")->body_bytes, 15);
	expect(SIDE_B, 2, "method=PING args=0");
}

static void sync_is_answered_by_the_snapshot(void **state)
{
	(void)state;
	command(SIDE_A, "SYNC");
	fake_say(&c, SIDE_B, "\n$3\r\nabc*1\r\n$4\r\nPING\r\n");
	assert_int_equal(expect_reply(0, "code=RDB", 0)->body_bytes, 3);
	expect(SIDE_B, 1, "method=PING args=0");
}

static void a_replica_that_goes_on_gets_commands_at_once(void **state)
{
	(void)state;
	command(SIDE_A, "PSYNC 8de1 100");
	fake_say(&c, SIDE_B, "+CONTINUE\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n");
	expect_reply(0, "code=CONTINUE", 0);
	expect(SIDE_B, 1, "method=DEL args=1 target=a");
}

/* ---- what is not RESP, limits ---- */

static void what_is_no_resp_ends_the_reading(void **state)
{
	(void)state;
	static const char *const client[] = {
		"*1\r\n:1\r\n",
		"*1\r\n$x\r\n",
		"*2\r\n$3\r\nGET\r\n$-1\r\n",
		"*1\r\n$4\r\nPINGxx",
		"\x16\x03\x01 hello\n",
		"*99999999999\r\n",
		"*1\n",
		"*1\r\n$99999999999999\r\n",
		"<html>\r\n",
		"*2\r\n$3\r\nGET\r\n+a\r\n",
	};
	static const char *const server[] = {
		"not RESP\r\n",
		"+OK\n",
		"$3\r\nabcde",
		"*1\r\n\r\n",
		"*1\r\n>1\r\n",
		".\r\n",
		"$-5\r\n",
		"*1\r\n.\r\n",
		"*12345678901234567890\r\n",
		"$?\r\n+x\r\n",
		"$99999999999999\r\n",
		"*9999999999\r\n",
	};

	for (size_t i = 0; i < sizeof(client) / sizeof(client[0]); i++) {
		reopen((struct fake_settings){ 0 });
		fake_say(&c, SIDE_A, client[i]);
		assert_true(c.opaque);
	}
	for (size_t i = 0; i < sizeof(server) / sizeof(server[0]); i++) {
		reopen((struct fake_settings){ 0 });
		command(SIDE_A, "GET a");
		fake_say(&c, SIDE_B, server[i]);
		assert_true(c.opaque);
		assert_true(fake_count(&c, SIDE_B) <= 1);
	}
}

static void nesting_has_a_limit(void **state)
{
	(void)state;
	command(SIDE_A, "GET a");
	command(SIDE_A, "GET b");
	for (int i = 0; i < 32; i++)
		fake_say(&c, SIDE_B, "*1\r\n");
	fake_say(&c, SIDE_B, ":1\r\n");
	assert_true(expect_reply(0, "code=array elements=1", 0)->ended);
	for (int i = 0; i < 33; i++)
		fake_say(&c, SIDE_B, "*1\r\n");
	assert_true(c.opaque);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->flags, FLAG_anomaly);
}

static void a_huge_declared_size_costs_nothing(void **state)
{
	(void)state;
	command(SIDE_A, "GET a");
	fake_say(&c, SIDE_B, "*2147483647\r\n$1000000000\r\nabc");
	assert_int_equal(c.side[SIDE_B].pending_bytes, 0);
	assert_int_equal(c.side[SIDE_B].skip, 1000000000 - 3);
	fake_close_both(&c);
	assert_true(fake_message(&c, SIDE_B, 0)->ended);
	assert_true(fake_message(&c, SIDE_B, 0)->flags != 0);
}

static void a_line_without_end_is_searched_once_and_then_given_up(void **state)
{
	(void)state;
	char line[20000];
	clock_t before = clock();

	memset(line, 'a', sizeof(line));
	line[0] = '+';
	reopen((struct fake_settings){ .head_bytes = 20000, .in_place = true });
	command(SIDE_A, "GET a");
	fake_feed_bytewise(&c, SIDE_B, line, sizeof(line) - 1);
	assert_false(c.opaque);
	fake_feed(&c, SIDE_B, line, 1);
	assert_true(c.opaque);
	assert_true((clock() - before) / CLOCKS_PER_SEC < 3);
}

static void a_million_small_elements_are_read_in_one_pass(void **state)
{
	(void)state;
	char piece[4000];
	clock_t before = clock();

	for (size_t i = 0; i < sizeof(piece); i += 4)
		memcpy(piece + i, ":1\r\n", 4);
	command(SIDE_A, "LRANGE l 0 -1");
	fake_say(&c, SIDE_B, "*1000000\r\n");
	for (int i = 0; i < 1000; i++)
		fake_feed(&c, SIDE_B, piece, sizeof(piece));
	assert_true(expect_reply(0, "code=array elements=1000000", 0)->ended);
	assert_true((clock() - before) / CLOCKS_PER_SEC < 3);
}

/* ---- gaps, late joins ---- */

static void a_gap_in_a_string_costs_no_message(void **state)
{
	(void)state;
	command(SIDE_A, "GET a");
	command(SIDE_A, "GET b");
	fake_say(&c, SIDE_B, "$1000\r\nabc");
	fake_gap(&c, SIDE_B, 997);
	fake_say(&c, SIDE_B, "\r\n:5\r\n");
	assert_int_equal(fake_message(&c, SIDE_B, 0)->flags, FLAG_gap_in_body);
	expect_reply(1, "value=5 code=integer", 1);
}

static void after_a_gap_a_client_is_found_at_a_known_command(void **state)
{
	(void)state;
	command(SIDE_A, "SET a b");
	fake_say(&c, SIDE_A, "*3\r\n$3\r\nSET\r\n$1");
	fake_gap(&c, SIDE_A, 100);
	fake_say(&c, SIDE_A, "c\r\n*1\r\n$4\r\nPING\r\n");
	fake_say(&c, SIDE_A, "*1\r\n$4\r\nNONE\r\n");
	fake_say(&c, SIDE_A, "PING\r\n");
	command(SIDE_A, "GET x");
	assert_int_equal(fake_count(&c, SIDE_A), 3);
	assert_int_equal(fake_message(&c, SIDE_A, 1)->flags, FLAG_gap_in_head);
	expect(SIDE_A, 2, "method=GET args=1 target=x");
}

static void after_a_gap_a_server_is_found_where_a_command_waits(void **state)
{
	(void)state;
	command(SIDE_A, "GET a");
	fake_say(&c, SIDE_B, "*2\r\n$1\r\na\r\n");
	fake_gap(&c, SIDE_B, 10);
	fake_say(&c, SIDE_B, "+OK\r\n");
	assert_int_equal(fake_count(&c, SIDE_B), 1);
	command(SIDE_A, "GET b");
	fake_say(&c, SIDE_B, "x\r\n+OK\r\n");
	assert_int_equal(fake_count(&c, SIDE_B), 1);
	fake_say(&c, SIDE_B, "+OK\r\n");
	expect_reply(1, "code=OK", 1);
}

static void a_subscriber_joined_late_is_told_by_its_messages(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .midstream = true });
	fake_say(&c, SIDE_B, "hing\r\n");
	fake_say(&c, SIDE_B, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n");
	fake_wait_over(&c);
	assert_int_equal(fake_count(&c, SIDE_B), 1);
	expect(SIDE_B, 0, "method=message target=a");
}

static void without_a_syn_the_command_tells_the_client(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .client_unknown = true, .midstream = true });
	fake_say(&c, SIDE_A, "+OK\r\n");
	command(SIDE_B, "GET a");
	assert_true(c.client == SIDE_B);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->answers, 0);
}

static void without_a_syn_a_confirmation_is_no_command(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .client_unknown = true, .midstream = true });
	fake_say(&c, SIDE_A, "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
	fake_wait_over(&c);
	assert_int_equal(fake_count(&c, SIDE_A), 0);
	command(SIDE_B, "SUBSCRIBE a b");
	assert_true(c.client == SIDE_B);
	assert_int_equal(fake_count(&c, SIDE_B), 1);
}

static void client_reply_after_a_late_join_is_not_followed(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .midstream = true });
	command(SIDE_A, "CLIENT REPLY ON");
	assert_true(c.opaque);
}

/* ---- the same bytes, cut in any way ---- */

static const char talk_a[] =
	"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$"
	"4\r\nSKIP\r\n"
	"*1\r\n$4\r\nPING\r\n*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n"
	"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$19\r\n*1\r\n$4\r\nPING\r\n+OK\r\n\r\n"
	"*4\r\n$4\r\nEVAL\r\n$6\r\nreturn\r\n$1\r\n1\r\n$1\r\nk\r\n*1\r\n$5\r\nHELLO\r\n"
	"*2\r\n$4\r\nLLEN\r\n$1\r\nl\r\n*1\r\n$4\r\nQUIT\r\n";
static const char talk_b[] =
	"$5\r\nhello\r\n+PONG\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
	"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
	"-ERR no\r\n|1\r\n+a\r\n:1\r\n*2\r\n*?\r\n$?\r\n;3\r\nabc\r\n;0\r\n.\r\n!9\r\nERR inner\r\n"
	"%1\r\n+proto\r\n:3\r\n>2\r\n+invalidate\r\n*0\r\n_\r\n+OK\r\n";

static char *text_of_talk(size_t most, uint64_t seed)
{
	reopen((struct fake_settings){ 0 });
	fake_feed_both(&c, slice_of(talk_a, sizeof(talk_a) - 1),
		       slice_of(talk_b, sizeof(talk_b) - 1), most, &seed);
	fake_close_both(&c);
	return fake_text(&c);
}

static void messages_do_not_depend_on_where_the_bytes_are_cut(void **state)
{
	(void)state;
	char *whole = text_of_talk(1 << 20, 3), *cut;

	assert_int_equal(fake_count(&c, SIDE_A), 10);
	assert_int_equal(fake_count(&c, SIDE_B), 11);
	assert_false(c.opaque);
	for (uint32_t i = 0; i < 11; i++)
		assert_true(fake_message(&c, SIDE_B, i)->ended);
	expect_reply(10, "code=OK", 7);
	for (uint64_t seed = 0; seed < 500; seed++) {
		cut = text_of_talk(seed < 20 ? 1 : 1 + seed % 97, seed);
		assert_string_equal(cut, whole);
		free(cut);
	}
	free(whole);
}

static void no_part_of_a_message_is_taken_for_the_whole(void **state)
{
	(void)state;
	static const char *const requests[] = {
		"*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
		"PING\r\n",
		"*1\r\n$4\r\nQUIT\r\n",
		"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n",
	};
	static const char *const replies[] = {
		"+OK\r\n",
		"$3\r\nabc\r\n",
		"*2\r\n:1\r\n%1\r\n+a\r\n_\r\n",
		"$?\r\n;1\r\na\r\n;0\r\n",
		"|1\r\n+a\r\n:1\r\n:2\r\n",
		"*?\r\n.\r\n",
		"!3\r\nERR\r\n",
		"$0\r\n\r\n",
	};

	for (size_t k = 0; k < sizeof(requests) / sizeof(requests[0]); k++) {
		for (size_t n = 0; n <= strlen(requests[k]); n++) {
			reopen((struct fake_settings){ 0 });
			fake_feed(&c, SIDE_A, requests[k], n);
			assert_true((fake_message(&c, SIDE_A, 0) != NULL &&
				     fake_message(&c, SIDE_A, 0)->ended) ==
				    (n == strlen(requests[k])));
		}
	}
	for (size_t k = 0; k < sizeof(replies) / sizeof(replies[0]); k++) {
		for (size_t n = 0; n <= strlen(replies[k]); n++) {
			reopen((struct fake_settings){ 0 });
			command(SIDE_A, "GET a");
			fake_feed(&c, SIDE_B, replies[k], n);
			assert_true((fake_message(&c, SIDE_B, 0) != NULL &&
				     fake_message(&c, SIDE_B, 0)->ended) ==
				    (n == strlen(replies[k])));
			assert_false(c.opaque);
		}
	}
}

/* ---- probe ---- */

static enum guess probed(const char *text)
{
	return dissector_redis.probe(slice_of(text, strlen(text)), 0);
}

static void probe_knows_commands_and_nothing_else(void **state)
{
	(void)state;
	static const char whole[] = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";

	assert_true(probed(whole) == GUESS_YES);
	for (size_t n = 1; n < sizeof(whole) - 1; n++)
		assert_true(dissector_redis.probe(slice_of(whole, n), 0) ==
			    (n < 13 ? GUESS_MORE : GUESS_YES));
	assert_true(probed("PING\r\n") == GUESS_MAYBE);
	assert_true(probed("get key\r\n") == GUESS_MAYBE);
	assert_true(probed("get key") == GUESS_MORE);
	assert_true(probed("*1\r\n$3\r\nXYZ\r\n") == GUESS_MAYBE);
	assert_true(probed("$5\r\nhello\r\n") == GUESS_MAYBE);
	assert_true(probed("|1\r\n+a\r\n") == GUESS_MAYBE);
	assert_true(probed("GET / HTTP/1.1\r\n") == GUESS_NO);
	assert_true(probed("HELO mail\r\n") == GUESS_NO);
	assert_true(probed("+OK POP3 ready\r\n") == GUESS_NO);
	assert_true(probed("-ERR\r\n") == GUESS_NO);
	assert_true(probed("* OK IMAP4 ready\r\n") == GUESS_NO);
	assert_true(probed("\x16\x03\x01") == GUESS_NO);
	assert_true(probed("220 ftp\r\n") == GUESS_NO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_command_has_a_method_and_its_first_key, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_command_of_no_arguments_ends_with_its_name,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(a_line_is_a_command_too, open_conn, free_conn),
		cmocka_unit_test_setup_teardown(empty_arrays_are_no_commands, open_conn, free_conn),
		cmocka_unit_test_setup_teardown(a_long_argument_is_a_body_and_a_long_key_is_cut,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(a_name_longer_than_any_is_no_method, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(every_type_of_reply_has_its_code, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_string_that_is_the_reply_is_its_body, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(pipelined_commands_are_answered_in_order, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_transaction_is_queued_and_then_answered_as_one,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(what_client_reply_silences_is_oneway, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(client_reply_that_was_refused_shifts_nothing,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(client_reply_in_a_transaction_is_not_followed,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(several_confirmations_answer_one_subscribe,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(unsubscribe_from_all_is_confirmed_for_each,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(pushes_of_resp3_answer_nothing, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_monitor_is_told_and_asks_on, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_reply_waits_for_a_command_that_is_late, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_replica_gets_a_snapshot_and_then_commands,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(a_snapshot_of_unknown_length_ends_at_its_mark,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(sync_is_answered_by_the_snapshot, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_replica_that_goes_on_gets_commands_at_once,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(what_is_no_resp_ends_the_reading, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(nesting_has_a_limit, open_conn, free_conn),
		cmocka_unit_test_setup_teardown(a_huge_declared_size_costs_nothing, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(
			a_line_without_end_is_searched_once_and_then_given_up, open_conn,
			free_conn),
		cmocka_unit_test_setup_teardown(a_million_small_elements_are_read_in_one_pass,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(a_gap_in_a_string_costs_no_message, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(after_a_gap_a_client_is_found_at_a_known_command,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(after_a_gap_a_server_is_found_where_a_command_waits,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(a_subscriber_joined_late_is_told_by_its_messages,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(without_a_syn_the_command_tells_the_client,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(without_a_syn_a_confirmation_is_no_command,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(client_reply_after_a_late_join_is_not_followed,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(messages_do_not_depend_on_where_the_bytes_are_cut,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(no_part_of_a_message_is_taken_for_the_whole,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(probe_knows_commands_and_nothing_else, open_conn,
						free_conn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
