#include "executor/ops/pattern.h"

#include <string.h>

// The expression becomes a tree, the tree a program for a machine that is in many states at once:
// no choice is ever taken back, so no text takes long. Which of several matches is found does not
// matter here, so greedy and lazy repetition are the same.

enum {
    MAX_DEPTH = 100,
    MAX_REPEAT = 1000,
    MAX_PATTERN = 4096,
    MAX_PROGRAM = 20000,
    MAX_RANGES = 512
};
enum { LAST_CODE = 0x10ffff, NO_CODE = 0x110000 }; // NO_CODE: no character, matches nothing

typedef struct range {
    uint32_t lo, hi;
} range;

typedef struct set {
    const range *r;
    size_t n;
    bool negated;
} set;

typedef enum assertion { TEXT_BEGIN, TEXT_END, LINE_BEGIN, LINE_END, WORD, NO_WORD } assertion;
typedef enum kind { EMPTY, SET, CAT, ALT, REPEAT, ASSERT } kind;

typedef struct node {
    kind kind;
    const struct node *a, *b; // of CAT and ALT; a of REPEAT
    set set;
    assertion assertion;
    int min, max; // of REPEAT; max negative: no limit
} node;

typedef enum opcode { OP_SET, OP_SPLIT, OP_JUMP, OP_ASSERT, OP_MATCH } opcode;

typedef struct instruction {
    opcode op;
    const set *set;
    assertion assertion;
    uint32_t x, y; // where OP_SPLIT and OP_JUMP go
} instruction;

struct ppq_pattern {
    instruction *code;
    size_t n;
    uint32_t *now, *next, *stack; // states
    size_t *seen;                 // position + 1 at which a state was entered last
};

// ---- characters -----------------------------------------------------------------------------

// The character at *at, which moves behind it.
static uint32_t decode(ppq_string s, size_t *at)
{
    const unsigned char *p = (const unsigned char *) s.data + *at;
    const size_t left = s.size - *at;
    const size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    *at += 1;
    if (n == 1)
        return p[0];
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
        return NO_CODE;
    uint32_t c = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return NO_CODE;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < least[n] || c > LAST_CODE || (c >= 0xd800 && c < 0xe000))
        return NO_CODE;
    *at += n - 1;
    return c;
}

static bool in_set(const set *s, uint32_t c)
{
    if (c > LAST_CODE)
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (c >= s->r[i].lo && c <= s->r[i].hi)
            return !s->negated;
    return s->negated;
}

static bool is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

// ---- parsing --------------------------------------------------------------------------------

typedef struct flags {
    bool any_case, dot_newline, lines;
} flags;

typedef struct parser {
    ppq_string s;
    size_t at;
    ppq_arena *a;
    flags flags;
    int depth;
    ppq_status st;
    const char *why;
} parser;

static void refuse(parser *p, ppq_status st, const char *why)
{
    if (p->st == PPQ_OK) {
        p->st = st;
        p->why = why;
    }
    p->at = p->s.size; // nothing more to read
}

static bool more(const parser *p)
{
    return p->at < p->s.size;
}

static bool ahead(const parser *p, const char *text)
{
    const size_t n = strlen(text);
    return p->s.size - p->at >= n && memcmp(p->s.data + p->at, text, n) == 0;
}

static bool take(parser *p, const char *text)
{
    const bool yes = ahead(p, text);
    p->at += yes ? strlen(text) : 0;
    return yes;
}

static uint32_t take_char(parser *p)
{
    if (!more(p)) {
        refuse(p, PPQ_ERR_MODEL, "it ends too early");
        return NO_CODE;
    }
    const uint32_t c = decode(p->s, &p->at);
    if (c > LAST_CODE)
        refuse(p, PPQ_ERR_MODEL, "it is no valid UTF-8");
    return c;
}

static node *new_node(parser *p, kind k)
{
    node *n = ppq_new(p->a, node);
    n->kind = k;
    return n;
}

static node *join(parser *p, kind k, const node *a, const node *b)
{
    node *n = new_node(p, k);
    n->a = a;
    n->b = b;
    return n;
}

static node *assert_node(parser *p, assertion what)
{
    node *n = new_node(p, ASSERT);
    n->assertion = what;
    return n;
}

// Ranges while a set is read.
typedef struct builder {
    range r[MAX_RANGES];
    size_t n;
} builder;

static void add(parser *p, builder *b, uint32_t lo, uint32_t hi)
{
    if (b->n == MAX_RANGES)
        refuse(p, PPQ_ERR_UNSUPPORTED, "a class of characters is too long");
    else
        b->r[b->n++] = (range){ lo, hi };
}

// The part of [lo, hi] inside [from, to], moved by `shift`.
static void add_part(parser *p, builder *b, range r, uint32_t from, uint32_t to, int shift)
{
    const uint32_t lo = PPQ_MAX(r.lo, from), hi = PPQ_MIN(r.hi, to);
    if (lo <= hi)
        add(p, b, (uint32_t) ((int) lo + shift), (uint32_t) ((int) hi + shift));
}

// Characters that were written down; with (?i) their other cases too. Two letters beyond ASCII fold
// to k and s.
static void add_written(parser *p, builder *b, uint32_t lo, uint32_t hi)
{
    const range r = { lo, hi };
    add(p, b, lo, hi);
    if (!p->flags.any_case)
        return;
    add_part(p, b, r, 'a', 'z', 'A' - 'a');
    add_part(p, b, r, 'A', 'Z', 'a' - 'A');
    if ((lo <= 'k' && hi >= 'k') || (lo <= 'K' && hi >= 'K'))
        add(p, b, 0x212a, 0x212a);
    if ((lo <= 's' && hi >= 's') || (lo <= 'S' && hi >= 'S'))
        add(p, b, 0x17f, 0x17f);
    if (hi > 127)
        refuse(p, PPQ_ERR_UNSUPPORTED, "(?i) with characters beyond ASCII is not supported");
}

static node *set_node(parser *p, const builder *b, bool negated)
{
    range *r = ppq_new_n(p->a, range, b->n + 1);
    if (b->n)
        memcpy(r, b->r, b->n * sizeof(*r));
    node *n = new_node(p, SET);
    n->set = (set){ r, b->n, negated };
    return n;
}

// Named ranges; `negated` adds everything else.
static void add_named(parser *p, builder *b, const range *r, size_t n, bool negated)
{
    uint32_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (!negated)
            add(p, b, r[i].lo, r[i].hi);
        else if (r[i].lo > from)
            add(p, b, from, r[i].lo - 1);
        from = r[i].hi + 1;
    }
    if (negated)
        add(p, b, from, LAST_CODE);
}

// \d, \s, \w and their opposites.
static bool add_perl(parser *p, builder *b, uint32_t letter)
{
    static const range digit[] = { { '0', '9' } };
    static const range space[] = { { '\t', '\n' }, { '\f', '\r' }, { ' ', ' ' } };
    static const range word[] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
    switch (letter) {
    case 'd':
    case 'D':
        add_named(p, b, digit, PPQ_COUNT(digit), letter == 'D');
        return true;
    case 's':
    case 'S':
        add_named(p, b, space, PPQ_COUNT(space), letter == 'S');
        return true;
    case 'w':
    case 'W':
        add_named(p, b, word, PPQ_COUNT(word), letter == 'W');
        return true;
    default:
        return false;
    }
}

// [:name:], behind its opening.
static void add_posix(parser *p, builder *b)
{
    static const struct {
        const char *name;
        range r[5];
        size_t n;
    } classes[] = {
        { "alnum:]", { { '0', '9' }, { 'A', 'Z' }, { 'a', 'z' } }, 3 },
        { "alpha:]", { { 'A', 'Z' }, { 'a', 'z' } }, 2 },
        { "ascii:]", { { 0, 127 } }, 1 },
        { "blank:]", { { '\t', '\t' }, { ' ', ' ' } }, 2 },
        { "cntrl:]", { { 0, 31 }, { 127, 127 } }, 2 },
        { "digit:]", { { '0', '9' } }, 1 },
        { "graph:]", { { '!', '~' } }, 1 },
        { "lower:]", { { 'a', 'z' } }, 1 },
        { "print:]", { { ' ', '~' } }, 1 },
        { "punct:]", { { '!', '/' }, { ':', '@' }, { '[', '`' }, { '{', '~' } }, 4 },
        { "space:]", { { '\t', '\r' }, { ' ', ' ' } }, 2 },
        { "upper:]", { { 'A', 'Z' } }, 1 },
        { "word:]", { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } }, 4 },
        { "xdigit:]", { { '0', '9' }, { 'A', 'F' }, { 'a', 'f' } }, 3 },
    };
    const bool negated = take(p, "^");
    for (size_t i = 0; i < PPQ_COUNT(classes); i++)
        if (take(p, classes[i].name)) {
            add_named(p, b, classes[i].r, classes[i].n, negated);
            return;
        }
    refuse(p, PPQ_ERR_MODEL, "it names a class of characters that does not exist");
}

static int hex_digit(uint32_t c)
{
    return c >= '0' && c <= '9'   ? (int) (c - '0')
           : c >= 'a' && c <= 'f' ? (int) (c - 'a') + 10
           : c >= 'A' && c <= 'F' ? (int) (c - 'A') + 10
                                  : -1;
}

// Behind \x: two digits, or any number in braces.
static uint32_t take_hex(parser *p)
{
    const bool braces = take(p, "{");
    uint32_t v = 0;
    int n = 0;
    while (more(p) && (braces || n < 2) && hex_digit((unsigned char) p->s.data[p->at]) >= 0) {
        v = v * 16 + (uint32_t) hex_digit((unsigned char) p->s.data[p->at++]);
        n++;
        if (v > LAST_CODE)
            refuse(p, PPQ_ERR_MODEL, "\\x has a number that is no character");
    }
    if (n == 0 || (!braces && n < 2) || (braces && !take(p, "}")))
        refuse(p, PPQ_ERR_MODEL, "\\x lacks its digits");
    return v;
}

// The one character that an escape stands for, behind the backslash.
static uint32_t take_escaped(parser *p)
{
    static const char from[] = "aftnrv", to[] = "\a\f\t\n\r\v";
    const uint32_t c = take_char(p);
    const char *known = c && c < 128 ? strchr(from, (int) c) : NULL;
    if (known)
        return (unsigned char) to[known - from];
    if (c == 'x')
        return take_hex(p);
    if (c >= '0' && c <= '7') {
        const bool octal = more(p) && p->s.data[p->at] >= '0' && p->s.data[p->at] <= '7';
        if (c != '0' && !octal)
            refuse(p, PPQ_ERR_MODEL, "references to groups are not part of the syntax");
        uint32_t v = c - '0';
        for (int i = 0; i < 2 && more(p); i++) {
            const char d = p->s.data[p->at];
            if (d < '0' || d > '7')
                break;
            v = v * 8 + (uint32_t) (d - '0');
            p->at++;
        }
        return v;
    }
    if (c == 'p' || c == 'P' || c == 'C')
        refuse(p, PPQ_ERR_UNSUPPORTED, "\\p and \\C are not supported");
    else if (c < 128 && is_word(c) && c != '_')
        refuse(p, PPQ_ERR_MODEL, "it has an escape that does not exist");
    return c;
}

static uint32_t take_class_char(parser *p)
{
    const uint32_t c = take_char(p);
    return c == '\\' ? take_escaped(p) : c;
}

// [...], behind the opening bracket.
static node *parse_class(parser *p)
{
    builder b;
    b.n = 0;
    const bool negated = take(p, "^");
    for (bool first = true; p->st == PPQ_OK; first = false) {
        if (!first && take(p, "]"))
            break;
        if (!more(p)) {
            refuse(p, PPQ_ERR_MODEL, "a bracket is not closed");
            break;
        }
        if (take(p, "[:")) {
            add_posix(p, &b);
            continue;
        }
        if (ahead(p, "\\") && p->s.size - p->at > 1 &&
            add_perl(p, &b, (unsigned char) p->s.data[p->at + 1])) {
            p->at += 2;
            continue;
        }
        const uint32_t lo = take_class_char(p);
        uint32_t hi = lo;
        if (ahead(p, "-") && p->s.size - p->at > 1 && p->s.data[p->at + 1] != ']') {
            p->at++;
            hi = take_class_char(p);
        }
        if (hi < lo)
            refuse(p, PPQ_ERR_MODEL, "a range of characters runs backwards");
        add_written(p, &b, lo, hi);
    }
    return set_node(p, &b, negated);
}

static node *literal(parser *p, uint32_t c)
{
    builder b;
    b.n = 0;
    add_written(p, &b, c, c);
    return set_node(p, &b, false);
}

static node *dot(parser *p)
{
    builder b;
    b.n = 0;
    if (!p->flags.dot_newline)
        add(p, &b, '\n', '\n');
    return set_node(p, &b, true);
}

static node *parse_escape(parser *p)
{
    static const struct {
        const char *text;
        assertion what;
    } assertions[] = { { "A", TEXT_BEGIN }, { "z", TEXT_END }, { "b", WORD }, { "B", NO_WORD } };
    for (size_t i = 0; i < PPQ_COUNT(assertions); i++)
        if (take(p, assertions[i].text))
            return assert_node(p, assertions[i].what);
    builder b;
    b.n = 0;
    if (more(p) && add_perl(p, &b, (unsigned char) p->s.data[p->at])) {
        p->at++;
        return set_node(p, &b, false);
    }
    return literal(p, take_escaped(p));
}

static node *parse_choice(parser *p);

// Behind "(?": flags, a colon or the end of the group, or a name.
static bool parse_flags(parser *p)
{
    bool on = true;
    while (p->st == PPQ_OK && more(p)) {
        switch (take_char(p)) {
        case 'i':
            p->flags.any_case = on;
            break;
        case 's':
            p->flags.dot_newline = on;
            break;
        case 'm':
            p->flags.lines = on;
            break;
        case 'U':
            break;
        case '-':
            on = false;
            break;
        case ':':
            return true;
        case ')':
            return false;
        default:
            refuse(p, PPQ_ERR_MODEL, "it has a flag that does not exist");
        }
    }
    refuse(p, PPQ_ERR_MODEL, "a parenthesis is not closed");
    return false;
}

static node *parse_group(parser *p)
{
    const flags before = p->flags;
    if (take(p, "?P<") || take(p, "?<")) {
        while (more(p) && !ahead(p, ">"))
            (void) take_char(p);
        if (!take(p, ">"))
            refuse(p, PPQ_ERR_MODEL, "the name of a group is not closed");
    } else if (take(p, "?") && !parse_flags(p)) {
        return new_node(p, EMPTY); // for the rest of the group around
    }
    node *n = parse_choice(p);
    if (!take(p, ")"))
        refuse(p, PPQ_ERR_MODEL, "a parenthesis is not closed");
    p->flags = before;
    return n;
}

static int take_count(parser *p)
{
    int v = -1;
    while (more(p) && p->s.data[p->at] >= '0' && p->s.data[p->at] <= '9') {
        v = PPQ_MAX(v, 0) * 10 + (p->s.data[p->at++] - '0');
        v = PPQ_MIN(v, MAX_REPEAT + 1);
    }
    return v;
}

// {n}, {n,} or {n,m}; anything else in braces is text.
static bool take_counts(parser *p, int *min, int *max)
{
    const size_t start = p->at;
    if (!take(p, "{"))
        return false;
    *min = *max = take_count(p);
    if (*min >= 0 && take(p, ","))
        *max = take_count(p);
    if (*min < 0 || !take(p, "}")) {
        p->at = start;
        return false;
    }
    if (*min > MAX_REPEAT || *max > MAX_REPEAT || (*max >= 0 && *max < *min))
        refuse(p, PPQ_ERR_MODEL, "a repetition is given backwards or more than 1000 times");
    return true;
}

static bool take_repetition(parser *p, int *min, int *max)
{
    *min = ahead(p, "+");
    *max = ahead(p, "?") ? 1 : -1;
    return take(p, "*") || take(p, "+") || take(p, "?") || take_counts(p, min, max);
}

static node *parse_atom(parser *p)
{
    if (take(p, "("))
        return parse_group(p);
    if (take(p, "["))
        return parse_class(p);
    if (take(p, "\\"))
        return parse_escape(p);
    if (take(p, "^"))
        return assert_node(p, p->flags.lines ? LINE_BEGIN : TEXT_BEGIN);
    if (take(p, "$"))
        return assert_node(p, p->flags.lines ? LINE_END : TEXT_END);
    if (take(p, "."))
        return dot(p);
    int min, max;
    if (take_repetition(p, &min, &max))
        refuse(p, PPQ_ERR_MODEL, "a repetition has nothing to repeat");
    return literal(p, take_char(p));
}

// What repeats `n`, if anything does.
static node *parse_repeat(parser *p, node *n)
{
    int min, max, again, unused;
    if (!take_repetition(p, &min, &max))
        return n;
    (void) take(p, "?");
    if (take_repetition(p, &again, &unused))
        refuse(p, PPQ_ERR_MODEL, "a repetition is repeated");
    node *r = join(p, REPEAT, n, NULL);
    r->min = min;
    r->max = max;
    return r;
}

// Behind \Q: everything up to \E as it is. The last character may be repeated.
static node *parse_quoted(parser *p)
{
    node *all = new_node(p, EMPTY), *last = NULL;
    while (more(p) && !take(p, "\\E")) {
        all = last ? join(p, CAT, all, last) : all;
        last = literal(p, take_char(p));
    }
    return last ? join(p, CAT, all, parse_repeat(p, last)) : all;
}

static node *parse_row(parser *p)
{
    node *n = new_node(p, EMPTY);
    while (more(p) && !ahead(p, "|") && !ahead(p, ")"))
        n = join(p, CAT, n, take(p, "\\Q") ? parse_quoted(p) : parse_repeat(p, parse_atom(p)));
    return n;
}

static node *parse_choice(parser *p)
{
    if (++p->depth > MAX_DEPTH)
        refuse(p, PPQ_ERR_UNSUPPORTED, "it is nested too deeply");
    node *n = parse_row(p);
    while (take(p, "|"))
        n = join(p, ALT, n, parse_row(p));
    p->depth--;
    return n;
}

// ---- the program ----------------------------------------------------------------------------

// How many instructions a tree needs; MAX_PROGRAM or more: too many. Rows and choices lean to the
// left and may be long, so those are walked in a loop.
static size_t size_of(const node *n)
{
    size_t size = 0;
    for (; n->kind == CAT || n->kind == ALT; n = n->a) {
        size += size_of(n->b) + (n->kind == ALT ? 2 : 0);
        if (size >= MAX_PROGRAM)
            return MAX_PROGRAM;
    }
    if (n->kind == REPEAT) {
        const size_t copies = (size_t) PPQ_MAX(n->max, n->min + 1);
        size += copies * (size_of(n->a) + 2);
    } else {
        size += n->kind != EMPTY;
    }
    return PPQ_MIN(size, MAX_PROGRAM);
}

static uint32_t emit(ppq_pattern *r, instruction i)
{
    r->code[r->n] = i;
    return (uint32_t) r->n++;
}

static void compile(ppq_pattern *r, const node *n);

static void compile_repeat(ppq_pattern *r, const node *n)
{
    for (int i = 0; i < n->min; i++)
        compile(r, n->a);
    if (n->max < 0) {
        const uint32_t split = emit(r, (instruction){ .op = OP_SPLIT });
        compile(r, n->a);
        (void) emit(r, (instruction){ .op = OP_JUMP, .x = split });
        r->code[split].x = split + 1;
        r->code[split].y = (uint32_t) r->n;
        return;
    }
    for (int i = n->min; i < n->max; i++) {
        const uint32_t split = emit(r, (instruction){ .op = OP_SPLIT });
        compile(r, n->a);
        r->code[split].x = split + 1;
        r->code[split].y = (uint32_t) r->n; // past this one; the next may be left out as well
    }
}

static void compile(ppq_pattern *r, const node *n)
{
    switch (n->kind) {
    case EMPTY:
        break;
    case SET:
        (void) emit(r, (instruction){ .op = OP_SET, .set = &n->set });
        break;
    case ASSERT:
        (void) emit(r, (instruction){ .op = OP_ASSERT, .assertion = n->assertion });
        break;
    case CAT:
        compile(r, n->a);
        compile(r, n->b);
        break;
    case ALT: {
        const uint32_t split = emit(r, (instruction){ .op = OP_SPLIT });
        compile(r, n->a);
        const uint32_t jump = emit(r, (instruction){ .op = OP_JUMP });
        r->code[split].x = split + 1;
        r->code[split].y = (uint32_t) r->n;
        compile(r, n->b);
        r->code[jump].x = (uint32_t) r->n;
        break;
    }
    case REPEAT:
        compile_repeat(r, n);
        break;
    }
}

ppq_status ppq_pattern_compile(ppq_string pattern, ppq_arena *a, ppq_pattern **out,
                               const char **why)
{
    parser p = { .s = pattern, .a = a };
    if (pattern.size > MAX_PATTERN) {
        *why = "it is too long";
        return PPQ_ERR_UNSUPPORTED;
    }
    const node *tree = parse_choice(&p);
    if (p.st == PPQ_OK && more(&p))
        refuse(&p, PPQ_ERR_MODEL, "a parenthesis is closed that was not opened");
    const size_t size = p.st == PPQ_OK ? size_of(tree) : 0;
    if (size >= MAX_PROGRAM)
        refuse(&p, PPQ_ERR_UNSUPPORTED, "it is too long");
    *why = p.why;
    PPQ_TRY(p.st);
    ppq_pattern *r = ppq_new(a, ppq_pattern);
    r->code = ppq_new_n(a, instruction, size + 1);
    compile(r, tree);
    (void) emit(r, (instruction){ .op = OP_MATCH });
    r->now = ppq_new_n(a, uint32_t, r->n);
    r->next = ppq_new_n(a, uint32_t, r->n);
    r->stack = ppq_new_n(a, uint32_t, 2 * r->n + 2); // each state adds two at most
    r->seen = ppq_new_n(a, size_t, r->n);
    *out = r;
    return PPQ_OK;
}

// ---- matching -------------------------------------------------------------------------------

// Around a position; NO_CODE beyond the text's ends.
typedef struct place {
    uint32_t before, after;
    bool begin, end;
} place;

static bool holds(assertion a, const place *p)
{
    switch (a) {
    case TEXT_BEGIN:
        return p->begin;
    case TEXT_END:
        return p->end;
    case LINE_BEGIN:
        return p->begin || p->before == '\n';
    case LINE_END:
        return p->end || p->after == '\n';
    case WORD:
    case NO_WORD:
        break;
    }
    return (is_word(p->before) != is_word(p->after)) == (a == WORD);
}

// Enters state `pc` and all that it leads to without a character.
static size_t enter(ppq_pattern *r, uint32_t *list, size_t n, uint32_t pc, size_t mark,
                    const place *at)
{
    size_t depth = 0;
    r->stack[depth++] = pc;
    while (depth) {
        pc = r->stack[--depth];
        if (r->seen[pc] == mark)
            continue;
        r->seen[pc] = mark;
        const instruction *i = &r->code[pc];
        switch (i->op) {
        case OP_SPLIT:
            if (r->seen[i->y] != mark)
                r->stack[depth++] = i->y;
            r->stack[depth++] = i->x;
            break;
        case OP_JUMP:
            r->stack[depth++] = i->x;
            break;
        case OP_ASSERT:
            if (holds(i->assertion, at))
                r->stack[depth++] = pc + 1;
            break;
        case OP_SET:
        case OP_MATCH:
            list[n++] = pc;
            break;
        }
    }
    return n;
}

static place place_at(ppq_string s, size_t at, uint32_t before)
{
    size_t end = at;
    return (place){ .before = before,
                    .after = at < s.size ? decode(s, &end) : NO_CODE,
                    .begin = at == 0,
                    .end = at == s.size };
}

bool ppq_pattern_matches(ppq_pattern *r, ppq_string text)
{
    memset(r->seen, 0, r->n * sizeof(*r->seen));
    place here = place_at(text, 0, NO_CODE);
    size_t at = 0, n = enter(r, r->now, 0, 0, 1, &here);
    while (at < text.size && n) {
        const uint32_t c = decode(text, &at);
        here = place_at(text, at, c);
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            if (r->code[r->now[i]].op == OP_SET && in_set(r->code[r->now[i]].set, c))
                k = enter(r, r->next, k, r->now[i] + 1, at + 1, &here);
        uint32_t *swap = r->now;
        r->now = r->next;
        r->next = swap;
        n = k;
    }
    for (size_t i = 0; i < n; i++)
        if (at == text.size && r->code[r->now[i]].op == OP_MATCH)
            return true;
    return false;
}
