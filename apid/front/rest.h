/* REST: a request's way from HTTP to apid and back.
 * Called by main; calls http, route, problem, upload and apid. Owns the requests under way.
 * A request is checked against the contract before apid hears of it; what apid answers goes out with the contract's
 * status. apid checks token and rights.
 */
#ifndef FRONT_REST_H
#define FRONT_REST_H

#include "front.h"
#include "http.h"
#include "problem.h"
#include "route.h"

#define REST_IN_FLIGHT 1024 /* requests that wait for an answer; more get 503 */

struct rest;
struct upload;
struct sse;

/* A request under way. */
struct request {
	struct rest *rest;
	struct http_exchange *exchange;
	bool has_message, is_flying, had_token;
	bool is_twilio; /* its path is one of Twilio's */
	char *token;    /* wiped at the end; NULL: there is none */
	enum hs_message_id message;
	uint64_t ticket;
	char request_id[65];
	char call[65];         /* call it concerns, or "" */
	struct upload *upload; /* audio; NULL: none */
	struct sse *sse;       /* events as they come; NULL: none */
};

struct rest *rest_create(struct front *front);

/* The callbacks of http; context is the struct rest. */
void rest_announced(void *context, struct http_exchange *exchange);
void rest_asked(void *context, struct http_exchange *exchange, bool full);
void rest_malformed(void *context, struct http_exchange *exchange, int status, const char *why);
void rest_ended(void *context, struct http_exchange *exchange);

/* Answers a request: with JSON, or with a problem (its request_id, scope and had_token are filled in here). */
void rest_answer(struct request *request, int status, const char *type, const char *body, size_t bytes);
void rest_refuse(struct request *request, struct problem *problem);

/* Answers with a stream (http_answer_stream). */
void rest_answer_stream(struct request *request, const char *type,
			ssize_t (*read)(void *context, char *buffer, size_t size), void *context);

/* A problem with apid's own words. */
void rest_refuse_answer(struct request *request, const struct hs_answer *answer);

struct front *rest_front(const struct rest *rest);

/* Requests that wait for an answer. */
size_t rest_in_flight(const struct rest *rest);

void rest_destroy(struct rest *rest); /* NULL is fine; after http */

#endif
