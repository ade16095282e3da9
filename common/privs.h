/* Privilege: users of the daemons, folders of the bus, and the drop.
 * Called by daemon.c, bus.c and hookctl. Owns nothing.
 * With separate users each role has uid = gid = uid_base + role number, each (binder, edge) a group uid_base + 100 +
 * 16 * binder + edge, and no other group is shared but that of who reads the configuration, uid_base itself, which is
 * also the scribes' user: nobody on the bus. As an ordinary user all is one uid: degraded, and said so.
 */
#ifndef HS_PRIVS_H
#define HS_PRIVS_H

#include "hs_proto.h"
#include <sys/types.h>

/* True when the suite runs with a user per daemon: it was started as root, or is placed. Decided once by hs_privs_setup
 * in the keeper. */
bool hs_privs_separate(void);
void hs_privs_setup(int64_t uid_base);

/* True when whoever started this process made it a role's user already, as systemd and containers do. There is no root
 * then: folders, keys and lock are there (hs_privs_place), groups are given, capabilities none. */
bool hs_privs_placed(void);

/* uid of a role; the present uid when not separate. HS_ROLE_OPS: 0 or the present uid. */
uid_t hs_privs_uid(enum hs_role role);

/* Role of a peer's uid when separate, HS_ROLE_NONE for a stranger. Not separate: HS_ROLE_NONE for other uids, HS_ROLES
 * for ours. */
enum hs_role hs_privs_role(uid_t uid);

gid_t hs_privs_edge_gid(enum hs_role binder, enum hs_edge edge);

/* Makes run/<binder>/ and run/<binder>/<edge>/ for every edge the role binds: owner = binder, group = edge's, 2710, and
 * its state folder <home>/<name>/ 0700. As the keeper, before the drop. -errno. */
int hs_privs_make_folders(const char *home, enum hs_role role);

/* As root, for a keeper that will be placed: its folders and its lock, which belong to the role. -errno. */
int hs_privs_place(const char *home, enum hs_role role);

/* The file of which a keeper has the only lock. The caller frees it. */
char *hs_privs_lock_path(const char *home, enum hs_role role);

/* The group that reads the configuration where a keeper is placed. */
gid_t hs_privs_reader_gid(void);

/* Placed: whether this process is in the groups of the role's edges (-ENOENT: not in *ret_group) and in no others but
 * its own, the readers' and the one of hs_privs_keep_group (-EPERM: in *ret_group). */
int hs_privs_check_groups(enum hs_role role, gid_t *ret_group);

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
