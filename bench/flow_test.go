package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// records are the command's default.
func records() pipeline.Records { return pipeline.Records{Bytes: 16 << 20, Rows: 131072} }

// BenchmarkConvert moves a recorded stream from memory into a published Parquet file: framing, decoding,
// encoding with zstd 3, writing, fsync. Everything of `tw2parquet convert` but the process.
func BenchmarkConvert(b *testing.B) {
	for _, corpus := range []Corpus{
		{Seed: 1, Kind: Mix, Results: 20000},
		{Seed: 1, Kind: X, Results: 100000},
		{Seed: 1, Kind: Blog, Results: 8000},
	} {
		b.Run(fmt.Sprintf("kind=%s", corpus.Kind), func(b *testing.B) {
			var stream bytes.Buffer
			if _, err := corpus.WriteTo(&stream); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(stream.Len()))
			b.ReportAllocs()
			var written int64
			for b.Loop() {
				out := open(b, "zstd:3")
				recording := source.NewRecording(bytes.NewReader(stream.Bytes()), 0, records().Batches())
				written = move(b, recording, out)
			}
			rate(b, corpus.Results)
			b.ReportMetric(float64(stream.Len())/float64(written), "x-smaller")
		})
	}
}

// BenchmarkExport does the same with an export: the emulator's API over HTTP on loopback, in this process, so
// that its share (rendering documents, sending them) is in the figure. Waiting is scaled down to nothing
// that shows.
func BenchmarkExport(b *testing.B) {
	server, err := emulator.New(emulator.Config{Seed: 1, DocumentsPerDay: 2000, ControlEvery: 1000, Credits: 1 << 40, NoRateLimits: true})
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, ln) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
	}()
	// A day, scaled, is nine seconds: 90 s would be 9 ms, and a stream on a busy machine pauses longer than that.
	client, err := source.New(source.Config{BaseURL: "http://" + ln.Addr().String(), Token: source.NewToken(server.Token()),
		WaitScale: 1e-4, IdleTimeout: 24 * time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	request := source.Request{Kind: source.KindProject, Project: server.Projects()[0], Limit: 1000000,
		Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Stop: time.Date(2024, 1, 8, 0, 0, 0, 0, time.UTC)}
	var stats source.StreamStats
	b.ReportAllocs()
	for b.Loop() {
		request.Generation++ // a run, a collector and a task of its own
		run := request.Run("127.0.0.1")
		out := open(b, "zstd:3")
		got, err := client.Acquire(b.Context(), run, request, out.Journal())
		if err != nil {
			b.Fatal(err)
		}
		stream := client.Stream(source.StreamConfig{Collector: source.CollectorID(run), Ending: source.TaskDone{ID: got.Task.ID}, Limits: records().Batches()})
		move(b, stream, out)
		stats = stream.Stats()
		if err := stream.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(stats.Bytes)
	rate(b, int(stats.Results))
}

// BenchmarkEncode encodes one record of mixed documents, page task after page task on one core, and
// appends it to a file.
func BenchmarkEncode(b *testing.B) {
	chunks, err := Corpus{Seed: 1, Results: benchResults}.Chunks()
	if err != nil {
		b.Fatal(err)
	}
	encoder := schema.NewEncoder()
	size := 0
	for i, chunk := range chunks {
		if err := encoder.Append(chunk, int64(i)); err != nil {
			b.Fatal(err)
		}
		size += len(chunk)
	}
	record := encoder.Record()
	for _, codec := range []string{"none", "snappy", "zstd:1", "zstd:3"} {
		b.Run("codec="+codec, func(b *testing.B) {
			out := open(b, codec)
			b.SetBytes(int64(size)) // of the chunks, to compare with decoding
			b.ReportAllocs()
			for b.Loop() {
				tasks, appendGroup := out.Encode(record)
				for _, task := range tasks {
					if err := task(); err != nil {
						b.Fatal(err)
					}
				}
				if err := appendGroup(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := out.Rewind(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			rate(b, len(chunks))
		})
	}
}

// open makes an output in a new directory.
func open(b *testing.B, codec string) *sink.Output {
	b.Helper()
	compression, err := parquet.ParseCompression(codec)
	if err != nil {
		b.Fatal(err)
	}
	disk, err := store.OpenLocal(store.LocalConfig{Root: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = disk.Close() })
	out, err := sink.Open(b.Context(), sink.Config{Store: disk, Run: "bench", Schema: schema.Arrow(),
		SchemaVersion: schema.Version, Compression: compression, RowGroup: parquet.RowGroupLimits{Rows: 131072, Bytes: 256 << 20}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := out.Close(); err != nil {
			b.Error(err)
		}
	})
	return out
}

// move runs a flow to its end and returns the bytes of the published files.
func move(b *testing.B, from pipeline.Batches, out *sink.Output) int64 {
	b.Helper()
	outcome, err := (&pipeline.Flow{Batches: from, Sink: out, Records: records()}).Run(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if err := out.Finish(b.Context(), outcome.Offset, outcome.Next, outcome.Notes); err != nil {
		b.Fatal(err)
	}
	if outcome.Rejected > 0 || outcome.Rows == 0 {
		b.Fatalf("%d rows, %d rejected", outcome.Rows, outcome.Rejected)
	}
	var size int64
	for _, f := range out.Files() {
		size += f.Bytes
	}
	return size
}

func rate(b *testing.B, documents int) {
	b.ReportMetric(float64(documents*b.N)/b.Elapsed().Seconds(), "docs/s")
}
