package ir

import "slices"

// Clone is a deep copy of m that shares blobs, attributes and types, which passes replace and do not change.
func (m *Module) Clone() *Module {
	c := &Module{Name: m.Name, Blobs: slices.Clone(m.Blobs), Locs: slices.Clone(m.Locs)}
	for _, f := range m.Funcs {
		g := &Func{Name: f.Name, Module: c, Outputs: slices.Clone(f.Outputs), fresh: f.fresh}
		g.Body = &Region{Func: g}
		f.Body.copyTo(g.Body, map[*Value]*Value{})
		c.Funcs = append(c.Funcs, g)
	}
	return c
}

// copyTo fills the empty region d with a copy of r. The values that r uses are mapped by values, where the copies are
// added.
func (r *Region) copyTo(d *Region, values map[*Value]*Value) {
	for _, p := range r.Params {
		q := d.AddParam(p.Name, p.Type)
		q.Sym = p.Sym
		values[p] = q
	}
	for _, f := range r.Facts.List {
		d.AddFact(f)
	}
	for _, op := range r.Ops {
		d.Ops = append(d.Ops, op.CopyTo(d, values))
	}
}

// CopyTo makes a copy of o for region d, whose operands are what values maps those of o to; a value without an
// entry stays the same. The copy is not yet among d.Ops; the values it defines are added to values. Regions are copied with it.
func (o *Op) CopyTo(d *Region, values map[*Value]*Value) *Op {
	c := &Op{Kind: o.Kind, Loc: o.Loc, Attrs: o.Attrs, Region: d}
	c.Args = make([]*Value, len(o.Args))
	for i, a := range o.Args {
		if b, ok := values[a]; ok {
			a = b
		}
		c.SetArg(i, a)
	}
	for _, r := range o.Regions {
		sub := d.NewRegion()
		sub.Parent = c
		r.copyTo(sub, values)
		c.Regions = append(c.Regions, sub)
	}
	for i, r := range o.Results {
		v := &Value{Type: r.Type, Def: c, Index: int32(i), Name: r.Name, Sym: r.Sym}
		values[r] = v
		c.Results = append(c.Results, v)
	}
	return c
}
