/* hook_post: the least a signed webhook can cost with libcurl: multi interface, keep-alive, one HMAC-SHA256 a request,
 * nothing durable.
 *
 *   hook_post URL COUNT PARALLEL
 */
#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BODY = 200, PARALLEL_MAX = 256 };
static char body[BODY + 1];

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t sink(char *data, size_t size, size_t count, void *context)
{
	(void)data, (void)context;
	return size * count;
}

static struct curl_slist *sign(void)
{
	static const unsigned char key[32] = "a secret of thirty-two bytes...";
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	char hex[2 * sizeof(mac) + 1], line[128];
	crypto_auth_hmacsha256(mac, (const unsigned char *)body, BODY, key);
	snprintf(line, sizeof(line), "webhook-signature: v1,%s", sodium_bin2hex(hex, sizeof(hex), mac, sizeof(mac)));
	return curl_slist_append(curl_slist_append(curl_slist_append(NULL, line), "Content-Type: application/json"),
				 "Expect:");
}

static void start(CURLM *multi, CURL *easy, struct curl_slist **headers)
{
	curl_slist_free_all(*headers);
	*headers = sign();
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
	curl_multi_add_handle(multi, easy);
}

int main(int argc, char **argv)
{
	static struct curl_slist *headers[PARALLEL_MAX];
	if (argc != 4)
		return 2;
	long count = strtol(argv[2], NULL, 10), parallel = strtol(argv[3], NULL, 10), started = 0, done = 0, failed = 0;
	if (parallel > PARALLEL_MAX)
		return 2;
	memset(body, 'y', BODY);
	curl_global_init(CURL_GLOBAL_ALL);
	CURLM *multi = curl_multi_init();
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (; started < parallel && started < count; started++) {
		CURL *easy = curl_easy_init();
		curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, sink);
		curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)&headers[started]);
		start(multi, easy, &headers[started]);
	}
	while (done < count) {
		int running, left;
		CURLMsg *message;
		curl_multi_perform(multi, &running);
		while ((message = curl_multi_info_read(multi, &left))) {
			CURL *easy = message->easy_handle;
			struct curl_slist **mine;
			failed += message->data.result != CURLE_OK;
			curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&mine);
			curl_multi_remove_handle(multi, easy);
			if (started++ < count)
				start(multi, easy, mine);
			done++;
		}
		if (done < count)
			curl_multi_poll(multi, NULL, 0, 100, NULL);
	}
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("{\"per_s\": %.0f, \"cpu_us\": %.1f, \"failed\": %ld}\n", (double)count / wall,
	       cpu * 1e6 / (double)count, failed);
	return failed != 0;
}
