package table

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"tw2parquet/sink/store"
)

// A checkpoint is a Parquet file with an action a row that together say what all commits up to its version come to, so that a
// reader needs no older ones. Engines write them, and remove old commits afterwards.
//
// This program writes none. It would be a Parquet file that patterns such as lake/*/*.parquet find, which people have in queries
// that worked for the first hundred windows. A commit costs a reader about half a millisecond of CPU (delta-rs 1.6.6: 0.06 s for
// 100, 0.18 s for 365, 0.5 s for 1,000, 1.4 s for 3,000; 0.01 to 0.04 s with a checkpoint), so that years of daily windows need
// none; and whoever has more can have one written by any engine.

// wanted are the members of actions that are read of a checkpoint. Engines add others, of types of the table's columns.
var wanted = map[string][]string{
	"txn": {"appId", "version", "lastUpdated"}, "protocol": {"minReaderVersion", "minWriterVersion", "readerFeatures", "writerFeatures"},
	"metaData": {"id", "name", "description", "format", "schemaString", "partitionColumns", "configuration", "createdTime"},
	"add":      {"path", "partitionValues", "size", "modificationTime", "dataChange", "tags", "stats"},
	"remove":   {"path", "deletionTimestamp", "dataChange", "extendedFileMetadata", "partitionValues", "size"},
}

// readCheckpoint takes in a checkpoint, or a part of one.
func (l *deltaLog) readCheckpoint(ctx context.Context, e store.Entry) (err error) {
	base := path.Base(e.Name)
	if e.Size > maxCheckpointBytes {
		return l.damaged(base, fmt.Errorf("%d bytes are too many", e.Size))
	}
	text := make([]byte, e.Size)
	if err := l.store.ReadAt(ctx, e.Name, text, 0); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil { // the reader's way to refuse a file
			err = l.damaged(base, fmt.Errorf("%v", p))
		}
		if err != nil && ctx.Err() == nil {
			err = l.damaged(base, err)
		}
	}()
	r, err := file.NewParquetReader(bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it is in memory
	var leaves []int
	for i := range r.MetaData().Schema.NumColumns() {
		parts := strings.Split(r.MetaData().Schema.Column(i).Path(), ".")
		if len(parts) > 1 && slices.Contains(wanted[parts[0]], parts[1]) {
			leaves = append(leaves, i)
		}
	}
	reader, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 4096}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	records, err := reader.GetRecordReader(ctx, leaves, nil)
	if err != nil {
		return err
	}
	defer records.Release()
	for records.Next() {
		var lines bytes.Buffer
		if err := array.RecordToJSON(records.RecordBatch(), &lines); err != nil {
			return err
		}
		if err := l.take(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := records.Err(); err != nil {
		return err
	}
	return nil
}

// pairs is a map, which is an object in a commit and becomes a list of keys and values on the way out of a checkpoint.
type pairs map[string]*string

// UnmarshalJSON reads both.
func (p *pairs) UnmarshalJSON(text []byte) error {
	if len(text) == 0 || text[0] != '[' {
		return json.Unmarshal(text, (*map[string]*string)(p))
	}
	var list []struct {
		Key   string
		Value *string
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*p = pairs{}
	for _, kv := range list {
		(*p)[kv.Key] = kv.Value
	}
	return nil
}
