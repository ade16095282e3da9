/* Key files: <home>/keys/<role>.key (0400, the role's) and <role>.pub, token.key (0440, apid's group), and for each
 * private one a copy <name>.sealed that only the offline recovery key opens; its public half is recovery.pub. A role
 * that reaches other hosts has another pair for that, <role>.curve.key, which opens no secret. Called by daemon.c
 * (make), secret.c and bus_keys.c (read) and hookctl. Owns nothing; wipe what was read.
 *
 * A key file is a row of 32-byte keys, the newest last, zeros where one was wiped. A new key is appended and an old one
 * overwritten in place: a death at any moment leaves a file that can be read, and a daemon whose sandbox knows the file
 * by its number sees a new key at once. What a death left undone (public half, sealed copy) hs_keys_make does.
 */
#ifndef HS_KEYS_H
#define HS_KEYS_H

#include "hs_proto.h"

#define HS_KEY_BYTES 32
#define HS_KEYS_READ 8
#define HS_TOKEN_KEY "token.key"
#define HS_KEYS_ALL (2 * HS_ROLES)
#define HS_RECOVERY_TEXT 96 /* longest recovery key as a text, with NUL */

/* The keys of a file that are not wiped, newest first. */
struct hs_keys {
	size_t count;
	unsigned char keys[HS_KEYS_READ][HS_KEY_BYTES];
};

/* Which key is meant is said by a role, for what it keeps at rest, or by this, for its connections between hosts. */
#define HS_KEYS_CURVE(role) (HS_ROLES + (int)(role))

/* True for a role that opens sealed secrets, and so has a key pair. */
bool hs_keys_has_pair(enum hs_role role);

/* Makes a key pair (apid: the key of token hashes; roles that have none: nothing) unless it is there, checks its owner
 * and mode, and mends what a death left undone. As root or the role itself. -errno, with a log line that has the mend:
 * -ENOKEY: it was there and is lost, -EPERM: others may read it. */
int hs_keys_make(const char *home, int key);

/* The folder of other hosts' public keys, <node>.<role>.pub, which root fills: made unless it is there. -errno. */
#define HS_KEYS_PEERS "keys/peers"
int hs_keys_make_peers(const char *home);

/* Reads a public key of another host by its name in that folder. -errno; -EPERM: others than root may write it. */
int hs_keys_read_peer(const char *home, const char *name, struct hs_keys *ret_keys);

/* Reads a key file by its name in keys/. -errno; -EINVAL: it has no key. */
int hs_keys_read(const char *home, const char *name, struct hs_keys *ret_keys);

/* Appends a new pair. 1: done; 0: an old key is there still, so a rotation is under way; -errno. */
int hs_keys_rotate(const char *home, int key);

/* Wipes all of them but the newest, also in the public file. -errno. */
int hs_keys_forget_old(const char *home, int key);

/* How a key file (of a role, apid: token.key) is. */
struct hs_keys_status {
	bool is_there, has_old, has_copy; /* has_copy: sealed to the recovery key, and up to date */
	char mark[17];                    /* tells keys apart; "" when it is not there */
};

void hs_keys_status(const char *home, int key, struct hs_keys_status *ret_status);

/* Makes a recovery key, which is only in ret_text from now on, and seals copies of all keys to it. An earlier recovery
 * key opens nothing any more. -errno. */
int hs_keys_make_recovery(const char *home, char ret_text[HS_RECOVERY_TEXT]);

/* Restores a key file from its sealed copy. 1: done; 0: it is there and the same; -ENOENT: there is no copy;
 * -EEXIST: another one is there; -EACCES: this is not the recovery key; -errno. */
int hs_keys_recover(const char *home, int key, const char *text);

#endif
