/* Locations: where the phones of each line are. Plain records, kept in the journal and handed to the store. Pure but
 * for the journal; takes the time as an argument. Called by registrar, the call rooms and keepalive; calls nobody but
 * watch. Owns the bindings; a binding pointer lives until the next change of its line.
 */
#ifndef LOCATIONS_H
#define LOCATIONS_H

#include "journal.h"
#include "sources.h"

#define LOCATIONS_MAX 10 /* contacts of a line */

/* A contact of a line. Plain: written to the journal and the store as it is. */
struct binding {
	char line[65];
	char contact[384];       /* its URI, as registered: the Request-URI of what we send */
	char host[SOURCES_HOST]; /* where to send: numeric, the source of the registration or the contact itself */
	char instance[64];       /* +sip.instance, or "" */
	char call_id[160];       /* of the REGISTER */
	char device[128];        /* User-Agent, cleaned */
	uint16_t port;
	uint16_t listen_port; /* TCP: of the contact, where it may be connected to; 0: only over its connection */
	bool tcp;
	bool nat;              /* the registration did not come from where its Via said */
	uint32_t cseq;         /* of the REGISTER */
	int64_t expires_ms;    /* hs_clock_lasting_ms */
	int64_t registered_ms; /* the same, of the first registration */
};

struct locations;

/* Told of each binding that is written (gone false) or gone; key is its name in journal and store. */
typedef void locations_watch(void *context, const char *key, const struct binding *binding, bool gone);

/* journal may be NULL. */
struct locations *locations_create(struct hs_journal *journal, locations_watch *watch, void *context);

/* Puts back what a predecessor left, unless known or expired; neither journal nor watch sees it again. */
void locations_restore(struct locations *locations, const struct binding *binding, int64_t now_ms);

/* Adds, or replaces the binding of the same contact or instance. The oldest one makes room beyond max. */
void locations_put(struct locations *locations, const struct binding *binding, size_t max);

/* The binding that a registration of this contact would replace, or NULL. */
const struct binding *locations_find(const struct locations *locations, const char *line, const char *contact,
				     const char *instance);

/* Removes one, or with contact NULL all of a line. Returns how many. */
size_t locations_remove(struct locations *locations, const char *line, const char *contact);

/* Fills at most max pointers, newest registration first. */
size_t locations_of_line(const struct locations *locations, const char *line, const struct binding **ret_bindings,
			 size_t max);

/* Bindings in all. */
size_t locations_count(const struct locations *locations);

/* True when some phone is registered from this address. */
bool locations_has_host(const struct locations *locations, const char *host);

/* True when a phone registered from exactly this address and port, over this transport. */
bool locations_has_flow(const struct locations *locations, const char *host, uint16_t port, bool tcp);

/* ms until the next one expires, 0: one has, -1: there is none. */
int64_t locations_next(const struct locations *locations, int64_t now_ms);

/* Removes what has expired; lost is called for each one with its line (afterwards). Returns what locations_next says.
 */
int64_t locations_expire(struct locations *locations, int64_t now_ms, void (*lost)(void *context, const char *line),
			 void *context);

/* Visits all, in no order. */
void locations_each(const struct locations *locations,
		    void (*visit)(void *context, const char *key, const struct binding *binding), void *context);

void locations_destroy(struct locations *locations); /* NULL is fine */

#endif
