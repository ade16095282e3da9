/* A table of objects by id: the one owner of each object keeps it, others keep the id.
 * Used by every room with more than one of something. Owns copies of the keys, never the objects.
 */
#ifndef HS_TABLE_H
#define HS_TABLE_H

#include <stddef.h>

struct hs_table;

struct hs_table *hs_table_create(void);

/* Object under key, or NULL. */
void *hs_table_get(const struct hs_table *table, const char *key);

/* Puts object under key (copied). Returns what was there before, or NULL. */
void *hs_table_put(struct hs_table *table, const char *key, void *object);

/* Takes the object out and returns it, or NULL. Safe inside hs_table_each for the present key. */
void *hs_table_remove(struct hs_table *table, const char *key);

size_t hs_table_count(const struct hs_table *table);

/* Walks all objects in no order; stops when visit returns false. */
void hs_table_each(struct hs_table *table, _Bool (*visit)(void *context, const char *key, void *object), void *context);

/* Frees the table; objects are the caller's. NULL is fine. */
void hs_table_destroy(struct hs_table *table);

#endif
