package parquet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go/format"
)

// Encoder turns records into encoded pages. One serves all files of an output, and may serve several outputs at once: it
// is safe for concurrent use. Its buffers live as long as it does, in free lists bounded by bytes, and whoever comes
// next finds them. What waits for row groups to end is bounded for all open files together.
type Encoder struct {
	schema      *arrow.Schema
	compression Compression
	version     int32 // of the format, as the footer says it
	tree        *columnTree
	codec       format.CompressionCodec
	err         error // why no record can be encoded
	slabs       slabPool

	mu        sync.Mutex
	scratches []*scratch
	groups    []*Group
	rowGroups []*rowGroup // of files that have ended
}

// maxFreeGroups: two records are in flight, so a third idle group is never needed.
const maxFreeGroups = 2

// arenaLimit is the largest number of levels a group keeps room for.
const arenaLimit = 8 << 20

// NewEncoder compiles the schema. What it cannot encode is reported by Encode and by the file.
func NewEncoder(schema *arrow.Schema, c Compression, en Encodings) *Encoder {
	e := &Encoder{schema: schema, compression: c, version: en.version(), codec: c.format()}
	if e.err = errors.Join(c.Validate(), en.Validate()); e.err == nil {
		e.tree, e.err = newColumnTree(schema, en)
	}
	return e
}

// SpillTo has row groups wait in files until they are complete, except the latest few MiB of each. It is called before anything
// is encoded. Without it, or once no file can be made or written, they wait in memory, see MaxWaitingBytes.
func (e *Encoder) SpillTo(file func() (Spill, error)) { e.slabs.spill = file }

// Group is one record on its way to a row group: first its columns, then, once all tasks have
// returned, its pages. It is used once; Append takes it back.
type Group struct {
	rows    int
	columns []column
	chunks  []chunk
	bytes   arena[uint8]
	ints    arena[int32]

	mu    sync.Mutex
	pages pageLog // in the order in which tasks return
}

// keep takes a page that a task has made.
func (g *Group) keep(p *page) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pages.keep(p)
}

// Encode cuts the encoding of rec into tasks, the heaviest first. They are independent: any order,
// any goroutine. rec must not change before all of them have returned; nothing refers to it then.
// The group may be appended once all tasks have succeeded, and is garbage otherwise.
func (e *Encoder) Encode(rec arrow.RecordBatch) ([]func() error, *Group) {
	g := e.takeGroup()
	if err := e.fill(g, rec); err != nil {
		return []func() error{func() error { return err }}, g
	}
	type task struct {
		weight int
		run    func(*scratch) error
	}
	var tasks []task
	for i := range g.columns {
		c, out := &g.columns[i], &g.chunks[i]
		if g.rows == 0 {
			continue
		}
		if out.empty = c.empty(); out.empty {
			out.level = c.levels.all
			continue
		}
		weight := c.weight()
		if c.leaf.physical != format.ByteArray || c.leaf.maxRep > 0 || c.leaf.class.dictionary > 0 || weight <= c.leaf.class.pageBytes {
			if first := g.twin(i); first >= 0 && g.chunks[first].single {
				g.chunks[first].twins = append(g.chunks[first].twins, i)
				continue
			}
			out.single = true
			// The levels count too: a column of nulls is not free.
			tasks = append(tasks, task{weight + c.levels.n, func(s *scratch) error {
				if err := s.encodeColumn(g, c, out); err != nil {
					return err
				}
				return s.encodeTwins(g, out, out.twins)
			}})
			continue
		}
		rows := cutRows(c)
		out.pages = make([]page, len(rows)-1)
		for p := range out.pages {
			tasks = append(tasks, task{weight / len(out.pages), func(s *scratch) error {
				return s.encodeRows(g, c, &out.pages[p], rows[p], rows[p+1])
			}})
		}
	}
	slices.SortStableFunc(tasks, func(a, b task) int { return cmp.Compare(b.weight, a.weight) })
	run := make([]func() error, len(tasks))
	for i, t := range tasks {
		run[i] = func() error { return e.with(t.run) }
	}
	return run, g
}

// with runs f with a scratch of its own.
func (e *Encoder) with(f func(*scratch) error) error {
	e.mu.Lock()
	var s *scratch
	if n := len(e.scratches); n > 0 {
		s, e.scratches = e.scratches[n-1], e.scratches[:n-1]
	}
	e.mu.Unlock()
	if s == nil {
		var err error
		if s, err = newScratch(e.compression); err != nil {
			return err
		}
	}
	err := f(s)
	s.shrink()
	e.mu.Lock()
	e.scratches = append(e.scratches, s)
	e.mu.Unlock()
	return err
}

func (e *Encoder) takeGroup() *Group {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.groups); n > 0 {
		g := e.groups[n-1]
		e.groups = e.groups[:n-1]
		return g
	}
	return &Group{pages: pageLog{pool: &e.slabs}}
}

// takeRowGroup gives an empty row group for a file.
func (e *Encoder) takeRowGroup() *rowGroup {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.rowGroups); n > 0 {
		g := e.rowGroups[n-1]
		e.rowGroups = e.rowGroups[:n-1]
		return g
	}
	return newRowGroup(e.tree, &e.slabs)
}

// maxFreeRowGroups: of an output one file is open at a time, so more are idle only where outputs end together.
const maxFreeRowGroups = 2

// giveRowGroup takes it back.
func (e *Encoder) giveRowGroup(g *rowGroup) {
	g.reset()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.rowGroups) < maxFreeRowGroups {
		e.rowGroups = append(e.rowGroups, g)
	}
}

// recycle takes back what a record was encoded in.
func (e *Encoder) recycle(g *Group) {
	for i := range g.chunks {
		g.chunks[i].reset()
	}
	g.pages.reset()
	clear(g.columns)
	g.rows, g.columns = 0, g.columns[:0]
	g.bytes.reset(arenaLimit)
	g.ints.reset(arenaLimit)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.groups) < maxFreeGroups {
		e.groups = append(e.groups, g)
	}
}

// fill computes the levels of all nodes and lists the columns.
func (e *Encoder) fill(g *Group, rec arrow.RecordBatch) error {
	if e.err != nil {
		return e.err
	}
	if err := e.checkSchema(rec); err != nil {
		return err
	}
	g.rows = int(rec.NumRows())
	g.columns = slices.Grow(g.columns[:0], len(e.tree.leaves))
	for i, n := range e.tree.roots {
		if err := g.walk(n, levels{n: g.rows}, rec.Column(i)); err != nil {
			return err
		}
	}
	g.chunks = slices.Grow(g.chunks[:0], len(g.columns))[:len(g.columns)]
	for i := range g.columns {
		g.chunks[i].leaf = g.columns[i].leaf
	}
	return nil
}

func (e *Encoder) checkSchema(rec arrow.RecordBatch) error {
	if rec.Schema() == e.schema {
		return nil
	}
	if int(rec.NumCols()) != e.schema.NumFields() {
		return fmt.Errorf("encode record: %d columns, the file has %d", rec.NumCols(), e.schema.NumFields())
	}
	for i, f := range e.schema.Fields() {
		if t := rec.Column(i).DataType(); !arrow.TypeEqual(t, f.Type) {
			return fmt.Errorf("encode record: column %s is %s, the file has %s", f.Name, t, f.Type)
		}
	}
	return nil
}

// walk follows n down to its columns. l are the levels of the slots around n.
func (g *Group) walk(n *fieldNode, l levels, a arrow.Array) error {
	if n.kind == nodeLeaf {
		c, err := newColumn(n.leaf, l, a)
		c.rows = g.rows
		g.columns = append(g.columns, c)
		return err
	}
	l, err := g.enter(n, l, a)
	if err != nil {
		return err
	}
	switch n.kind {
	case nodeStruct:
		return g.walkFields(n, l, a)
	case nodeList:
		list := a.(*array.List)
		if l, err = g.expand(n, l, list); err != nil {
			return err
		}
		return g.walk(n.children[0], l, list.ListValues())
	default:
		m := a.(*array.Map)
		if l, err = g.expand(n, l, m.List); err != nil {
			return err
		}
		return g.walkFields(n, l, m.ListValues())
	}
}

func (g *Group) walkFields(n *fieldNode, l levels, a arrow.Array) error {
	fields := a.(*array.Struct)
	for i, child := range n.children {
		if err := g.walk(child, l, fields.Field(i)); err != nil {
			return err
		}
	}
	return nil
}
