package main

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
)

// writing are the flags of every command that writes Parquet.
type writing struct {
	unsafely
	FileSize        size              `name:"file-size" default:"256MiB" placeholder:"SIZE" help:"A file is closed at the first safe point after this size (default ${default})." group:"Writing"`
	FileRows        int64             `name:"file-rows" placeholder:"N" help:"Or after this many rows, and always after 256 row groups." group:"Writing"`
	RowGroupSize    size              `name:"row-group-size" default:"256MiB" placeholder:"SIZE" help:"Bytes of columns, before compression, in a row group; at most 131072 rows (default ${default})." group:"Writing"`
	Compression     string            `name:"compression" default:"zstd:3" placeholder:"CODEC[:LEVEL]" complete:"zstd,snappy,none" help:"zstd, snappy or none (default ${default})." group:"Writing"`
	Encodings       parquet.Encodings `name:"encodings" default:"broad" placeholder:"CHOICE" complete:"broad,compact" help:"broad: plain and dictionary, which every engine reads; compact: delta encodings where they are smaller (default ${default})." group:"Writing"`
	Workers         int               `name:"workers" placeholder:"N" help:"Decoding and encoding workers; default: CPUs." group:"Writing"`
	MaxRejects      int64             `name:"max-rejects" default:"0" placeholder:"N" help:"Rejected documents are set aside; more than N of them fail the run (-1: never) (default ${default})." group:"Writing"`
	MaxDocumentSize size              `name:"max-document-size" default:"64MiB" placeholder:"SIZE" help:"Larger documents are rejected (default ${default})." group:"Writing"`
}

func (w *writing) validate() (parquet.Compression, error) {
	var bad []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			bad = append(bad, fmt.Errorf(format, args...))
		}
	}
	codec, err := parquet.ParseCompression(w.Compression)
	if err != nil {
		bad = append(bad, fmt.Errorf("--compression: %w", err))
	}
	check(w.FileSize > 0, "--file-size must be above 0")
	check(w.FileRows >= 0, "--file-rows is %d; it must be above 0", w.FileRows)
	check(w.RowGroupSize >= 64<<10 && w.RowGroupSize <= maxRowGroupBytes, "--row-group-size must lie between 64KiB and 1GiB")
	check(w.Workers >= 0 && w.Workers <= 1024, "--workers is %d; it must lie between 1 and 1024", w.Workers)
	check(w.MaxRejects >= -1, "--max-rejects is %d; it must be -1 or more", w.MaxRejects)
	check(w.MaxDocumentSize >= 1<<10 && w.MaxDocumentSize <= pipeline.MaxDocumentBytes, "--max-document-size must lie between 1KiB and 128MiB")
	if len(bad) > 0 {
		return codec, &usageError{errors.Join(bad...)}
	}
	return codec, nil
}

// maxRowGroupRows is the upper end of what readers like, and bounds the columns of a row group whose
// documents are tiny. Whatever maxRowGroupBytes allows, what waits takes little memory, see parquet.Encoder.SpillTo.
const (
	maxRowGroupRows  = 131072
	maxRowGroupBytes = 1 << 30

	// A lake of one small file is read by at most as many threads as it has row groups. Half of these sizes make DuckDB faster
	// where whole rows are read, and slower where footers are most of the work: bench/results has the figures.
	earlyRowGroupRows  = 32768
	earlyRowGroupBytes = 64 << 20
)

// rowGroup says how large row groups are.
func (w *writing) rowGroup() parquet.RowGroupLimits {
	return parquet.RowGroupLimits{Rows: maxRowGroupRows, Bytes: int64(w.RowGroupSize), EarlyRows: earlyRowGroupRows, EarlyBytes: earlyRowGroupBytes}
}

// recordBytes is what is held as columns at once, as received: a part of a row group, of which each column is a page or
// more. 1,000,000 results of the mix take, in row groups of parts of 16 MiB, 1.114 GB; in row groups of
// one part of 32 MiB, 1.112. Row groups of parts of 32 MiB are 1.7 % smaller and take 55 MiB more memory.
const recordBytes = 16 << 20

// records says when what was decoded is encoded.
func (w *writing) records() pipeline.Records {
	return pipeline.Records{Bytes: int(min(w.RowGroupSize, recordBytes)), Rows: maxRowGroupRows}
}

// encoder serves all outputs of the command.
func (w *writing) encoder(c parquet.Compression) *parquet.Encoder {
	e := parquet.NewEncoder(schema.Arrow(), c, w.Encodings)
	e.SpillTo(func() (parquet.Spill, error) {
		f, err := store.Spill()
		if err != nil {
			return nil, err // and not a nil file in an interface
		}
		return f, nil
	})
	return e
}

// spilling is why row groups cannot wait on a disk; nil if they can.
func spilling() error {
	f, err := store.Spill()
	if err == nil {
		err = f.Close()
	}
	return err
}

// target is one run's place in an output.
type target struct {
	to                 *destination
	run, partition     string
	meta               map[string]string // footer key-values
	encoder            *parquet.Encoder
	skipEmpty, refetch bool
	begin              *store.Record    // see sink.Config
	tail               bool             // see sink.Config.Tail
	assuming                            // of tables that have the run
	iceberg            *icebergSettings // of one of them, with --register
}

func (w *writing) open(ctx context.Context, a *app, t target) (output, error) {
	meta := map[string]string{"writer": writer(programVersion, commit()), "schema_fingerprint": schema.Fingerprint()}
	maps.Copy(meta, t.meta)
	place, err := t.to.use(ctx, true)
	if err != nil {
		return output{}, err
	}
	if t.to.unsafe {
		place = &lenient{Store: place, to: t.to}
	}
	out, err := sink.Open(ctx, sink.Config{
		Store: place, Run: t.run, Partition: t.partition, Schema: schema.Arrow(), SchemaVersion: schema.Version, Meta: meta,
		MaxFileBytes: int64(w.FileSize), MaxFileRows: w.FileRows, Encoder: t.encoder, RowGroup: w.rowGroup(), SkipEmpty: t.skipEmpty, Refetch: t.refetch, Begin: t.begin, Tail: t.tail, Logger: a.log,
		Probes: &t.to.probes,
	})
	if err != nil {
		return output{}, err
	}
	return output{out, t.to.gaveUp.Load(), &registrar{app: a, to: t.to, how: t.assuming, iceberg: t.iceberg}}, nil
}

// output is a sink's output as the pipeline sees it.
type output struct {
	*sink.Output
	unsafe bool // its store ignores conditional writes, and that was accepted
	tables *registrar
}

// parts are the output by what the pipeline does with it.
func (o output) parts() pipeline.Output {
	return pipeline.Output{Sink: o, Chain: o, Mending: o, Manifest: o, Journal: o.Journal(), Fresh: o.Fresh(), UnsafeOverwrite: o.unsafe, Retire: o.retire, Close: o.Close}
}

// retire removes files that were written again once the table names the new ones: whoever reads the table meets no file
// that is gone.
func (o output) retire(ctx context.Context) error {
	if o.Replaced() {
		if err := o.tables.swap(ctx, o.Journal()); err != nil {
			return fmt.Errorf("%w; the files that were written again are there twice until the table is in order", err)
		}
	}
	o.Retire(ctx)
	return nil
}

func (o output) Files() []pipeline.File {
	files := o.Output.Files()
	out := make([]pipeline.File, len(files))
	for i, f := range files {
		out[i] = pipeline.File{Name: f.Name, Rows: f.Rows, Rejected: f.Rejected, Bytes: f.Bytes, Notes: f.Notes}
	}
	return out
}

func (o output) Gap() (offset string, next int64, ok bool) {
	g, ok := o.Output.Gap()
	return g.Offset, g.Next, ok
}

// judge settles how a window ends whose data is all safe. It reads the report only, so that a complete run is
// judged alike on every start.
func (w *writing) judge(r pipeline.Report) error {
	if w.MaxRejects < 0 || r.Rejected <= w.MaxRejects {
		return nil
	}
	documents := "documents were"
	if r.Rejected == 1 {
		documents = "document was"
	}
	return &statusError{exitData, fmt.Sprintf("%d %s rejected, more than --max-rejects %d", r.Rejected, documents, w.MaxRejects),
		fmt.Sprintf("they are kept with their reasons under %s/; run again with --max-rejects %d to accept them", sink.RunDir(r.Run), r.Rejected)}
}

// judgeEmpty is exit 99 where it was asked for.
func (a *app) judgeEmpty(skip bool) error {
	if skip && a.result.Rows+a.result.Rejected == 0 {
		return &statusError{code: exitEmpty, message: "nothing was exported"}
	}
	return nil
}
