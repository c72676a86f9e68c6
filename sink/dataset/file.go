package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"tw2parquet/schema"
	"tw2parquet/sink/parquet"
)

// parquetFile is a Parquet file whose layout was checked, open in arrow-go's reader.
type parquetFile struct {
	groups []parquet.RowGroup
	schema *arrow.Schema
	reader *pqarrow.FileReader
	leaves map[int]bool // that are read
}

// errGaveUp is a panic of the reader.
var errGaveUp = errors.New("the Parquet reader gave up")

// guarded calls f, and turns a panic into an error: the readers' ways to refuse a file.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s", errGaveUp, clean(fmt.Sprint(p)))
		}
	}()
	return f()
}

// openParquet checks the layout of a file, then opens it and checks its columns. The caller guards
// it, and keeps in open.
func openParquet(in io.ReaderAt, size int64, w *walker) (*parquetFile, error) {
	groups, err := parquet.ReadRowGroups(in, size)
	if err != nil {
		return nil, err
	}
	if err := w.check(groups); err != nil {
		return nil, err
	}
	return openChecked(in, size, groups)
}

// openChecked opens a file whose pages were walked over, or will be before they are read.
func openChecked(in io.ReaderAt, size int64, groups []parquet.RowGroup) (*parquetFile, error) {
	props := arrowparquet.NewReaderProperties(memory.DefaultAllocator)
	// Page by page, not whole chunks: a row group may be as large as its writer liked.
	props.BufferedStreamEnabled = true
	props.MaxCompressedPageSize, props.MaxUncompressedPageSize = maxPageBytes, maxPageBytes
	r, err := file.NewParquetReader(io.NewSectionReader(in, 0, size), file.WithReadProps(props))
	if err != nil {
		return nil, err
	}
	if r.NumRowGroups() != len(groups) {
		return nil, fmt.Errorf("%d row groups were found, the reader finds %d", len(groups), r.NumRowGroups())
	}
	leaves := map[int]bool{}
	for i := range r.MetaData().Schema.NumColumns() {
		leaves[i] = true
	}
	for i := range groups {
		if len(groups[i].Chunks) != len(leaves) {
			return nil, fmt.Errorf("row group %d has %d columns, the schema has %d", i, len(groups[i].Chunks), len(leaves))
		}
	}
	// Not parallel: a panic in a goroutine of the library could not be caught.
	reader, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	s, err := reader.Schema()
	if err != nil {
		return nil, err
	}
	if err := conform(s); err != nil {
		return nil, err
	}
	return &parquetFile{groups: groups, schema: s, reader: reader, leaves: leaves}, nil
}

// conform tells whether the columns are ours: all of them known, of the right types, and those of
// our own among them. An older version may lack some.
func conform(s *arrow.Schema) error {
	ours := schema.Arrow()
	seen := map[string]bool{}
	for _, f := range s.Fields() {
		i := ours.FieldIndices(f.Name)
		switch {
		case len(i) == 0:
			return fmt.Errorf("a foreign schema: it has a column %q", clean(f.Name))
		case seen[f.Name]:
			return fmt.Errorf("a foreign schema: it has two columns %s", f.Name)
		case !same(f.Type, ours.Field(i[0]).Type):
			return fmt.Errorf("a foreign schema: column %s is %s", f.Name, clean(f.Type.String()))
		}
		seen[f.Name] = true
	}
	for _, f := range ours.Fields() {
		if f.Name[0] == '_' && !seen[f.Name] {
			return fmt.Errorf("a foreign schema: it has no column %s", f.Name)
		}
	}
	return nil
}

// complete tells whether a file of the current version has every column, in order.
func complete(s *arrow.Schema) error {
	ours := schema.Arrow()
	for i, f := range ours.Fields() {
		if i >= s.NumFields() || s.Field(i).Name != f.Name {
			return fmt.Errorf("a foreign schema: column %d is not %s", i, f.Name)
		}
		if !same(f.Type, s.Field(i).Type) {
			return fmt.Errorf("a foreign schema: column %s is %s", f.Name, clean(s.Field(i).Type.String()))
		}
	}
	return nil
}

// same tells whether a column's type is ours, or a part of ours: members of structs are what an older
// version may lack. Names of list elements differ between writers and mean nothing.
func same(theirs, ours arrow.DataType) bool {
	if theirs.ID() != ours.ID() {
		return false
	}
	switch o := ours.(type) {
	case *arrow.TimestampType:
		t, ok := theirs.(*arrow.TimestampType)
		return ok && t.Unit == o.Unit && t.TimeZone == o.TimeZone
	case *arrow.MapType:
		t, ok := theirs.(*arrow.MapType)
		return ok && same(t.KeyType(), o.KeyType()) && same(t.ItemType(), o.ItemType())
	case *arrow.ListType:
		t, ok := theirs.(*arrow.ListType)
		return ok && same(t.Elem(), o.Elem())
	case *arrow.StructType:
		t, ok := theirs.(*arrow.StructType)
		if !ok {
			return false
		}
		for _, f := range t.Fields() {
			known, ok := o.FieldByName(f.Name)
			if !ok || !same(f.Type, known.Type) {
				return false
			}
		}
	}
	return true
}

// width is the average size of a row of some columns before compression, in a row group. Only the leaves that are read
// count.
func (p *parquetFile) width(group int, fields []int) int64 {
	names := map[string]bool{}
	for _, f := range fields {
		names[p.schema.Field(f).Name] = true
	}
	total := int64(0)
	for i, c := range p.groups[group].Chunks {
		if p.leaves[i] && names[top(c.Column)] {
			total += c.Uncompressed
		}
	}
	return total / max(1, p.groups[group].Rows)
}

// top is the column that a leaf belongs to; ours have no dots in their names.
func top(path string) string {
	for i := range len(path) {
		if path[i] == '.' {
			return path[:i]
		}
	}
	return path
}

// batchBytes is about what the values of a batch take, maxBatchRows how many rows it has at most.
const (
	batchBytes   = 8 << 20
	maxBatchRows = 4096
)

// batches reads columns of a row group, some rows at a time. A batch is valid during its call only.
func (p *parquetFile) batches(ctx context.Context, group int, fields []int, each func(arrow.RecordBatch) error) error {
	readers := make([]*pqarrow.ColumnReader, len(fields))
	columns := make([]arrow.Field, len(fields))
	defer func() {
		for _, r := range readers {
			if r != nil {
				r.Release()
			}
		}
	}()
	for i, f := range fields {
		r, err := p.reader.GetFieldReader(ctx, f, p.leaves, []int{group})
		if err != nil {
			return fmt.Errorf("row group %d, column %s: %w", group, p.schema.Field(f).Name, err)
		}
		readers[i], columns[i] = r, *r.Field() // where not all leaves are read, the type is a smaller one
	}
	s := arrow.NewSchema(columns, nil)
	size := max(1, min(maxBatchRows, batchBytes/max(1, p.width(group, fields))))
	for left := p.groups[group].Rows; left > 0; left -= min(size, left) {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := batch(s, readers, min(size, left), each); err != nil {
			return fmt.Errorf("row group %d, %w", group, err)
		}
	}
	for i, r := range readers {
		rest, err := r.NextBatch(1)
		if err != nil {
			return fmt.Errorf("row group %d, column %s: %w", group, columns[i].Name, err)
		}
		n := rest.Len()
		rest.Release()
		if n > 0 {
			return fmt.Errorf("row group %d, column %s: it has more rows than the row group", group, columns[i].Name)
		}
	}
	return nil
}

// batch reads the next n rows.
func batch(s *arrow.Schema, readers []*pqarrow.ColumnReader, n int64, each func(arrow.RecordBatch) error) error {
	arrays := make([]arrow.Array, 0, len(readers))
	defer func() {
		for _, a := range arrays {
			a.Release()
		}
	}()
	for i, r := range readers {
		chunked, err := r.NextBatch(n)
		if err != nil {
			return fmt.Errorf("column %s: %w", s.Field(i).Name, err)
		}
		a, err := single(chunked)
		chunked.Release()
		if err != nil {
			return fmt.Errorf("column %s: %w", s.Field(i).Name, err)
		}
		arrays = append(arrays, a)
		if int64(a.Len()) != n {
			return fmt.Errorf("column %s: it ends before the row group", s.Field(i).Name)
		}
	}
	rec := array.NewRecordBatch(s, arrays, n)
	defer rec.Release()
	return each(rec)
}

// single is one array of all chunks.
func single(c *arrow.Chunked) (arrow.Array, error) {
	switch chunks := c.Chunks(); len(chunks) {
	case 0:
		return array.MakeArrayOfNull(memory.DefaultAllocator, c.DataType(), 0), nil
	case 1:
		chunks[0].Retain()
		return chunks[0], nil
	default:
		return array.Concatenate(chunks, memory.DefaultAllocator)
	}
}
