"""What PyTorch's exporters write of the ways to write composites in PyTorch."""

import io
import logging
import math

import onnx
import torch
from torch import nn
from torch.nn import functional as F

logging.disable(logging.WARNING)
torch.manual_seed(0)


class Form(nn.Module):
    """A function of itself, its inputs, and modules and parameters."""

    def __init__(self, f, **parts):
        super().__init__()
        self.f = f
        for k, v in parts.items():
            setattr(self, k, v)

    def forward(self, *args):
        return self.f(self, *args)


x, image = torch.randn(2, 5, 16), torch.randn(2, 3, 6, 6)
q, k, few = torch.randn(2, 4, 5, 8), torch.randn(2, 4, 7, 8), torch.randn(2, 2, 5, 8)
seen = torch.rand(2, 1, 5, 7) > 0.4
bias = torch.zeros(2, 1, 5, 7).masked_fill(~seen, -1e9)
angles = torch.outer(torch.arange(9.0), 1 / 10000 ** (torch.arange(0, 8, 2) / 8))


def rms(weight, x, one=0.0):
    y = x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)
    return (y * (one + weight.float())).to(x.dtype)


def attend(q, k, v, mask=None, guard=lambda p: p):
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    return guard((scores if mask is None else scores + mask).softmax(-1)) @ v


def repeated(x):
    b, h, s, d = x.shape
    return x[:, :, None].expand(b, h, 2, s, d).reshape(b, 2 * h, s, d)


def turned(x):
    a, b = x.chunk(2, -1)
    return torch.cat((-b, a), -1)


def neighbours(x):
    return torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)


def parts(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def stacked(x, cos, sin):
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)


def tables(double):
    return {"cos": nn.Buffer(double(angles.cos())), "sin": nn.Buffer(double(angles.sin()))}


def conv(act, n=2):
    return Form(lambda s, x: act(s.norm(s.conv(x))), conv=nn.Conv2d(3, 4, 3, padding=1, bias=False), norm=nn.BatchNorm2d(4))


twice, pairs = lambda t: torch.cat((t, t), -1), lambda t: t.repeat_interleave(2, -1)
up = lambda bias=False: {"gate": nn.Linear(16, 8, bias=bias), "up": nn.Linear(16, 8, bias=bias), "down": nn.Linear(8, 16, bias=bias)}
both = lambda: {"gate": nn.Linear(16, 16), "down": nn.Linear(8, 16)}
weight = lambda: {"w": nn.Parameter(torch.rand(16) + 0.5)}
full = -math.inf

forms = {
    "gelu": (Form(lambda s, x: F.gelu(x)), x),
    "gelu tanh": (Form(lambda s, x: F.gelu(x, approximate="tanh")), x),
    "gelu new": (Form(lambda s, x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x.pow(3))))), x),
    "gelu fast": (Form(lambda s, x: 0.5 * x * (1 + torch.tanh(x * 0.7978845608 * (1 + 0.044715 * x * x)))), x),
    "gelu quick": (Form(lambda s, x: x * torch.sigmoid(1.702 * x)), x),
    "silu": (Form(lambda s, x: F.silu(x)), x),
    "mish": (Form(lambda s, x: F.mish(x)), x),
    "softplus": (Form(lambda s, x: F.softplus(x)), x),
    "hardswish": (Form(lambda s, x: F.hardswish(x)), x),
    "swiglu": (Form(lambda s, x: s.down(F.silu(s.gate(x)) * s.up(x)), **up()), x),
    "swiglu of halves": (Form(lambda s, x: s.down((lambda g, u: F.silu(g) * u)(*s.gate(x).chunk(2, -1))), **both()), x),
    "swiglu of gpt-oss": (Form(lambda s, x: (lambda g, u: (u.clamp(-7, 7) + 1) * (g.clamp(max=7) * torch.sigmoid(g.clamp(max=7) * 1.702)))(s.gate(x), s.up(x)), **up()), x),
    "geglu": (Form(lambda s, x: s.down((lambda u, g: u * F.gelu(g))(*s.gate(x).chunk(2, -1))), **both()), x),
    "geglu tanh": (Form(lambda s, x: s.down(F.gelu(s.gate(x), approximate="tanh") * s.up(x)), **up()), x),
    "softmax": (Form(lambda s, x: x.softmax(-1)), x),
    "logsoftmax": (Form(lambda s, x: x.log_softmax(-1)), x),
    "layer norm": (nn.LayerNorm(16), x),
    "layer norm by variance": (Form(lambda s, x: (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + 1e-5)), x),
    "layer norm of channels": (Form(lambda s, x: (lambda c: s.w[:, None, None] * (c / torch.sqrt(c.pow(2).mean(1, keepdim=True) + 1e-6)) + s.w[:, None, None])(
        x - x.mean(1, keepdim=True)), w=nn.Parameter(torch.rand(3))), image),
    "group norm": (nn.GroupNorm(3, 3), image),
    "rms norm llama": (Form(lambda s, x: rms(s.w, x), **weight()), x),
    "rms norm gemma": (Form(lambda s, x: rms(s.w, x, 1.0), **weight()), x),
    "rms norm of a sum": (Form(lambda s, x, y: (rms(s.w, x + y), x + y), **weight()), x, x + 1),
    "linear": (nn.Linear(16, 8), x),
    "linear and residual": (Form(lambda s, x: x + s.gate(x), **both()), x),
    "linear of rows": (Form(lambda s, x: torch.addmm(s.b, x.view(-1, 16), s.m).view(*x.shape[:-1], 8), m=nn.Parameter(torch.randn(16, 8)), b=nn.Parameter(torch.randn(8))), x),
    "attention sdpa": (Form(lambda s, *a: F.scaled_dot_product_attention(*a)), q, k, k),
    "attention sdpa bool": (Form(lambda s, *a: F.scaled_dot_product_attention(*a)), q, k, k, seen),
    "attention sdpa float": (Form(lambda s, *a: F.scaled_dot_product_attention(*a)), q, k, k, bias),
    "attention sdpa causal": (Form(lambda s, *a: F.scaled_dot_product_attention(*a, is_causal=True)), q, q, q),
    "attention sdpa groups": (Form(lambda s, q, k, v: F.scaled_dot_product_attention(q, repeated(k), repeated(v), is_causal=True)), q, few, few),
    "attention": (Form(lambda s, *a: attend(*a)), q, k, k, bias),
    "attention groups": (Form(lambda s, q, k, v: attend(q, repeated(k), repeated(v))), q, few, few),
    "attention groups interleaved": (Form(lambda s, q, k, v: attend(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1))), q, few, few),
    "attention filled": (Form(lambda s, q, k, v, m: (q @ k.transpose(-1, -2) * 0.35).masked_fill(~m, torch.finfo(torch.float32).min).softmax(-1) @ v), q, k, k, seen),
    "attention guarded": (Form(lambda s, q, k, v, m: attend(q, k, v, torch.where(m, 0.0, full), lambda p: torch.where(p.isnan(), 0.0, p))), q, k, k, seen),
    "attention nan_to_num": (Form(lambda s, q, k, v, m: attend(q, k, v, torch.where(m, 0.0, full), torch.nan_to_num)), q, k, k, seen),
    "attention triangle": (Form(lambda s, q, k, v: (q @ k.transpose(-1, -2)).masked_fill(s.m[:5, :5] == 0, full).softmax(-1) @ v, m=nn.Buffer(torch.ones(9, 9).tril())), q, q, q),
    "attention past": (Form(lambda s, q, k, v, a, b: attend(q, torch.cat((a, k), 2), torch.cat((b, v), 2))), q, q, q, k, k),
    "rope": (Form(lambda s, x, p: (lambda e: x * e.cos() + turned(x) * e.sin())(twice(p[:, None, :, None] * s.speed)), speed=nn.Buffer(angles[1].clone())), q, torch.arange(5)[None].repeat(2, 1)),
    "rope tables": (Form(lambda s, x: x * s.cos[:5] + turned(x) * s.sin[:5], **tables(twice)), q),
    "rope tables by position": (Form(lambda s, x, p: x * s.cos[p][:, None] + turned(x) * s.sin[p][:, None], **tables(twice)), q, torch.arange(5)[None].repeat(2, 1)),
    "rope neighbours": (Form(lambda s, x: x * s.cos[:5] + neighbours(x) * s.sin[:5], **tables(pairs)), q),
    "rope halves one by one": (Form(lambda s, x: parts(x, s.cos[:5], s.sin[:5]), **tables(lambda t: t)), q),
    "rope neighbours one by one": (Form(lambda s, x: stacked(x, s.cos[:5], s.sin[:5]), **tables(lambda t: t)), q),
    "conv bn": (conv(lambda x: x), image),
    "conv bn relu": (conv(F.relu), image),
    "conv bn relu6": (conv(F.relu6), image),
    "conv bn silu": (conv(F.silu), image),
    "conv bn hardswish": (conv(F.hardswish), image),
    "conv transpose bn": (Form(lambda s, x: s.norm(s.conv(x)), conv=nn.ConvTranspose2d(3, 4, 3), norm=nn.BatchNorm2d(4)), image),
    "linear bn": (Form(lambda s, x: s.norm(s.gate(x)), gate=nn.Linear(16, 8), norm=nn.BatchNorm1d(8)), x[0]),
}
older = {"layer norm", "softmax", "gelu", "gelu tanh", "gelu quick", "rope", "attention sdpa bool", "attention sdpa causal"}  # of the dynamo exporter at opset 18 too


def export(module, args, **options):
    out = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(module.eval(), args, out, input_names=[f"x{i}" for i in range(len(args))], **options)
    return onnx.load_from_string(out.getvalue())


def by_script(module, args):
    dynamic = {f"x{i}": {0: "b"} for i, a in enumerate(args) if a.dim() > 1}
    return export(module, args, opset_version=17, dynamo=False, dynamic_axes=dynamic)


def by_dynamo(module, args, opset):
    dynamic = tuple({0: torch.export.Dim.DYNAMIC} if a.dim() > 1 else None for a in args)
    return export(module, args, opset_version=opset, dynamo=True, external_data=False, verbose=False, dynamic_shapes={"args": dynamic} if isinstance(module, Form) else dynamic)


def made():
    for name, (module, *args) in forms.items():
        yield f"torchscript/{name}", by_script(module, tuple(args))
        yield f"dynamo/{name}", by_dynamo(module, tuple(args), 23 if "groups" not in name else 18)
        if name in older:
            yield f"dynamo18/{name}", by_dynamo(module, tuple(args), 18)
