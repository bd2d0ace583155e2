#ifndef PPQ_CORE_MAP_H
#define PPQ_CORE_MAP_H

#include "core/base.h"

// String -> pointer hash map. Keys are borrowed and must outlive the map. Never iterated:
// iteration order would leak into output.
typedef struct ppq_map ppq_map;

ppq_map *ppq_map_create(void);
void ppq_map_destroy(ppq_map *m); // NULL is fine
void *ppq_map_get(const ppq_map *m, const char *key); // NULL if absent
void ppq_map_set(ppq_map *m, const char *key, void *value); // value NULL removes

#endif
