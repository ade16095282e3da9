#include "cleanup.h"
#include "peek.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct peek look(const char *text)
{
	struct peek peek;
	peek_look(text, strlen(text), &peek);
	return peek;
}

static void kinds(void **state)
{
	static const struct {
		const char *text;
		enum peek_kind kind;
	} rows[] = {
		{"", PEEK_BLANK},
		{"\r\n\r\n", PEEK_BLANK},
		{"OPTIONS sip:x SIP/2.0\r\n\r\n", PEEK_REQUEST},
		{"\r\n\r\nOPTIONS sip:x SIP/2.0\r\n\r\n", PEEK_REQUEST},
		{"OPTIONS sip:x SIP/7.0\r\n\r\n", PEEK_REQUEST},
		{"SIP/2.0 200 OK\r\n\r\n", PEEK_RESPONSE},
		{"SIP/2.0 2x0 OK\r\n\r\n", PEEK_GARBAGE},
		{"GET / HTTP/1.1\r\n\r\n", PEEK_GARBAGE},
		{"OPTIONS", PEEK_GARBAGE},
		{"OPT\x01IONS sip:x SIP/2.0\r\n\r\n", PEEK_GARBAGE},
		{"\x01\x01stun", PEEK_GARBAGE},
	};
	for (size_t i = 0; i < HS_COUNT(rows); i++)
		assert_int_equal(look(rows[i].text).kind, rows[i].kind);
}

static void reads(void **state)
{
	struct peek peek =
		look("INVITE sip:x SIP/2.0\r\nv: SIP/2.0/UDP h\r\nVia : b\r\n c\r\nI:  abc@d \r\n\r\nCall-ID: no\r\n");
	assert_string_equal(peek.method, "INVITE");
	assert_int_equal(peek.headers, 4);
	assert_int_equal(peek.vias, 2);
	assert_int_equal(peek.call_id_bytes, 5);
	assert_memory_equal(peek.call_id, "abc@d", 5);
	peek = look("SIP/2.0 486 Busy\r\nCSeq: 17\t INVITE\r\n\r\n");
	assert_int_equal(peek.status, 486);
	assert_string_equal(peek.method, "INVITE");
	assert_string_equal(look("AVERYVERYVERYLONGMETHOD sip:x SIP/2.0\r\n\r\n").method, "AVERYVERYVERYLO");
}

static void glances(void **state)
{
	static const char request[] =
		"BYE sip:x SIP/2.0\r\nVia: a\r\nCall-ID: 1@b\r\nCSeq: 2 BYE\r\n\r\nCall-ID: no\r\n",
			  response[] = "SIP/2.0 486 Busy\r\nVia: a\r\nCSeq: 17 INVITE\r\nCall-ID: 1@b\r\n\r\nSDP",
			  bare[] = "OPTIONS sip:x SIP/2.0\r\n\r\nCall-ID: no\r\n";
	struct peek peek;
	peek_glance(request, sizeof(request) - 1, &peek);
	assert_int_equal(peek.kind, PEEK_REQUEST);
	assert_string_equal(peek.method, "BYE");
	assert_int_equal(peek.call_id_bytes, 3);
	assert_memory_equal(peek.call_id, "1@b", 3);
	peek_glance(response, sizeof(response) - 1, &peek);
	assert_int_equal(peek.kind, PEEK_RESPONSE);
	assert_int_equal(peek.status, 486);
	assert_string_equal(peek.method, "INVITE");
	assert_memory_equal(peek.call_id, "1@b", 3);
	peek_glance(bare, sizeof(bare) - 1, &peek);
	assert_null(peek.call_id);
	peek_glance("", 0, &peek);
	assert_int_equal(peek.kind, PEEK_BLANK);
}

static char *with_lines(const char *line, int times)
{
	static const char first[] = "OPTIONS sip:x SIP/2.0\r\n";
	size_t length = strlen(line), used = sizeof(first) - 1;
	char *text = hs_zalloc(sizeof(first) + length * (size_t)times);
	memcpy(text, first, used);
	for (int i = 0; i < times; i++, used += length)
		memcpy(text + used, line, length);
	return text;
}

static void refuses(void **state)
{
	static const struct {
		const char *line;
		int times;
		const char *why;
	} rows[] = {
		{"a: b\r\n", 128, NULL},
		{"a: b\r\n", 129, "headers"},
		{"Via: x\r\n", 33, "headers"},
		{"Route: <sip:x>\r\n", 33, "headers"},
		{"Supported: a,b,c,d,e\r\n", 128, NULL},
		{"Supported: a,b,c,d,e,f\r\n", 128, "headers"},
		{"a: b\rc: d\r\n", 1, "bare_cr"},
		{"a: b\r\r\n", 1, "bare_cr"},
		{"Via: x;MADDR=y\r\n", 1, "maddr"},
		{"Via: x;\r\n maddr=y\r\n", 1, "maddr"},
		{"X: maddr\r\n", 1, NULL},
	};
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		AUTO(free) char *text = with_lines(rows[i].line, rows[i].times);
		struct peek peek = look(text);
		const char *why = peek_refuse(&peek);
		if (rows[i].why)
			assert_string_equal(why, rows[i].why);
		else
			assert_null(why);
	}
	AUTO(free) char *line = hs_zalloc(9100);
	memset(line, 'x', 9000);
	memcpy(line, "OPTIONS sip:x SIP/2.0\r\nA: ", 26);
	struct peek peek = look(line);
	assert_string_equal(peek_refuse(&peek), "long_line");
}

static void ends_of_messages(void **state)
{
	static const struct {
		const char *text;
		size_t whole, needed;
	} rows[] = {
		{"\r\n\r\n", 4, 0},
		{"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n", 44, 0},
		{"\r\nOPTIONS sip:x SIP/2.0\r\nl:2\r\n\r\nabNEXT", 34, 0},
		{"SIP/2.0 200 OK\r\nCONTENT-LENGTH : 3\r\n\r\nabc", 41, 0},
		{"SIP/2.0 200 OK\r\nl: 3\r\n\r\nab", 0, 27},
		{"INVITE sip:x SIP", 0, 17},
		{"INVITE sip:x SIP/2.0\r\nl: 0\r\n", 0, 29},
		{"GET / HTTP/1.1\r\n", PEEK_UNFRAMED, 0},
		{"INVITE sip:x SIP/2.0\n", PEEK_UNFRAMED, 0},
		{"INVITE sip:x SIP/2.0\r\nA: b\rl: 9\r\n", PEEK_UNFRAMED, 0},
		{"INVITE sip:x SIP/2.0\r\nA: b\r\n\r\n", PEEK_UNFRAMED, 0},
		{"INVITE sip:x SIP/2.0\r\nl: 1\r\nl: 2\r\n", PEEK_UNFRAMED, 0},
		{"INVITE sip:x SIP/2.0\r\nl: -1\r\n", PEEK_UNFRAMED, 0},
		{"INVITE sip:x SIP/2.0\r\nl: 65536\r\n\r\n", PEEK_UNFRAMED, 0},
		{"INVITE sip:x SIP/2.0\r\nl: 9999999\r\n", PEEK_UNFRAMED, 0},
	};
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		size_t needed = 0;
		assert_int_equal(peek_whole(rows[i].text, strlen(rows[i].text), &needed), rows[i].whole);
		if (!rows[i].whole)
			assert_int_equal(needed, rows[i].needed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(kinds), cmocka_unit_test(reads), cmocka_unit_test(glances),
					   cmocka_unit_test(refuses), cmocka_unit_test(ends_of_messages)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
