/* Privilege: users of the daemons, folders of the bus, and the drop.
 * Called by daemon.c, bus.c and hookctl. Owns nothing.
 * As root each role has uid = gid = uid_base + role number, each (binder, edge) a group uid_base + 100 + 16 * binder +
 * edge, and no other group is shared; uid_base itself is the scribes', who are nobody on the bus. As an ordinary user
 * all is one uid: degraded, and said so.
 */
#ifndef HS_PRIVS_H
#define HS_PRIVS_H

#include "hs_proto.h"
#include <sys/types.h>

/* True when the suite runs with a user per daemon (it was started as root). Decided once by hs_privs_setup in the
 * keeper. */
bool hs_privs_separate(void);
void hs_privs_setup(int64_t uid_base);

/* uid of a role; the present uid when not separate. HS_ROLE_OPS: 0 or the present uid. */
uid_t hs_privs_uid(enum hs_role role);

/* Role of a peer's uid when separate, HS_ROLE_NONE for a stranger. Not separate: HS_ROLE_NONE for other uids, HS_ROLES
 * for ours. */
enum hs_role hs_privs_role(uid_t uid);

gid_t hs_privs_edge_gid(enum hs_role binder, enum hs_edge edge);

/* Makes run/<binder>/ and run/<binder>/<edge>/ for every edge the role binds: owner = binder, group = edge's, 2710, and
 * its state folder <home>/<name>/ 0700. As the keeper, before the drop. -errno. */
int hs_privs_make_folders(const char *home, enum hs_role role);

/* The keeper, after its folders are made: lets the daemons' users reach home (absolute, without links) where a folder
 * above it is closed to them, in a mount namespace of the keeper's own. Not separate: nothing. -EPERM where namespaces
 * are not allowed. */
int hs_privs_open_way(const char *home);

/* The keeper, when all is opened: of root's capabilities only those stay that a child needs to become its user and to
 * be stopped. -errno. */
int hs_privs_settle(void);

/* Before the drop: one more group that this process keeps (that of a device file). */
void hs_privs_keep_group(gid_t gid);

/* Becomes the role's user with exactly its edges' groups (and the one of hs_privs_keep_group); clears capabilities and
 * bounding set, sets no_new_privs, not dumpable, core limit 0, umask 0117. Refuses to go on as root (-EPERM). Not
 * separate: all but the uid change. */
int hs_privs_drop(enum hs_role role);

#endif
