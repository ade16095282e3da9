/* Keys for other hosts: our own pairs, and whose public keys we know. The files are read again each second; only when
 * something is different do connections feel it. Fails closed: who is in no readable file is a stranger. */
#include "bus_inner.h"
#include "cleanup.h"
#include "log.h"
#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 1000
#define KNOWN_MAX 256

struct known {
	uint32_t role;
	uint8_t key[CURVE_KEY_BYTES];
};

/* Compared as bytes: no gaps. */
struct ring {
	uint64_t own_count, known_count;
	struct curve_pair own[CURVE_OWN_MAX];
	struct known known[KNOWN_MAX];
};

struct bus_keys_room {
	struct ring ring;
	uv_timer_t timer;
};

/* ---- Reading ---- */

static void read_own(const struct hs_bus *bus, struct ring *ring)
{
	AUTO(free) char *name = hs_printf("%s.curve.key", hs_role_names[bus->role]);
	struct hs_keys keys;

	if (hs_keys_read(bus->home, name, &keys) < 0)
		return;
	for (; ring->own_count < keys.count && ring->own_count < CURVE_OWN_MAX; ring->own_count++) {
		struct curve_pair *pair = &ring->own[ring->own_count];

		memcpy(pair->secret, keys.keys[ring->own_count], CURVE_KEY_BYTES);
		crypto_scalarmult_base(pair->public, pair->secret);
	}
	sodium_memzero(&keys, sizeof(keys));
}

/* <node>.<role>.pub: the role, or HS_ROLE_NONE. */
static enum hs_role role_of(const char *file)
{
	const char *end = strrchr(file, '.'), *at = end;
	char role[32];

	if (!end || strcmp(end, ".pub") != 0 || file[0] == '.')
		return HS_ROLE_NONE;
	while (at > file && at[-1] != '.')
		at--;
	if (at == file || (size_t)(end - at) >= sizeof(role))
		return HS_ROLE_NONE;
	memcpy(role, at, (size_t)(end - at));
	role[end - at] = '\0';
	return bus_envelope_role(role);
}

static void read_peer(const struct hs_bus *bus, struct ring *ring, const char *file)
{
	enum hs_role role = role_of(file);
	struct hs_keys keys;
	int result;

	if (role == HS_ROLE_NONE)
		return;
	result = hs_keys_read_peer(bus->home, file, &keys);
	if (result < 0)
		hs_log(DEBUG, "bus.key_unread", LOG_TEXT("file", file), LOG_WHY(strerror(-result)));
	for (size_t i = 0; result == 0 && i < keys.count && ring->known_count < KNOWN_MAX; i++) {
		struct known *known = &ring->known[ring->known_count++];

		known->role = role;
		memcpy(known->key, keys.keys[i], CURVE_KEY_BYTES);
	}
}

static int is_any(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* In the order of their names, so that two looks at the same files see the same. */
static void read_peers(const struct hs_bus *bus, struct ring *ring)
{
	AUTO(free) char *path = hs_printf("%s/" HS_KEYS_PEERS, bus->home);
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, is_any, alphasort);

	for (int i = 0; i < count; i++) {
		read_peer(bus, ring, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static void tell(const struct ring *ring)
{
	if (ring->own_count == 0 || ring->known_count == 0)
		hs_log(WARN, "bus.keys_missing", LOG_INT("own", (int64_t)ring->own_count),
		       LOG_INT("peers", (int64_t)ring->known_count),
		       LOG_WHY("edges between hosts need our key, and those of the others in keys/peers"));
	else
		hs_log(INFO, "bus.keys_read", LOG_INT("own", (int64_t)ring->own_count),
		       LOG_INT("peers", (int64_t)ring->known_count));
}

/* Whether something has changed. */
static bool look(struct hs_bus *bus)
{
	struct ring *ring = hs_zalloc(sizeof(*ring));
	bool is_changed;

	read_own(bus, ring);
	read_peers(bus, ring);
	is_changed = memcmp(ring, &bus->keys->ring, sizeof(*ring)) != 0;
	if (is_changed) {
		bus->keys->ring = *ring;
		tell(ring);
	}
	sodium_memzero(ring, sizeof(*ring));
	free(ring);
	return is_changed;
}

void bus_keys_look(struct hs_bus *bus)
{
	if (look(bus))
		bus_tcp_review(bus);
}

static void on_look(uv_timer_t *timer)
{
	bus_keys_look(timer->data);
}

void bus_keys_create(struct hs_bus *bus)
{
	struct bus_keys_room *room = bus_alloc(bus, sizeof(*room));

	bus->keys = room;
	uv_timer_init(bus->loop, &room->timer);
	bus_handle_opened(bus, (uv_handle_t *)&room->timer);
	if (!look(bus))
		tell(&room->ring);
	uv_timer_start(&room->timer, on_look, LOOK_MS, LOOK_MS);
}

void bus_keys_destroy(struct hs_bus *bus)
{
	if (!bus->keys)
		return;
	sodium_memzero(&bus->keys->ring, sizeof(bus->keys->ring));
	bus_handle_close(bus, (uv_handle_t *)&bus->keys->timer);
}

/* ---- Asking ---- */

size_t bus_keys_own(const struct hs_bus *bus, const struct curve_pair **ret_own)
{
	*ret_own = bus->keys->ring.own;
	return bus->keys->ring.own_count;
}

const uint8_t *bus_keys_of(const struct hs_bus *bus, enum hs_role role, size_t number)
{
	const struct ring *ring = &bus->keys->ring;

	for (size_t i = 0; i < ring->known_count; i++)
		if (ring->known[i].role == (uint32_t)role && number-- == 0)
			return ring->known[i].key;
	return NULL;
}

enum hs_role bus_keys_role(const struct hs_bus *bus, const uint8_t key[CURVE_KEY_BYTES])
{
	const struct ring *ring = &bus->keys->ring;

	for (size_t i = 0; i < ring->known_count; i++)
		if (memcmp(ring->known[i].key, key, CURVE_KEY_BYTES) == 0)
			return (enum hs_role)ring->known[i].role;
	return HS_ROLE_NONE;
}
