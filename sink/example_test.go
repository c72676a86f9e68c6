package sink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/store"
	"tw2parquet/source"
)

const recording = `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.org/1"}}}}
{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.org/2"}}}}
{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"opaque"}}
`

// The three packages together: a recording is read in batches, encoded to columns, and published. A start finds where the one
// before it ended, so to call it again adds nothing.
func Example() {
	dir, err := os.MkdirTemp("", "lake-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for range 2 {
		if err := convert(context.Background(), dir, strings.NewReader(recording)); err != nil {
			fmt.Println(err)
			return
		}
	}
	content, err := os.ReadFile(filepath.Join(dir, "part-example-00000.parquet"))
	if err != nil {
		fmt.Println(err)
		return
	}
	said, err := sink.ReadPublished(bytes.NewReader(content), int64(len(content)))
	fmt.Printf("%s: %d rows up to %s, %v\n", said.Run, said.Rows, said.ToOffset, err)
	// Output:
	// published 2 rows, up to position 2
	// complete already, as the manifest says
	// example: 2 rows up to end, <nil>
}

func convert(ctx context.Context, dir string, recorded io.Reader) error {
	disk, err := store.OpenLocal(store.LocalConfig{Root: dir})
	if err != nil {
		return err
	}
	defer func() { _ = disk.Close() }()
	out, err := sink.Open(ctx, sink.Config{Store: disk, Run: "example", Schema: schema.Arrow(), SchemaVersion: schema.Version})
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	if manifest, err := out.Manifest(); manifest != nil || err != nil {
		fmt.Println("complete already, as the manifest says")
		return err
	}

	r, encoder := source.NewRecording(recorded, 0, source.BatchLimits{}), schema.NewEncoder()
	var b source.Batch
	for {
		b.Reset()
		end := r.Next(ctx, &b)
		for i, c := range b.Chunks {
			if err := encoder.Append(b.Raw[c.Start:c.End], b.First+int64(i)); err != nil {
				return err // a program that goes on keeps it: out.Reject
			}
		}
		if encoder.Rows() > 0 {
			if err := rowGroup(ctx, out, encoder); err != nil {
				return err
			}
			encoder.Reset()
		}
		switch {
		case errors.Is(end, io.EOF):
			next := r.Stats().Results
			if err := out.Finish(ctx, "end", next, nil); err != nil { // publishes: from here on the rows are there
				return err
			}
			_, position := out.Position()
			fmt.Printf("published %d rows, up to position %d\n", out.Files()[0].Rows, position)
			return out.Complete(ctx, []byte(`{"by":"an example"}`))
		case end != nil:
			return end
		}
	}
}

// rowGroup writes what is encoded as one row group of the open file. The tasks may be shared out among goroutines.
func rowGroup(ctx context.Context, out *sink.Output, encoder *schema.Encoder) error {
	rec := encoder.Record()
	defer rec.Release()
	tasks, write := out.Encode(rec)
	for _, task := range tasks {
		if err := task(); err != nil {
			return err
		}
	}
	return write(ctx)
}
