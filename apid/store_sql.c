#include "store_sql.h"

#define CALL_FIRST_COLUMNS                                                                                             \
	"n,id,state,shown,direction,line,to_line,operator,dialled,caller_number,caller_name,created_at,answered_at,"   \
	"ended_at,cause,ended_by,why,digits,collected,ring_ms,deadline_at,tone"
#define CALL_LAST_COLUMNS                                                                                              \
	"route,to_route,to_number,second,max_ms,gather,first,answered_leg,hunt_group,group_at,hops,onward,bridged"
#define CALL_COLUMNS CALL_FIRST_COLUMNS "," CALL_LAST_COLUMNS
#define LEG_COLUMNS                                                                                                    \
	"call,position,id,line,driver,state,media,incoming,held,asked_at,media_at,answered_at,ended_at,cause,status,"  \
	"why,"                                                                                                         \
	"codec,figures,hung_up,audio_digits,open_digit,open_sequence,number,muted"

const char store_schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
	"CREATE TABLE generations(generation INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, survived INTEGER NOT "
	"NULL, why TEXT);"
	"CREATE TABLE events(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, type TEXT NOT NULL, line TEXT, call TEXT,"
	" digits INTEGER NOT NULL, body TEXT NOT NULL);"
	"CREATE INDEX events_call ON events(call) WHERE call IS NOT NULL;"
	"CREATE TABLE calls(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, shown TEXT NOT NULL,"
	" direction TEXT NOT NULL, line TEXT NOT NULL, to_line TEXT, operator INTEGER, dialled TEXT, caller_number "
	"TEXT,"
	" caller_name TEXT, created_at INTEGER, answered_at INTEGER, ended_at INTEGER, cause TEXT, ended_by TEXT, why "
	"TEXT,"
	" digits INTEGER, collected TEXT, ring_ms INTEGER, deadline_at INTEGER, tone TEXT, over INTEGER NOT NULL, "
	"route TEXT, to_route TEXT, to_number TEXT, second INTEGER, max_ms INTEGER, gather TEXT, first INTEGER, "
	"answered_leg INTEGER, hunt_group TEXT, group_at INTEGER, hops INTEGER, onward INTEGER, bridged TEXT);"
	"CREATE INDEX calls_live ON calls(n) WHERE over = 0;"
	"CREATE TABLE legs(call INTEGER, position INTEGER, id TEXT NOT NULL, line TEXT, driver TEXT, state TEXT NOT "
	"NULL,"
	" media TEXT NOT NULL, incoming INTEGER, held INTEGER, asked_at INTEGER, media_at INTEGER, answered_at INTEGER,"
	" ended_at INTEGER, cause TEXT, status INTEGER, why TEXT, codec TEXT, figures TEXT, hung_up INTEGER,"
	" audio_digits INTEGER, open_digit TEXT, open_sequence INTEGER, number TEXT, muted INTEGER, PRIMARY KEY(call, "
	"position)) "
	"WITHOUT ROWID;"
	"CREATE TABLE lines(id TEXT PRIMARY KEY, state TEXT NOT NULL, source TEXT, since INTEGER, reachable INTEGER,"
	" contacts INTEGER, address TEXT, device TEXT, call TEXT) WITHOUT ROWID;"
	"CREATE TABLE grants(id TEXT PRIMARY KEY, line TEXT NOT NULL, via TEXT, role TEXT, at INTEGER) WITHOUT ROWID;"
	"CREATE TABLE intents(n INTEGER PRIMARY KEY, id TEXT NOT NULL, role TEXT NOT NULL, message TEXT NOT NULL, call "
	"TEXT,"
	" leg TEXT, at INTEGER, body TEXT NOT NULL);"
	"CREATE TABLE cursors(source TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE daemons(name TEXT PRIMARY KEY, away INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE answers(key TEXT PRIMARY KEY, until INTEGER NOT NULL, brief INTEGER NOT NULL, body TEXT NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE INDEX answers_until ON answers(until);"
	"CREATE TABLE early(n INTEGER PRIMARY KEY, leg TEXT NOT NULL, message TEXT NOT NULL, role INTEGER, at INTEGER,"
	" since INTEGER, body TEXT NOT NULL);"
	"PRAGMA user_version=5;";

const char *const store_upgrades[STORE_SCHEMA_VERSION - 1] = {
	"ALTER TABLE calls ADD COLUMN route TEXT;"
	"ALTER TABLE legs ADD COLUMN number TEXT;"
	"PRAGMA user_version=2;",
	"ALTER TABLE calls ADD COLUMN to_route TEXT;"
	"ALTER TABLE calls ADD COLUMN to_number TEXT;"
	"ALTER TABLE calls ADD COLUMN second INTEGER;"
	"PRAGMA user_version=3;",
	"ALTER TABLE calls ADD COLUMN max_ms INTEGER;"
	"ALTER TABLE calls ADD COLUMN gather TEXT;"
	"ALTER TABLE legs ADD COLUMN muted INTEGER;"
	"PRAGMA user_version=4;",
	"ALTER TABLE calls ADD COLUMN first INTEGER;"
	"ALTER TABLE calls ADD COLUMN answered_leg INTEGER;"
	"ALTER TABLE calls ADD COLUMN hunt_group TEXT;"
	"ALTER TABLE calls ADD COLUMN group_at INTEGER;"
	"ALTER TABLE calls ADD COLUMN hops INTEGER;"
	"ALTER TABLE calls ADD COLUMN onward INTEGER;"
	"ALTER TABLE calls ADD COLUMN bridged TEXT;"
	"PRAGMA user_version=5;",
};

const char *const store_sql[STORE_STATEMENTS] = {
	[STORE_META_PUT] =
		"INSERT INTO meta(key,value) VALUES(?,?) ON CONFLICT(key) DO UPDATE SET value=excluded.value",
	[STORE_GENERATION_ADD] = "INSERT INTO generations(generation,first_seq,survived,why) VALUES(?,?,?,?)",
	[STORE_EVENT_ADD] = "INSERT INTO events(seq,at,type,line,call,digits,body) VALUES(?,?,?,?,?,?,?)",
	[STORE_CALL_PUT] =
		"INSERT INTO calls(" CALL_FIRST_COLUMNS ",over," CALL_LAST_COLUMNS
		") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
		"ON CONFLICT(n) DO UPDATE SET "
		"state=excluded.state,shown=excluded.shown,line=excluded.line,to_line=excluded.to_line,"
		"operator=excluded.operator,dialled=excluded.dialled,answered_at=excluded.answered_at,"
		"ended_at=excluded.ended_at,cause=excluded.cause,ended_by=excluded.ended_by,why=excluded.why,"
		"digits=excluded.digits,collected=excluded.collected,deadline_at=excluded.deadline_at,tone=excluded."
		"tone,"
		"route=excluded.route,to_route=excluded.to_route,to_number=excluded.to_number,second=excluded.second,"
		"gather=excluded.gather,first=excluded.first,answered_leg=excluded.answered_leg,"
		"hunt_group=excluded.hunt_group,group_at=excluded.group_at,hops=excluded.hops,onward=excluded.onward,"
		"bridged=excluded.bridged,"
		"over=excluded.over",
	[STORE_LEG_PUT] =
		"INSERT INTO legs(" LEG_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
		"ON CONFLICT(call,position) DO UPDATE SET state=excluded.state,media=excluded.media,held=excluded.held,"
		"asked_at=excluded.asked_at,media_at=excluded.media_at,answered_at=excluded.answered_at,"
		"ended_at=excluded.ended_at,cause=excluded.cause,status=excluded.status,why=excluded.why,"
		"codec=excluded.codec,figures=excluded.figures,hung_up=excluded.hung_up,"
		"audio_digits=excluded.audio_digits,open_digit=excluded.open_digit,open_sequence=excluded.open_"
		"sequence,muted=excluded.muted",
	[STORE_LINE_PUT] = "REPLACE INTO lines(id,state,source,since,reachable,contacts,address,device,call) "
			   "VALUES(?,?,?,?,?,?,?,?,?)",
	[STORE_GRANT_PUT] = "REPLACE INTO grants(id,line,via,role,at) VALUES(?,?,?,?,?)",
	[STORE_GRANT_DROP] = "DELETE FROM grants WHERE id=?",
	[STORE_INTENT_PUT] = "INSERT INTO intents(n,id,role,message,call,leg,at,body) VALUES(?,?,?,?,?,?,?,?)",
	[STORE_INTENT_DROP] = "DELETE FROM intents WHERE n=?",
	[STORE_CURSOR_PUT] = "REPLACE INTO cursors(source,epoch,seq) VALUES(?,?,?)",
	[STORE_DAEMON_PUT] = "REPLACE INTO daemons(name,away) VALUES(?,?)",
	[STORE_ANSWER_PUT] = "REPLACE INTO answers(key,until,brief,body) VALUES(?,?,?,?)",
	/* The newest event stays whatever its age: the log's numbers go on from it. */
	[STORE_EVENTS_EXPIRE] = "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE seq < "
				"(SELECT max(seq) FROM events) ORDER BY seq LIMIT ?2) AND at < ?1",
	[STORE_LEGS_EXPIRE] =
		"DELETE FROM legs WHERE call IN (SELECT n FROM calls WHERE n IN (SELECT n FROM calls ORDER BY n "
		"LIMIT ?2) AND over = 1 AND created_at < ?1 AND n < (SELECT max(n) FROM calls))",
	[STORE_CALLS_EXPIRE] = "DELETE FROM calls WHERE n IN (SELECT n FROM calls ORDER BY n LIMIT ?2) AND over = 1 "
			       "AND created_at < ?1 AND n < (SELECT max(n) FROM calls)",
	[STORE_ANSWERS_EXPIRE] =
		"DELETE FROM answers WHERE key IN (SELECT key FROM answers WHERE until < ?1 ORDER BY until LIMIT ?2)",
	[STORE_META_GET] = "SELECT value FROM meta WHERE key=?",
	/* "line.WHAT:LINE", without its first word */
	[STORE_LINES_MORE] = "SELECT substr(key,6),value FROM meta WHERE key > 'line.' AND key < 'line/'",
	[STORE_GENERATIONS] = "SELECT generation,first_seq,survived FROM generations ORDER BY generation",
	[STORE_EVENTS_BOUNDS] = "SELECT min(seq),max(seq) FROM events",
	/* since, last to look at, types or NULL, line or NULL, call or NULL, with digits, limit */
	[STORE_EVENTS_AFTER] =
		"SELECT seq,body FROM events WHERE seq > ?1 AND seq <= ?2 AND (?3 IS NULL OR instr(?3, "
		"','||type||',')) "
		"AND (?4 IS NULL OR line=?4) AND (?5 IS NULL OR call=?5) AND (?6 OR NOT digits) ORDER BY seq LIMIT ?7",
	[STORE_EVENTS_NEWEST] = "SELECT seq,body FROM events WHERE seq > ?1 AND seq <= ?2 AND (?3 IS NULL OR instr(?3, "
				"','||type||',')) "
				"AND (?4 IS NULL OR line=?4) AND (?5 IS NULL OR call=?5) AND (?6 OR NOT digits) ORDER "
				"BY seq DESC LIMIT ?7",
	[STORE_EVENTS_OF_CALL] =
		"SELECT seq,body FROM events INDEXED BY events_call WHERE seq > ?1 AND seq <= ?2 AND (?3 IS NULL OR "
		"instr(?3, ','||type||',')) AND (?4 IS NULL OR line=?4) AND call=?5 AND (?6 OR NOT digits) ORDER BY "
		"seq "
		"LIMIT ?7",
	[STORE_EVENTS_OF_CALL_NEWEST] =
		"SELECT seq,body FROM events INDEXED BY events_call WHERE seq > ?1 AND seq <= ?2 AND (?3 IS NULL OR "
		"instr(?3, ','||type||',')) AND (?4 IS NULL OR line=?4) AND call=?5 AND (?6 OR NOT digits) ORDER BY "
		"seq DESC "
		"LIMIT ?7",
	[STORE_CALLS_LIVE] = "SELECT " CALL_COLUMNS " FROM calls WHERE over = 0 ORDER BY n",
	[STORE_CALL_LEGS] = "SELECT " LEG_COLUMNS " FROM legs WHERE call=? ORDER BY position",
	[STORE_CALL_GET] = "SELECT " CALL_COLUMNS " FROM calls WHERE id=?",
	/* before (call id or NULL), line or NULL, only active, limit */
	[STORE_CALLS_LIST] =
		"SELECT " CALL_COLUMNS " FROM calls WHERE (?1 IS NULL OR n < (SELECT n FROM calls WHERE id=?1)) "
		"AND (?2 IS NULL OR EXISTS(SELECT 1 FROM legs WHERE legs.call=calls.n AND legs.line=?2)) "
		"AND (NOT ?3 OR over = 0) ORDER BY n DESC LIMIT ?4",
	[STORE_CALLS_LAST] = "SELECT max(n) FROM calls",
	[STORE_LINES] = "SELECT id,state,source,since,reachable,contacts,address,device,call FROM lines",
	[STORE_GRANTS] = "SELECT id,line,via,role FROM grants",
	[STORE_INTENTS] = "SELECT n,id,role,message,call,leg,at,body FROM intents ORDER BY n",
	[STORE_CURSORS] = "SELECT source,epoch,seq FROM cursors",
	[STORE_DAEMONS] = "SELECT name,away FROM daemons",
	[STORE_ANSWER_GET] = "SELECT body FROM answers WHERE key=? AND until > ?",
	[STORE_ANSWERS_RECENT] = "SELECT key,until,body FROM answers WHERE brief = 1 AND until > ?",
	[STORE_EARLY_PUT] = "INSERT INTO early(n,leg,message,role,at,since,body) VALUES(?,?,?,?,?,?,?)",
	[STORE_EARLY_DROP] = "DELETE FROM early WHERE n=?",
	[STORE_EARLY] = "SELECT n,leg,message,role,at,since,body FROM early ORDER BY n",
};
