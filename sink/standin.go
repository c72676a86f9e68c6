package sink

import (
	"bytes"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// This file stands in for the page encoder, on arrow-go's whole writer. It copies every record once
// in its task, because the record is only borrowed.

type groupEncoder struct {
	schema *arrow.Schema
	c      Compression
}

type rowGroup struct{ ipc bytes.Buffer }

func newGroupEncoder(schema *arrow.Schema, c Compression) *groupEncoder {
	return &groupEncoder{schema: schema, c: c}
}

func (g *groupEncoder) encode(rec arrow.RecordBatch) ([]func() error, *rowGroup) {
	rg := &rowGroup{}
	return []func() error{func() error {
		w := ipc.NewWriter(&rg.ipc, ipc.WithSchema(g.schema))
		if err := w.Write(rec); err != nil {
			return err
		}
		return w.Close()
	}}, rg
}

type countWriter struct {
	w io.Writer
	n int64
}

func (c *countWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

type parquetFile struct {
	w   *countWriter
	pq  *pqarrow.FileWriter
	err error
	n   int64
}

func newParquetFile(w io.Writer, g *groupEncoder) *parquetFile {
	codec := compress.Codecs.Zstd
	switch g.c.Codec {
	case Snappy:
		codec = compress.Codecs.Snappy
	case None:
		codec = compress.Codecs.Uncompressed
	}
	props := []parquet.WriterProperty{parquet.WithCompression(codec)}
	if g.c.Codec == Zstd {
		props = append(props, parquet.WithCompressionLevel(g.c.zstdLevel()))
	}
	f := &parquetFile{w: &countWriter{w: w}}
	f.pq, f.err = pqarrow.NewFileWriter(g.schema, f.w, parquet.NewWriterProperties(props...), pqarrow.DefaultWriterProps())
	return f
}

func (f *parquetFile) append(rg *rowGroup) error {
	if f.err != nil {
		return f.err
	}
	r, err := ipc.NewReader(&rg.ipc)
	if err != nil {
		return err
	}
	defer r.Release()
	for r.Next() {
		f.n += r.RecordBatch().NumRows()
		if err := f.pq.Write(r.RecordBatch()); err != nil {
			return err
		}
	}
	return r.Err()
}

func (f *parquetFile) size() int64 { return f.w.n }
func (f *parquetFile) rows() int64 { return f.n }

func (f *parquetFile) finish(keyValues map[string]string) error {
	if f.err != nil {
		return f.err
	}
	for k, v := range keyValues {
		if err := f.pq.AppendKeyValueMetadata(k, v); err != nil {
			return fmt.Errorf("footer key %s: %w", k, err)
		}
	}
	return f.pq.Close()
}
