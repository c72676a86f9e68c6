package dataset

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// Print says which documents are printed, and how.
type Print struct {
	Inputs []Input
	// Chunks prints the whole CT_RESULT chunk around each document.
	Chunks bool
	// Limit ends the output after so many documents; less than 0: never.
	Limit int64
	// Columns are the top-level columns to print, in this order; none: the whole document.
	// Not with Chunks.
	Columns []string
}

// Input is a directory, an output or a part of one, or else one file of it.
type Input struct {
	Store store.Store
	// Name is the file. "" is for all Parquet files outside the state directory, in the order of their
	// directories, runs and numbers.
	Name string
}

// InputError is something wrong with what was asked for: nothing was printed because of it.
type InputError struct {
	What string // the path or column
	Why  string
}

func (e *InputError) Error() string { return e.What + ": " + e.Why }

// highlighted is the one column that stands beside the document in its chunk.
const highlighted = "highlighted_data"

// Cat prints documents as JSON, one a line, rebuilt from their rows. Memory is bounded by some
// thousand documents or batchBytes, whatever the size of a file. A file that is damaged or none of
// ours is a *sink.ForeignError; what came before it has been printed. A failing w is a *WriteError, unless damage was
// found before.
func Cat(ctx context.Context, w io.Writer, what Print) error {
	for _, c := range what.Columns {
		if len(schema.Arrow().FieldIndices(c)) == 0 {
			return &InputError{c, "no such column; tw2parquet schema lists them"}
		}
	}
	if len(what.Columns) > 0 && what.Chunks {
		return &InputError{"columns", "they are members of the document; a whole chunk has all of them"}
	}
	files := make([][]store.Entry, len(what.Inputs))
	for i, in := range what.Inputs {
		var err error
		if files[i], err = in.files(ctx); err != nil {
			return err
		}
	}
	out := bufio.NewWriterSize(w, 256<<10)
	p := &printer{Print: what, out: out, rebuilder: schema.NewRebuilder(), left: what.Limit}
	for i, in := range what.Inputs {
		for _, e := range files[i] {
			if p.left == 0 {
				return p.flush()
			}
			if err := p.file(ctx, in.Store, e); err != nil {
				_ = p.flush() // whoever asked is told of the damage, with or without a reader
				return err
			}
		}
	}
	return p.flush()
}

// WriteError is a failure of the place that documents are printed to.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return "write the documents: " + e.Err.Error() }
func (e *WriteError) Unwrap() error { return e.Err }

// files are what is to be printed, in order.
func (in Input) files(ctx context.Context) ([]store.Entry, error) {
	if in.Name != "" {
		e, err := store.Stat(ctx, in.Store, in.Name)
		if err != nil && ctx.Err() == nil {
			err = &InputError{in.Store.Path(in.Name), store.Cause(err).Error()}
		}
		return []store.Entry{e}, err
	}
	d, err := Open(ctx, in.Store)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &InputError{in.Store.Path(""), unreadable(err)}
	}
	var bad error
	for _, t := range d.Trouble {
		if !sink.BelowState(t.Name) { // nothing in there is printed
			bad = errors.Join(bad, &InputError{in.Store.Path(t.Name), unreadable(t.Err)})
		}
	}
	if bad != nil {
		return nil, bad
	}
	files := d.Files()
	if len(files) == 0 {
		return nil, &InputError{in.Store.Path(""), "it contains no Parquet file"}
	}
	return files, nil
}

// printer prints one file after the other.
type printer struct {
	Print
	out       *bufio.Writer
	rebuilder *schema.Rebuilder
	left      int64
	line      []byte
	err       error // of out
}

// errEnough ends the reading of a file early.
var errEnough = errors.New("enough documents")

func (p *printer) flush() error {
	if p.err == nil {
		p.err = p.out.Flush()
	}
	if p.err != nil {
		return &WriteError{p.err}
	}
	return nil
}

// file prints the documents of one file.
func (p *printer) file(ctx context.Context, s store.Store, e store.Entry) error {
	f, err := store.Open(ctx, s, e)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return &sink.ForeignError{Path: s.Path(e.Name), Reason: unreadable(err)}
	}
	defer f.Close()
	err = guarded(func() error {
		in, err := openParquet(f, e.Size, &walker{in: f})
		if err != nil {
			return err
		}
		fields := p.fields(in)
		for g := range in.groups {
			if err := in.batches(ctx, g, fields, p.batch); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err == nil || errors.Is(err, errEnough):
		return nil
	case p.err != nil: // flush tells
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return &sink.ForeignError{Path: s.Path(e.Name), Reason: clean(err.Error())}
}

// fields are the columns to read: those to print and _extra, which may hold what they could not.
func (p *printer) fields(in *parquetFile) []int {
	var fields []int
	for i, f := range in.schema.Fields() {
		if len(p.Columns) == 0 || f.Name == "_extra" || slices.Contains(p.Columns, f.Name) {
			fields = append(fields, i)
		}
	}
	return fields
}

func (p *printer) batch(rec arrow.RecordBatch) error {
	for row := range int(rec.NumRows()) {
		if p.left == 0 {
			return errEnough
		}
		var err error
		if p.line, err = p.document(rec, row, p.line[:0]); err != nil {
			return err
		}
		if _, p.err = p.out.Write(append(p.line, '\n')); p.err != nil {
			return p.err
		}
		p.left--
	}
	return nil
}

// document appends one line without its end.
func (p *printer) document(rec arrow.RecordBatch, row int, dst []byte) ([]byte, error) {
	switch {
	case p.Chunks:
		return p.rebuilder.RebuildChunk(rec, row, dst)
	case len(p.Columns) == 0:
		return p.rebuilder.Rebuild(rec, row, dst)
	}
	// The rebuilt document also has what _extra holds of other members, so that it is taken apart again.
	text, err := p.rebuilder.RebuildChunk(rec, row, nil)
	if err != nil {
		return dst, err
	}
	var chunk struct {
		Result struct {
			Data map[string]json.RawMessage `json:"data"`
		} `json:"chunk_result"`
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &chunk); err != nil {
		return dst, fmt.Errorf("rebuild row %d: %w", row, err)
	}
	if err := json.Unmarshal(chunk.Result.Data["data"], &members); err != nil {
		return dst, fmt.Errorf("rebuild row %d: %w", row, err)
	}
	dst = append(dst, '{')
	for _, name := range p.Columns {
		value, ok := members[name]
		switch {
		case name == highlighted:
			value, ok = chunk.Result.Data[name]
		case name[0] == '_':
			if value, err = own(rec, name, row); err != nil {
				return dst, err
			}
			ok = value != nil
		}
		if !ok {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = append(dst, value...)
	}
	return append(dst, '}'), nil
}

// own is the value of a column that is not the document's, nil if it has none.
func own(rec arrow.RecordBatch, name string, row int) (json.RawMessage, error) {
	a := rec.Column(rec.Schema().FieldIndices(name)[0])
	if a.IsNull(row) {
		return nil, nil
	}
	switch a := a.(type) {
	case *array.Int64:
		return strconv.AppendInt(nil, a.Value(row), 10), nil
	case *array.String:
		if name == "_extra" {
			return json.RawMessage(a.Value(row)), nil // Rebuild has found it to be an object
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // as in the documents
		err := e.Encode(a.Value(row))
		return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
	}
	return nil, fmt.Errorf("column %s: %s", name, a.DataType())
}
