package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"tw2parquet/pipeline/bug"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
)

// Scan reads some columns of many files.
type Scan struct {
	// Files are read in this order, as many at a time as there are Workers; 0 is 1.
	Files   []store.Entry
	Workers int
	// Columns are the paths of the leaves to read, as schema.Fields has them.
	Columns []string
	// Begin is told of each file before its first row, and from several goroutines. What it returns gets the rows.
	Begin func(f *Footer) Rows
	// Read is told of bytes of the files as they are done with, from several goroutines; nil: nobody is.
	Read func(bytes int64)
}

// Rows takes the rows of one file. Take is never called at the same time as another of the same file, and its batch
// is valid during the call only. End is called once, in the order of the files and one at a time; bad is why not all
// rows could be read.
type Rows interface {
	Take(rec arrow.RecordBatch) error
	End(bad error)
}

// Footer is what a file says of itself. Nothing of it can be relied on, but that its checksum is right.
type Footer struct {
	store.Entry
	sink.Published
	Groups []parquet.RowGroup
}

// Leaf is the path of a leaf as schema.Fields has it, by its path in the file.
func Leaf(column string) string {
	leaf := strings.TrimSuffix(strings.ReplaceAll(column, ".list.element", "[]"), "[]")
	leaf, _, _ = strings.Cut(leaf, ".key_value")
	return leaf
}

// Scan reads files of the output. Memory holds the columns of one row group, as they are stored, for each worker, and a
// batch of rows. The pages that are read are walked over first, as Cat does; there is no process behind which a
// hostile file could do no harm. Problems are the files of which not all could be read. An error is a context that ended,
// or a bug.
func (d *Dataset) Scan(ctx context.Context, s Scan) (problems []Problem, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type ended struct {
		rows Rows
		bad  error
		bug  error
	}
	order := make(chan chan ended, max(s.Workers, 1)-1)
	go func() {
		defer close(order)
		for _, e := range s.Files {
			done := make(chan ended, 1)
			select {
			case order <- done:
			case <-ctx.Done():
				return
			}
			go func() {
				var x ended
				x.bug = bug.Guard(func() error {
					x.rows, x.bad = s.file(ctx, d.store, e)
					return nil
				})
				done <- x
			}()
		}
	}()
	i := 0
	for done := range order {
		r := <-done
		if err == nil && r.bug != nil {
			err = r.bug
			cancel()
		}
		if ctx.Err() == nil {
			if r.bad != nil {
				id, _, _, _ := sink.PartOf(path.Base(s.Files[i].Name))
				problems = append(problems, Problem{d.store.Path(s.Files[i].Name), reasonOf(r.bad), id})
			}
			if r.rows != nil {
				r.rows.End(r.bad)
			}
		}
		i++
	}
	return problems, cmp.Or(err, context.Cause(ctx))
}

// reasonOf says why a file was not read to its end.
func reasonOf(err error) string {
	var foreign *sink.ForeignError
	var typed *store.Error
	switch {
	case errors.As(err, &foreign):
		return foreign.Reason
	case errors.As(err, &typed), errors.Is(err, fs.ErrNotExist), errors.Is(err, io.ErrUnexpectedEOF):
		return unreadable(err)
	}
	return clean(err.Error())
}

// file reads one file.
func (s *Scan) file(ctx context.Context, from store.Store, e store.Entry) (rows Rows, err error) {
	left := e.Size
	read := func(n int64) {
		if n = min(n, left); s.Read != nil && n > 0 {
			left -= n
			s.Read(n)
		}
	}
	defer func() { read(left) }()
	f, err := store.Open(ctx, from, e)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	err = guarded(func() error {
		in, err := newRanges(f, e.Size)
		if err != nil {
			return err
		}
		said, err := sink.ReadPublished(in, e.Size)
		if err != nil {
			return err
		}
		if why := newer(said.SchemaVersion); why != "" {
			return &sink.ForeignError{Path: e.Name, Reason: why}
		}
		groups, err := parquet.ReadRowGroups(in, e.Size)
		if err != nil {
			return err
		}
		file, err := openChecked(in, e.Size, groups)
		if err != nil {
			return err
		}
		fields := file.restrict(s.Columns)
		rows = s.Begin(&Footer{e, said, groups})
		for g := range groups {
			if err := file.scan(ctx, in, g, fields, rows.Take); err != nil {
				return err
			}
			for _, c := range groups[g].Chunks {
				read(c.Bytes)
			}
		}
		return nil
	})
	return rows, err
}

// restrict makes the file read some leaves only, and returns the columns that have any.
func (p *parquetFile) restrict(paths []string) (fields []int) {
	wanted := map[string]bool{}
	for _, path := range paths {
		wanted[path] = true
	}
	p.leaves = map[int]bool{}
	have := map[string]bool{}
	columns := p.reader.ParquetReader().MetaData().Schema
	for i := range columns.NumColumns() {
		if column := columns.Column(i).Path(); wanted[Leaf(column)] {
			p.leaves[i], have[top(column)] = true, true
		}
	}
	for i, f := range p.schema.Fields() {
		if have[f.Name] {
			fields = append(fields, i)
		}
	}
	return fields
}

// scan reads the columns of a row group, which it fetches and walks over first.
func (p *parquetFile) scan(ctx context.Context, in *ranges, group int, fields []int, each func(arrow.RecordBatch) error) error {
	var chunks []*parquet.Chunk
	for i := range p.groups[group].Chunks {
		if p.leaves[i] {
			chunks = append(chunks, &p.groups[group].Chunks[i])
		}
	}
	if err := in.fetch(chunks); err != nil {
		return err
	}
	w := walker{in: in, sums: true}
	for _, c := range chunks {
		if err := w.chunk(c); err != nil {
			return fmt.Errorf("row group %d, column %s, %w", group, clean(c.Column), err)
		}
	}
	return p.batches(ctx, group, fields, each)
}

// Current are the data files of the run that count, in order: those that its manifest lists and that are there as it says,
// or without a manifest the latest of each number. Of a run that was dropped none counts.
func (r *Run) Current(ctx context.Context) (files []store.Entry, err error) {
	if begun, _ := r.Dropped(); begun {
		return nil, nil
	}
	m, err := r.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	if m != nil {
		there := map[string]store.Entry{}
		for _, e := range r.Files {
			there[e.Name] = e
		}
		for _, f := range m.Files {
			if e, ok := there[f.Name]; ok && e.Regular && e.Size == f.Bytes {
				files = append(files, e)
			}
		}
		return files, nil
	}
	for i, e := range r.Files {
		if e.Regular && (i+1 == len(r.Files) || !sameNumber(e, r.Files[i+1])) {
			files = append(files, e)
		}
	}
	return files, nil
}
