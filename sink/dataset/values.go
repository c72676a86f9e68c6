package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// Reading is what a reading process found in a file.
type Reading struct {
	Reason    string `json:"reason,omitempty"` // why the file is damaged; "": it is not
	Rows      int64  `json:"rows"`
	RowGroups int    `json:"row_groups"`
	Pages     int64  `json:"pages"`
	Gaps      string `json:"gaps"` // checksum of the ordinals of its range that are not rows
}

// CheckFiles reads every value of data files and writes a Reading of each to out, as JSON, in their order. It is what
// the command of Config.Reader does: it first gives up this process's right to take more than memory
// bytes beyond what it has, and to compute for longer than cpu. An error is trouble of the process,
// not of a file.
func CheckFiles(ctx context.Context, files []*os.File, out io.Writer, memory int64, cpu time.Duration) error {
	if err := limit(memory, cpu); err != nil {
		return err
	}
	for _, in := range files {
		r := checkValues(ctx, in)
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// HandedFiles are the files that a process of Config.Reader was started with: the first is its standard input, the
// others are the descriptors from 3 on.
func HandedFiles(first *os.File, n int) []*os.File {
	files := []*os.File{first}
	for i := range n - 1 {
		files = append(files, os.NewFile(uintptr(3+i), "file "+strconv.Itoa(i+2)))
	}
	return files
}

// checkValues reads every value.
func checkValues(ctx context.Context, in *os.File) Reading {
	r := Reading{}
	if err := guarded(func() error { return r.read(ctx, in) }); err != nil {
		r.Reason = clean(err.Error())
	}
	return r
}

func (r *Reading) read(ctx context.Context, in *os.File) error {
	size, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		return store.ErrNotRegular // what has no end: a pipe, a terminal
	}
	said, err := sink.ReadPublished(in, size)
	if err != nil {
		return err
	}
	w := walker{in: in, sums: true}
	p, err := openParquet(in, size, &w)
	if err != nil {
		return err
	}
	if said.SchemaVersion == schema.Version {
		if err := complete(p.schema); err != nil {
			return err
		}
	}
	r.Pages, r.RowGroups = w.pages, len(p.groups)
	ordinals := ordinals{next: said.FirstOrdinal, end: said.NextOrdinal, gaps: newSpans()}
	for g := range p.groups {
		r.Rows += p.groups[g].Rows
		// Column by column, so that an error names one and memory holds one.
		for f := range p.schema.NumFields() {
			check := validText
			switch p.schema.Field(f).Name {
			case "_ordinal":
				check = ordinals.read
			case "_extra":
				check = extras
			case "custom":
				check = texts
			}
			err := p.batches(ctx, g, []int{f}, func(rec arrow.RecordBatch) error {
				if err := check(rec.Column(0)); err != nil {
					return fmt.Errorf("column %s: %w", rec.ColumnName(0), err)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	if r.Rows != said.Rows {
		return fmt.Errorf("the row groups have %d rows, the footer says %d", r.Rows, said.Rows)
	}
	r.Gaps = ordinals.finish()
	return nil
}

// validText checks that all text is UTF-8, as Parquet's strings have to be.
func validText(a arrow.Array) error {
	switch a := a.(type) {
	case *array.String:
		for i := range a.Len() {
			if a.IsValid(i) && !utf8.ValidString(a.Value(i)) {
				return errors.New("invalid UTF-8")
			}
		}
	case *array.Map: // before List: it is one too
		if err := validText(a.Keys()); err != nil {
			return err
		}
		return validText(a.Items())
	case *array.List:
		return validText(a.ListValues())
	case *array.Struct:
		for i := range a.NumField() {
			if err := validText(a.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// texts checks a column of JSON.
func texts(a arrow.Array) error {
	s, ok := a.(*array.String)
	for i := 0; ok && i < s.Len(); i++ {
		if s.IsValid(i) && !json.Valid([]byte(s.Value(i))) {
			return errors.New("invalid JSON")
		}
	}
	return validText(a)
}

// extras checks _extra: objects.
func extras(a arrow.Array) error {
	s, ok := a.(*array.String)
	for i := 0; ok && i < s.Len(); i++ {
		if s.IsValid(i) && (s.Value(i) == "" || s.Value(i)[0] != '{') {
			return errors.New("not a JSON object")
		}
	}
	return texts(a)
}

// ordinals follows _ordinal through a file.
type ordinals struct {
	next, end int64 // the next one may be any from next on, before end
	gaps      *spans
}

func (o *ordinals) read(a arrow.Array) error {
	column, ok := a.(*array.Int64)
	if !ok || column.NullN() > 0 {
		return errors.New("not every row has an ordinal")
	}
	for _, v := range column.Int64Values() {
		switch {
		case v < o.next:
			return errors.New("the ordinals do not rise, or begin before the file's range")
		case v >= o.end:
			return errors.New("an ordinal beyond the file's range")
		}
		o.gaps.add(o.next, v)
		o.next = v + 1
	}
	return nil
}

func (o *ordinals) finish() string {
	o.gaps.add(o.next, o.end)
	return o.gaps.sum()
}

// spans is the checksum of a set of ordinals that are added in order, as ranges: a file may claim a
// range of any length.
type spans struct {
	h        hash.Hash
	from, to int64
}

func newSpans() *spans { return &spans{h: sha256.New()} }

func (s *spans) add(from, to int64) {
	switch {
	case from >= to:
	case from == s.to && s.from < s.to:
		s.to = to
	default:
		s.flush()
		s.from, s.to = from, to
	}
}

func (s *spans) flush() {
	if s.from < s.to {
		b := binary.LittleEndian.AppendUint64(nil, uint64(s.from))
		s.h.Write(binary.LittleEndian.AppendUint64(b, uint64(s.to)))
	}
}

func (s *spans) sum() string {
	s.flush()
	s.from, s.to = 0, 0
	return hex.EncodeToString(s.h.Sum(nil))
}
