/* What keys.c (key files) and keys_recovery.c (their sealed copies) share: files by their names in an open folder.
 * Included by these two only.
 * Owns nothing.
 */
#ifndef HS_KEYS_INNER_H
#define HS_KEYS_INNER_H

#include "keys.h"
#include <sys/types.h>

/* What a role's files are called, and whose the private one is. */
struct key_names {
	char private[32], public[32], copy[40]; /* public: "" for the token key */
	mode_t mode;
	uid_t owner;
	gid_t group;
};

struct key_names keys_names(int key);

/* The folder. To change something in it: made unless it is there, and locked until it is closed. -errno. */
int keys_open(const char *home, bool change);

bool keys_exist(int folder, const char *name);

/* As hs_keys_read. Only whole keys count: the rest of one is what a death left. */
int keys_read(int folder, const char *name, struct hs_keys *ret_keys);

/* A new file that appears whole, or replaces the old one whole. -errno. */
int keys_write(int folder, const char *name, const void *data, size_t bytes, mode_t mode, uid_t owner, gid_t group);

/* As hs_keys_make, in a locked folder. ret_keys: what the private file has now, to be wiped. */
int keys_make(int folder, int key, struct hs_keys *ret_keys);

/* Brings the sealed copy up to date. Without a recovery key there is none. -errno. */
int keys_mend_copy(int folder, const struct key_names *names, const struct hs_keys *keys);

#endif
