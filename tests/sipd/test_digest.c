#include "cleanup.h"
#include "digest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* RFC 7616 3.9.1: the example of the RFC, in both algorithms. */
#define RFC_COMMON                                                                                                     \
	"username=\"Mufasa\"", "realm=\"http-auth@example.org\"", "uri=\"/dir/index.html\"",                           \
		"nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"", "nc=00000001",                               \
		"cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\"", "qop=auth",                                 \
		"opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

static void ha1_of(enum digest_algorithm algorithm, char ret_hex[DIGEST_HEX])
{
	static const char text[] = "Mufasa:http-auth@example.org:Circle of Life";
	digest_hash(algorithm, text, sizeof(text) - 1, ret_hex);
}

static void rfc_example(void **state)
{
	const char *const md5[] = {RFC_COMMON, "response=\"8ca523f5e9506fed4657c9700eebdbec\"", "algorithm=MD5", NULL};
	const char *const sha[] = {RFC_COMMON, "algorithm=SHA-256",
				   "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\"",
				   NULL};
	const char *const *both[] = {md5, sha};
	struct digest_answer answer;
	char ha1[DIGEST_HEX];
	for (int i = 0; i < 2; i++) {
		assert_int_equal(digest_read(both[i], &answer), 0);
		assert_int_equal(answer.algorithm, i);
		ha1_of(answer.algorithm, ha1);
		assert_true(digest_fits(&answer, "GET", ha1));
		assert_false(digest_fits(&answer, "PUT", ha1));
		ha1[0] ^= 1;
		assert_false(digest_fits(&answer, "GET", ha1));
	}
}

static void refuses(void **state)
{
	static const char *const good[] = {"username=\"a\"", "realm=r",  "nonce=n",     "uri=u",
					   "response=x",     "cnonce=c", "nc=00000001", "qop=auth"};
	static const struct {
		size_t at;
		const char *instead; /* NULL: left out */
	} rows[] = {{0, NULL},           {1, NULL},
		    {2, NULL},           {3, NULL},
		    {4, NULL},           {5, NULL},
		    {6, NULL},           {7, NULL},
		    {0, "username=\"a"}, {0, "username=\"a\"b"},
		    {0, "username="},    {0, "username"},
		    {6, "nc=0000000g"},  {6, "nc=00000000"},
		    {6, "nc=1"},         {7, "qop=auth-int"},
		    {5, "cnonce=\"\""},  {3, "uri=\"\x01\""}};
	struct digest_answer answer;
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		const char *params[HS_COUNT(good) + 1] = {0};
		size_t count = 0;
		for (size_t j = 0; j < HS_COUNT(good); j++)
			if (j != rows[i].at)
				params[count++] = good[j];
			else if (rows[i].instead)
				params[count++] = rows[i].instead;
		assert_int_not_equal(digest_read(params, &answer), 0);
	}
	const char *twice[HS_COUNT(good) + 2] = {0};
	memcpy(twice, good, sizeof(good));
	assert_int_equal(digest_read(twice, &answer), 0);
	twice[HS_COUNT(good)] = "NC=00000002";
	assert_int_not_equal(digest_read(twice, &answer), 0);
	assert_int_not_equal(digest_read(NULL, &answer), 0);
}

static struct digest_answer with(const char *nonce, uint32_t count)
{
	struct digest_answer answer = {.count = count};
	hs_copy(answer.nonce, sizeof(answer.nonce), nonce);
	return answer;
}

static void nonces_live_a_minute(void **state)
{
	struct nonces *nonces = nonces_create((const uint8_t[32]){1});
	struct nonces *other = nonces_create((const uint8_t[32]){2});
	struct source_key here = {.bytes = {1}}, there = {.bytes = {2}};
	char nonce[DIGEST_NONCE];
	nonces_make(nonces, &here, 1000000, nonce);
	struct digest_answer answer = with(nonce, 1);
	assert_int_equal(nonces_check(nonces, &here, &answer, 1000000), DIGEST_FRESH);
	assert_int_equal(nonces_check(nonces, &here, &answer, 1060000), DIGEST_FRESH);
	assert_int_equal(nonces_check(nonces, &here, &answer, 1060001), DIGEST_STALE);
	assert_int_equal(nonces_check(nonces, &here, &answer, 900000), DIGEST_STALE);
	assert_int_equal(nonces_check(nonces, &there, &answer, 1000000), DIGEST_STALE);
	assert_int_equal(nonces_check(other, &here, &answer, 1000000), DIGEST_STALE);
	answer.nonce[5] ^= 1;
	assert_int_equal(nonces_check(nonces, &here, &answer, 1000000), DIGEST_STALE);
	nonces_destroy(nonces);
	nonces_destroy(other);
}

static void counts_are_used_once(void **state)
{
	struct nonces *nonces = nonces_create((const uint8_t[32]){1});
	struct source_key here = {.bytes = {1}};
	char nonce[DIGEST_NONCE];
	nonces_make(nonces, &here, 1000000, nonce);
	struct digest_answer second = with(nonce, 2), first = with(nonce, 1), third = with(nonce, 3);
	nonces_use(nonces, &second, 1000000);
	assert_int_equal(nonces_check(nonces, &here, &second, 1000000), DIGEST_STALE);
	assert_int_equal(nonces_check(nonces, &here, &first, 1000000), DIGEST_STALE);
	assert_int_equal(nonces_check(nonces, &here, &third, 1000000), DIGEST_FRESH);
	nonces_destroy(nonces);
}

/* A full table forgets counts only of nonces that it then calls stale. */
static void never_replayed(void **state)
{
	struct nonces *nonces = nonces_create((const uint8_t[32]){1});
	struct source_key here = {.bytes = {1}};
	char first[DIGEST_NONCE], nonce[DIGEST_NONCE];
	nonces_make(nonces, &here, 1000000, first);
	struct digest_answer answer = with(first, 1);
	nonces_use(nonces, &answer, 1000000);
	for (int i = 0; i < 70000; i++) {
		nonces_make(nonces, &here, 1000000 + i / 4, nonce);
		struct digest_answer more = with(nonce, 1);
		nonces_use(nonces, &more, 1000000 + i / 4);
	}
	assert_int_equal(nonces_check(nonces, &here, &answer, 1020000), DIGEST_STALE);
	nonces_destroy(nonces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_example),          cmocka_unit_test(refuses),
		cmocka_unit_test(nonces_live_a_minute), cmocka_unit_test(counts_are_used_once),
		cmocka_unit_test(never_replayed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
