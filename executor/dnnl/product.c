#include "executor/dnnl/product.h"

ppq_status ppq_dnnl_product_init(ppq_dnnl_product *p, const ppq_dnnl_operands *m,
                                 const ppq_tensor *constant)
{
    *p = (ppq_dnnl_product){ .right = m->weights };
    ppq_dnnl_operands chosen = *m;
    if (constant)
        chosen.weights = ppq_dnnl_md_any(&m->weights);
    PPQ_TRY(ppq_dnnl_matmul(&chosen, NULL, &p->op));
    if (!constant)
        return PPQ_OK;
    const ppq_status st = ppq_dnnl_pack(p->op, PPQ_DNNL_WEIGHTS, &p->right, constant, &p->weights);
    if (st != PPQ_OK)
        ppq_dnnl_product_fini(p);
    return st;
}

void ppq_dnnl_product_fini(ppq_dnnl_product *p)
{
    ppq_dnnl_op_destroy(p->op);
    ppq_tensor_unref(&p->weights);
    p->op = NULL;
}

ppq_status ppq_dnnl_product_run(const ppq_dnnl_product *p, ppq_kernel_ctx *c,
                                const ppq_tensor *left, const ppq_tensor *right,
                                const ppq_tensor *bias, ppq_tensor *dst)
{
    const ppq_dnnl_bind bind[] = {
        { PPQ_DNNL_SRC, ppq_tensor_data(left) },
        { PPQ_DNNL_WEIGHTS, ppq_tensor_data(p->weights.buf ? &p->weights : right) },
        { PPQ_DNNL_DST, ppq_tensor_data(dst) },
        { PPQ_DNNL_BIAS, bias ? ppq_tensor_data(bias) : NULL },
    };
    return ppq_dnnl_forward(c, p->op, bind, bias ? 4 : 3);
}
