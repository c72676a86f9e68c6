package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"tw2parquet/schema"
)

const (
	// benchResults makes a corpus of some megabytes, larger than the caches.
	benchResults = 3000
	// recordRows is how many rows the encoder gathers before it is emptied: a row group of the product.
	recordRows = 10000
)

// decoder reads one chunk.
type decoder struct {
	name   string
	warm   int // chunks before anything counts
	decode func(chunk []byte) error
}

// BenchmarkDecode reads result chunks in memory, on one core: ours into Arrow columns, with UTF-8
// checked, unknown members and null kept apart, and duplicates counted; the others into Go structs of the
// same members, which leaves out all of that (and the columns are still to be filled). Faster decoders are in
// bench/decode.
func BenchmarkDecode(b *testing.B) {
	value := reflect.New(structOf())
	document := value.Interface()
	into := func(unmarshal func([]byte, any) error) func([]byte) error {
		return func(chunk []byte) error {
			value.Elem().SetZero() // else absent members keep the values of the document before
			return unmarshal(chunk, document)
		}
	}
	encoder := schema.NewEncoder()
	ordinal := int64(0)
	decoders := []decoder{
		{"tw2parquet", 2 * recordRows, func(chunk []byte) error {
			if encoder.Rows() == recordRows {
				encoder.Reset()
			}
			ordinal++
			err := encoder.Append(chunk, ordinal)
			if errors.Is(err, schema.ErrFull) {
				encoder.Reset()
				err = encoder.Append(chunk, ordinal)
			}
			return err
		}},
		{"encodingjson", 1, into(json.Unmarshal)},
	}
	for _, kind := range Kinds() {
		chunks, err := Corpus{Seed: 1, Kind: kind, Results: benchResults}.Chunks()
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range decoders {
			b.Run(fmt.Sprintf("kind=%s/decoder=%s", kind, d.name), func(b *testing.B) { decodeAll(b, chunks, d) })
		}
	}
}

func decodeAll(b *testing.B, chunks [][]byte, d decoder) {
	size := 0
	once := func() {
		for i, chunk := range chunks {
			if err := d.decode(chunk); err != nil {
				b.Fatalf("chunk %d: %v", i, err)
			}
		}
	}
	for _, chunk := range chunks {
		size += len(chunk)
	}
	b.SetBytes(int64(size))
	// Buffers grow to the size of a record first, wherever the one before has left off.
	for range (d.warm + len(chunks) - 1) / len(chunks) {
		once()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	spent := cpuTime(b)
	for b.Loop() {
		once()
	}
	spent = cpuTime(b) - spent
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.N*size)/1e6/spent.Seconds(), "MB/cpu-s") // on a loaded machine MB/s says little
	documents := float64(b.N * len(chunks))
	b.ReportMetric(documents/b.Elapsed().Seconds(), "docs/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/documents, "allocs/doc")
}

// cpuTime is what the process has used of its processors, collecting garbage included.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// structOf is a chunk as a plain Go struct with every member of the schema's table: what a program that
// uses a JSON library writes by hand. An absent member and a zero look alike in it.
func structOf() reflect.Type {
	type place struct {
		name    string
		typ     schema.Type
		members []*place
	}
	root := &place{}
	byPath := map[string]*place{"": root}
	for _, f := range schema.Fields() {
		if strings.HasPrefix(f.Path, "_") {
			continue
		}
		parent, name := "", f.Path
		if i := strings.LastIndexByte(f.Path, '.'); i >= 0 {
			parent, name = strings.TrimSuffix(f.Path[:i], "[]"), f.Path[i+1:]
		}
		p := &place{name: name, typ: f.Type}
		byPath[f.Path] = p
		byPath[parent].members = append(byPath[parent].members, p)
	}
	var members func([]*place) reflect.Type
	goType := func(p *place) reflect.Type {
		switch p.typ {
		case schema.Int32:
			return reflect.TypeFor[int32]()
		case schema.Int64, schema.Time:
			return reflect.TypeFor[int64]()
		case schema.Float64:
			return reflect.TypeFor[float64]()
		case schema.Texts:
			return reflect.TypeFor[[]string]()
		case schema.Object:
			return members(p.members)
		case schema.Objects:
			return reflect.SliceOf(members(p.members))
		case schema.Scores:
			return reflect.TypeFor[map[string]float64]()
		case schema.JSON:
			return reflect.TypeFor[json.RawMessage]()
		default:
			return reflect.TypeFor[string]()
		}
	}
	field := func(name string, t reflect.Type) reflect.StructField {
		return reflect.StructField{Name: "F_" + name, Type: t, Tag: reflect.StructTag(`json:"` + name + `"`)}
	}
	members = func(places []*place) reflect.Type {
		var fields []reflect.StructField
		for _, p := range places {
			fields = append(fields, field(p.name, goType(p)))
		}
		return reflect.StructOf(fields)
	}
	var document []*place
	var beside []reflect.StructField
	for _, p := range root.members {
		if p.name == "highlighted_data" {
			beside = append(beside, field(p.name, goType(p)))
			continue
		}
		document = append(document, p)
	}
	result := reflect.StructOf(append(beside, field("data", members(document))))
	chunk := reflect.StructOf([]reflect.StructField{field("data", result)})
	return reflect.StructOf([]reflect.StructField{field("chunk_type", reflect.TypeFor[string]()), field("chunk_result", chunk)})
}
