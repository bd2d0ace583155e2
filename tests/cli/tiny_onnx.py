"""Small ONNX models written byte by byte, without any library."""
import struct


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, value):
    """An int as varint, a float as fixed32, bytes and text as they are."""
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack('<f', value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(number, values):
    return b''.join(field(number, v) for v in values)


def tensor(name, dims, values):
    raw = struct.pack('<%df' % len(values), *values)
    return fields(1, dims) + field(2, 1) + field(8, name) + field(9, raw)


def external_tensor(name, dims, location):
    entry = field(1, 'location') + field(2, location)
    return fields(1, dims) + field(2, 1) + field(8, name) + field(13, entry) + field(14, 1)


def value_info(name, dims):
    shape = b''.join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def attribute(name, value):
    if isinstance(value, list):
        return field(1, name) + fields(8, value) + field(20, 7)
    return field(1, name) + field(3, value) + field(20, 2)


def node(op_type, inputs, outputs, name, domain='', **attrs):
    return (fields(1, inputs) + fields(2, outputs) + field(3, name) + field(4, op_type) +
            fields(5, [attribute(k, v) for k, v in attrs.items()]) +
            (field(7, domain) if domain else b''))


def model(nodes, initializers, inputs, outputs, domains=()):
    graph = (fields(1, nodes) + field(2, 'g') + fields(5, initializers) +
             fields(11, [value_info(n, d) for n, d in inputs]) +
             fields(12, [value_info(n, d) for n, d in outputs]))
    opsets = field(8, field(1, '') + field(2, 17))
    opsets += fields(8, [field(1, d) + field(2, 1) for d in domains])
    return field(1, 8) + opsets + field(7, graph)


def weights(n):
    """Reproducible, of both signs."""
    return [((i * 37 + 11) % 64 - 31.5) / 40 for i in range(n)]


def spectrum():
    """A power spectrum over fifteen decades, its logarithm, and layers: x 4x8 -> y 4x8."""
    decades = [10 ** (-1.1 * i) if i == j else 0. for i in range(8) for j in range(8)]
    nodes = [node('MatMul', ['x', 'd'], ['a'], 'bands'), node('Mul', ['a', 'a'], ['p'], 'power'),
             node('Max', ['p', 'floor'], ['m'], 'floor'), node('Log', ['m'], ['g'], 'log'),
             node('Add', ['g', 'centre'], ['l'], 'centre')]
    for i, name in enumerate(['first', 'second', 'third']):
        nodes.append(node('MatMul', [('l', 'first', 'second')[i], f'w{i}'], [name if i < 2 else 'y'], name))
    init = [tensor('d', [8, 8], decades), tensor('centre', [8], [1. + 5.07 * i for i in range(8)]), tensor('floor', [1], [1e-24])]
    init += [tensor(f'w{i}', [8, 8], weights(64)) for i in range(3)]
    return model(nodes, init, [('x', [4, 8])], [('y', [4, 8])])


def cnn(extra_nodes=(), weight=None, domains=()):
    """Conv, Relu, Conv, then Flatten and Gemm: x 1x2x6x6 -> y 1x3."""
    nodes = [node('Conv', ['x', 'w1', 'b1'], ['c1'], 'conv1', pads=[1, 1, 1, 1]),
             node('Relu', ['c1'], ['r1'], 'relu1'),
             node('Conv', ['r1', 'w2'], ['c2'], 'conv2'),
             node('Flatten', ['c2'], ['f'], 'flatten'),
             node('Gemm', ['f', 'w3', 'b3'], ['y'], 'gemm')]
    init = [weight or tensor('w1', [4, 2, 3, 3], weights(72)), tensor('b1', [4], weights(4)),
            tensor('w2', [2, 4, 3, 3], weights(72)), tensor('w3', [32, 3], weights(96)),
            tensor('b3', [3], weights(3))]
    return model(nodes + list(extra_nodes), init, [('x', [1, 2, 6, 6])], [('y', [1, 3])], domains)


def npy(shape, values, code='<f4'):
    kinds = {'<f4': 'f', '<i8': 'q', '<f8': 'd'}
    text = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (
        code, ''.join('%d,' % d for d in shape))
    text = text.ljust(117) + '\n'
    return (b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode() +
            struct.pack('<%d%s' % (len(values), kinds[code]), *values))
