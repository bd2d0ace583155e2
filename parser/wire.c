#include "parser/wire.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/io.h"
#include "parser/onnx.pb-c.h"

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

// A length that is not known yet is written as a varint of fixed width and filled in later.
enum { LENGTH_BYTES = 5 };

struct scan {
    const unsigned char *base;
    const char *source;
    ppq_diag *diag;
    const char *path[PPQ_WIRE_MAX_DEPTH + 2]; // field names down to the current one
    ppq_wire out;
    size_t cap, cap_payloads;
};

struct view {
    const unsigned char *at, *end;
};

static ppq_status PPQ_PRINTF(4, 5)
    malformed(struct scan *s, int depth, const unsigned char *at, const char *fmt, ...)
{
    ppq_buf where = { 0 }, why = { 0 };
    for (int i = 0; i < depth && i < 8; i++)
        ppq_buf_printf(&where, "%s%s", i ? "." : "", s->path[i]);
    if (depth > 8)
        ppq_buf_printf(&where, "...");
    va_list ap;
    va_start(ap, fmt);
    char text[200];
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ppq_buf_printf(&why, "%s%s%s", text, where.n ? " in " : "", where.n ? where.data : "");
    const ppq_status st = ppq_fail(s->diag, PPQ_ERR_MODEL, (ppq_loc){ .stage = "parse" },
                                   "'%s' is not a valid ONNX file: at byte %zu, %s", s->source,
                                   (size_t) (at - s->base), ppq_buf_str(&why));
    ppq_buf_free(&where);
    ppq_buf_free(&why);
    return st;
}

static ppq_status no_memory(struct scan *s)
{
    return ppq_fail(s->diag, PPQ_ERR_NOMEM, (ppq_loc){ .stage = "parse" },
                    "'%s' needs more memory than there is", s->source);
}

static bool read_varint(struct view *v, uint64_t *out)
{
    uint64_t r = 0;
    for (int shift = 0; shift < 70 && v->at < v->end; shift += 7) {
        const unsigned char b = *v->at++;
        r |= shift < 64 ? (uint64_t) (b & 0x7f) << shift : 0;
        if (!(b & 0x80)) {
            *out = r;
            return true;
        }
    }
    return false;
}

static ppq_status emit(struct scan *s, const void *data, size_t n)
{
    if (s->cap - s->out.size < n) {
        const size_t cap = PPQ_MAX(s->out.size + n, 2 * s->cap + 4096);
        unsigned char *p = realloc(s->out.bytes, cap);
        if (!p)
            return no_memory(s);
        s->out.bytes = p;
        s->cap = cap;
    }
    if (n)
        memcpy(s->out.bytes + s->out.size, data, n);
    s->out.size += n;
    return PPQ_OK;
}

static void put_length(unsigned char *dst, size_t n)
{
    for (int i = 0; i < LENGTH_BYTES; i++, n >>= 7)
        dst[i] = (unsigned char) ((n & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

static ppq_status emit_payload(struct scan *s, struct view tag, const unsigned char *data, size_t n)
{
    if (s->out.n_payloads == s->cap_payloads) {
        const size_t cap = 2 * s->cap_payloads + 64;
        ppq_blob *p = realloc(s->out.payloads, cap * sizeof(*p));
        if (!p)
            return no_memory(s);
        s->out.payloads = p;
        s->cap_payloads = cap;
    }
    const uint32_t index = (uint32_t) s->out.n_payloads;
    s->out.payloads[s->out.n_payloads++] = (ppq_blob){ data, n };
    PPQ_TRY(emit(s, tag.at, (size_t) (tag.end - tag.at)));
    PPQ_TRY(emit(s, &(unsigned char){ sizeof(index) }, 1));
    return emit(s, &index, sizeof(index));
}

// What happens to the bytes of a message.
enum mode {
    CHECK, // looked at only: somebody above copies them
    STRIP, // copied piece by piece, payloads left out
};

static enum mode child_mode(enum mode mode, const ProtobufCMessageDescriptor *parent,
                            const ProtobufCFieldDescriptor *f)
{
    const void *type = f->descriptor;
    if (mode == CHECK)
        return CHECK;
    if (parent == &onnx__model_proto__descriptor)
        return type == &onnx__graph_proto__descriptor ? STRIP : CHECK;
    return type == &onnx__node_proto__descriptor || type == &onnx__tensor_proto__descriptor ||
                   type == &onnx__sparse_tensor_proto__descriptor ||
                   type == &onnx__attribute_proto__descriptor
               ? STRIP
               : CHECK;
}

static int wire_type_of(ProtobufCType t)
{
    switch (t) {
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return FIXED64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return FIXED32;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return LENGTH;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        break;
    }
    return VARINT;
}

static bool packed_ok(ProtobufCType t, const unsigned char *p, size_t n)
{
    const int wire = wire_type_of(t);
    if (wire == FIXED32)
        return n % 4 == 0;
    if (wire == FIXED64)
        return n % 8 == 0;
    size_t run = 0;
    for (size_t i = 0; i < n; i++) {
        run = p[i] & 0x80 ? run + 1 : 0;
        if (run >= 10)
            return false;
    }
    return run == 0;
}

static ppq_status scan_message(struct scan *s, const ProtobufCMessageDescriptor *type,
                               struct view v, int depth, enum mode mode);

// One length-delimited field whose tag is `tag` and whose contents are `body`.
static ppq_status scan_body(struct scan *s, const ProtobufCMessageDescriptor *type,
                            const ProtobufCFieldDescriptor *f, struct view tag, struct view body,
                            int depth, enum mode mode)
{
    const size_t n = (size_t) (body.end - body.at);
    const size_t whole = (size_t) (body.end - tag.at);
    if (f && f->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (depth == PPQ_WIRE_MAX_DEPTH)
            return malformed(s, depth, tag.at, "messages are nested deeper than %d levels",
                             PPQ_WIRE_MAX_DEPTH);
        const enum mode sub = child_mode(mode, type, f);
        if (sub == STRIP) {
            PPQ_TRY(emit(s, tag.at, (size_t) (tag.end - tag.at)));
            const size_t length_at = s->out.size;
            PPQ_TRY(emit(s, "\0\0\0\0\0", LENGTH_BYTES));
            PPQ_TRY(scan_message(s, f->descriptor, body, depth + 1, STRIP));
            put_length(s->out.bytes + length_at, s->out.size - length_at - LENGTH_BYTES);
            return PPQ_OK;
        }
        PPQ_TRY(scan_message(s, f->descriptor, body, depth + 1, CHECK));
    } else if (f && f->type == PROTOBUF_C_TYPE_STRING) {
        if (n && memchr(body.at, 0, n))
            return malformed(s, depth + 1, tag.at, "a NUL character");
    } else if (f && f->type != PROTOBUF_C_TYPE_BYTES && !packed_ok(f->type, body.at, n)) {
        return malformed(s, depth + 1, tag.at, "%zu bytes that are no packed list", n);
    }
    if (mode == STRIP && type == &onnx__tensor_proto__descriptor && f &&
        strcmp(f->name, "raw_data") == 0)
        return emit_payload(s, tag, body.at, n);
    return mode == STRIP ? emit(s, tag.at, whole) : PPQ_OK;
}

static ppq_status check_field(struct scan *s, const ProtobufCMessageDescriptor *type,
                              const ProtobufCFieldDescriptor *f, int wire, uint64_t *seen,
                              const unsigned char *at, int depth)
{
    if (!f)
        return PPQ_OK;
    const bool packed = wire == LENGTH && f->label == PROTOBUF_C_LABEL_REPEATED;
    if (wire != wire_type_of(f->type) && !packed)
        return malformed(s, depth + 1, at, "wire type %d instead of %d", wire,
                         wire_type_of(f->type));
    if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED)
        return PPQ_OK;
    const uint64_t bit = (uint64_t) 1 << (f - type->fields);
    if (*seen & bit)
        return malformed(s, depth + 1, at, "a second message where one is allowed");
    *seen |= bit;
    return PPQ_OK;
}

static ppq_status scan_message(struct scan *s, const ProtobufCMessageDescriptor *type,
                               struct view v, int depth, enum mode mode)
{
    assert(type->n_fields <= 64);
    uint64_t seen = 0;
    while (v.at < v.end) {
        struct view tag = { v.at, v.at };
        uint64_t key, x;
        if (!read_varint(&v, &key) || key >> 32 || !(key >> 3))
            return malformed(s, depth, tag.at, "no field tag");
        tag.end = v.at;
        const int wire = (int) (key & 7);
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field(type, (unsigned) (key >> 3));
        s->path[depth] = f ? f->name : "?";
        PPQ_TRY(check_field(s, type, f, wire, &seen, tag.at, depth));
        const size_t left = (size_t) (v.end - v.at);
        if (wire == LENGTH) {
            if (!read_varint(&v, &x) || x > PPQ_WIRE_MAX_SIZE)
                return malformed(s, depth + 1, tag.at, "no length below 2 GiB");
            if (x > (uint64_t) (v.end - v.at))
                return malformed(s, depth + 1, tag.at,
                                 "a field of %llu bytes where %zu are left (file cut short?)",
                                 (unsigned long long) x, (size_t) (v.end - v.at));
            const struct view body = { v.at, v.at + x };
            PPQ_TRY(scan_body(s, type, f, tag, body, depth, mode));
            v.at = body.end;
            continue;
        }
        if (wire == VARINT
                ? !read_varint(&v, &x)
                : (wire != FIXED64 && wire != FIXED32) || left < (wire == FIXED64 ? 8u : 4u))
            return malformed(s, depth + 1, tag.at, "no value of wire type %d", wire);
        if (wire != VARINT)
            v.at += wire == FIXED64 ? 8 : 4;
        if (mode == STRIP)
            PPQ_TRY(emit(s, tag.at, (size_t) (v.at - tag.at)));
    }
    return PPQ_OK;
}

ppq_status ppq_wire_strip(const void *bytes, size_t n, const ProtobufCMessageDescriptor *root,
                          const char *source, ppq_wire *out, ppq_diag *d)
{
    struct scan s = { .base = bytes, .source = source, .diag = d };
    const ppq_status st = scan_message(&s, root, (struct view){ s.base, s.base + n }, 0, STRIP);
    if (st != PPQ_OK) {
        ppq_wire_fini(&s.out);
        return st;
    }
    *out = s.out;
    return PPQ_OK;
}

void ppq_wire_drop_bytes(ppq_wire *w)
{
    free(w->bytes);
    w->bytes = NULL;
    w->size = 0;
}

void ppq_wire_fini(ppq_wire *w)
{
    free(w->bytes);
    free(w->payloads);
    *w = (ppq_wire){ 0 };
}
