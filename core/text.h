#ifndef PPQ_CORE_TEXT_H
#define PPQ_CORE_TEXT_H

// Insertions, deletions and replacements that turn one text into the other; of long texts the first
// 63 bytes count. For "did you mean".
int ppq_edit_distance(const char *a, const char *b);

#endif
