#include "parser/tensor_file.h"

#include "parser/tensor_proto.h"

ppq_status ppq_parse_tensor_bytes(const void *bytes, size_t n, const char *source, ppq_tensor *out,
                                  ppq_diag *d)
{
    ppq_pbmem mem;
    ppq_pbmem_init(&mem, (size_t) 1 << 30);
    Onnx__TensorProto *t = onnx__tensor_proto__unpack(&mem.allocator, n, bytes);
    ppq_status st;
    if (t) {
        const ppq_tensor_reader r = { .mem = &mem };
        const ppq_site site = { .source = source, .diag = d };
        st = ppq_tensor_read(&r, t, &site, out);
    } else {
        st = ppq_fail(d, PPQ_ERR_DATA, (ppq_loc){ .stage = "data" }, "'%s' holds no TensorProto",
                      source);
    }
    ppq_pbmem_fini(&mem);
    return st;
}
