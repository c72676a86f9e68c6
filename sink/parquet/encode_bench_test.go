package parquet

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// prose makes sentences whose words are as unevenly frequent as those of a language, so that codecs
// have about as much to find as in real texts.
type prose struct {
	r     *rand.Rand
	words []string
	zipf  *rand.Zipf
}

func newProse() *prose {
	p := &prose{r: rand.New(rand.NewPCG(11, 12))}
	for range 20_000 {
		var w strings.Builder
		for range 1 + p.r.IntN(4) {
			w.WriteByte("bcdfghklmnprstvwz"[p.r.IntN(17)])
			w.WriteString([]string{"a", "e", "i", "o", "u", "ä", "en", "er"}[p.r.IntN(8)])
		}
		p.words = append(p.words, w.String())
	}
	p.zipf = rand.NewZipf(p.r, 1.1, 4, uint64(len(p.words)-1))
	return p
}

func (p *prose) text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.words[p.zipf.Uint64()])
	}
	return b.String()
}

// benchColumns have one column per class, and the shapes that cost most beside it.
func benchColumns() []arrow.Field {
	return []arrow.Field{
		required("_ordinal", arrow.PrimitiveTypes.Int64),
		hinted(field("content", arrow.BinaryTypes.String), "long"),
		field("title", arrow.BinaryTypes.String),
		hinted(field("url", arrow.BinaryTypes.String), "prefixed lookup"),
		field("lang", arrow.BinaryTypes.String),
		field("host_url", arrow.BinaryTypes.String),
		field("published", timestampUTC),
		field("engagement", arrow.PrimitiveTypes.Int64),
		field("sentiment", arrow.PrimitiveTypes.Int32),
		field("longitude", arrow.PrimitiveTypes.Float64),
		field("tokens", arrow.ListOf(arrow.BinaryTypes.String)),
		field("images", arrow.ListOf(arrow.StructOf(field("url", arrow.BinaryTypes.String), field("width", arrow.PrimitiveTypes.Int32)))),
		hinted(field("docscore", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64)), "distinct"),
		field("author", arrow.StructOf(field("name", arrow.BinaryTypes.String), field("world_data", arrow.StructOf(field("country", arrow.BinaryTypes.String))))),
		field("nothing", arrow.ListOf(arrow.StructOf(field("a", arrow.BinaryTypes.String)))),
	}
}

// benchRecord is a row group of documents, about as large and as uneven as a real one.
func benchRecord(schema *arrow.Schema, rows int) arrow.RecordBatch {
	p := newProse()
	r := p.r
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	text := func(b array.Builder, s string) { b.(*array.StringBuilder).Append(s) }
	for i := range rows {
		host := fmt.Sprintf("www.%s.example", p.words[r.IntN(1500)])
		for c, f := range schema.Fields() {
			col := b.Field(c)
			switch f.Name {
			case "_ordinal":
				col.(*array.Int64Builder).Append(int64(i))
			case "content":
				if r.IntN(8) == 0 {
					col.AppendNull()
				} else {
					text(col, p.text(200+int(2000*r.ExpFloat64())))
				}
			case "title":
				text(col, p.text(30+r.IntN(60)))
			case "url":
				text(col, fmt.Sprintf("https://%s/%s/%d", host, strings.ReplaceAll(p.text(30), " ", "-"), r.Uint32()))
			case "lang":
				text(col, []string{"de", "en", "fr", "it"}[r.IntN(4)])
			case "host_url":
				text(col, "http://"+host+"/")
			case "published":
				col.(*array.TimestampBuilder).Append(arrow.Timestamp(1_700_000_000_000_000 + r.Int64N(1<<31)*1000))
			case "engagement":
				col.(*array.Int64Builder).Append(int64(20 * r.ExpFloat64()))
			case "sentiment":
				col.(*array.Int32Builder).Append(int32(r.IntN(3)) - 1)
			case "longitude":
				if r.IntN(3) > 0 {
					col.AppendNull()
				} else {
					col.(*array.Float64Builder).Append(float64(r.IntN(700)) / 7)
				}
			case "tokens":
				list := col.(*array.ListBuilder)
				list.Append(true)
				for range r.IntN(6) {
					text(list.ValueBuilder(), p.text(4))
				}
			case "images":
				list := col.(*array.ListBuilder)
				list.Append(true)
				for range r.IntN(3) {
					image := list.ValueBuilder().(*array.StructBuilder)
					image.Append(true)
					text(image.FieldBuilder(0), fmt.Sprintf("https://%s/img/%d.jpg", host, r.Uint32()))
					image.FieldBuilder(1).(*array.Int32Builder).Append(int32(100 * (1 + r.IntN(12))))
				}
			case "docscore":
				m := col.(*array.MapBuilder)
				m.Append(true)
				text(m.KeyBuilder(), "test_score")
				m.ItemBuilder().(*array.Float64Builder).Append(r.Float64())
			case "author":
				if r.IntN(4) == 0 {
					col.AppendNull()
					continue
				}
				author := col.(*array.StructBuilder)
				author.Append(true)
				text(author.FieldBuilder(0), p.text(12))
				world := author.FieldBuilder(1).(*array.StructBuilder)
				world.Append(true)
				text(world.FieldBuilder(0), []string{"Germany", "France", "Luxembourg"}[r.IntN(3)])
			default:
				col.AppendNull()
			}
		}
	}
	return b.NewRecordBatch()
}

// benchEncode measures encoding and appending on one core. MB/s are bytes of values.
func benchEncode(b *testing.B, c Compression, en Encodings, rec arrow.RecordBatch) {
	e := NewEncoder(rec.Schema(), c, en)
	f := NewWriter(io.Discard, e, RowGroupLimits{})
	var raw int64
	groups := 0
	for b.Loop() {
		tasks, g := e.Encode(rec)
		if raw == 0 {
			for i := range g.columns {
				raw += int64(g.columns[i].weight())
			}
			b.SetBytes(raw)
			b.ReportAllocs()
		}
		for _, task := range tasks {
			if err := task(); err != nil {
				b.Fatal(err)
			}
		}
		if err := f.Append(g); err != nil {
			b.Fatal(err)
		}
		groups++
	}
	b.ReportMetric(float64(f.Size())/float64(groups), "file-B/op")
	b.ReportMetric(float64(rec.NumRows())*float64(groups)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkEncode encodes a row group of 10,000 documents with each codec, and each choice of encodings.
func BenchmarkEncode(b *testing.B) {
	rec := benchRecord(arrow.NewSchema(benchColumns(), nil), 10_000)
	defer rec.Release()
	for _, codec := range []string{"zstd:1", "zstd:3", "snappy", "none"} {
		c, err := ParseCompression(codec)
		if err != nil {
			b.Fatal(err)
		}
		for _, en := range bothEncodings() {
			b.Run(codec+"/"+en.String(), func(b *testing.B) { benchEncode(b, c, en, rec) })
		}
	}
}

// BenchmarkColumn encodes one column at a time, with zstd and without any codec: the difference is
// the codec's.
func BenchmarkColumn(b *testing.B) {
	for _, f := range benchColumns() {
		rec := benchRecord(arrow.NewSchema([]arrow.Field{f}, nil), 10_000)
		for _, c := range []Compression{{}, {Codec: None}} {
			b.Run(fmt.Sprintf("%s/%s", f.Name, c), func(b *testing.B) { benchEncode(b, c, Broad, rec) })
		}
		rec.Release()
	}
}
